"""``row-digits``: scikit-learn's bundled 8×8 digits, read row by row. Needs no network, ever."""

from pathlib import Path

import torch

from seqbench.tasks.task import TASKS, Classification, Split, TaskData

TEST_EXAMPLES = 360
SPLIT_SEED = 0
BRIGHTEST = 16  # pixels count how many of 4×4 sub-pixels were set


@TASKS.register("row-digits")
class RowDigits(Classification):
    """Which digit is it? 1,797 images of 8×8 pixels, each fed as 8 steps of 8 features.

    8 rows of 8 grey values in [0, 1] → one of 10 classes. One fixed split, stratified by class:
    1,437 images to train on, 360 to test on, scikit-learn's `train_test_split(range(1797),
    test_size=360, stratify=target, random_state=0)`; values are divided by 16.

    Source: scikit-learn's `load_digits`, the test set of the UCI optical digits (Alpaydin and
    Kaynak, 1998).
    Baseline: the majority class, 10 %.
    Conventions: the UCI set splits by writer, 3,823 to 1,797; these are its 1,797.
    """

    features = 8
    time = 8
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        """Return the split; the images come with scikit-learn, not from ``data_dir``."""
        from sklearn.datasets import load_digits  # three quarters of a second to import
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        train_images, test_images, train_classes, test_classes = train_test_split(
            digits.images / BRIGHTEST,
            digits.target,
            test_size=TEST_EXAMPLES,
            stratify=digits.target,
            random_state=SPLIT_SEED,
        )
        return TaskData(
            train=Split(torch.tensor(train_images).float(), torch.tensor(train_classes).long()),
            test=Split(torch.tensor(test_images).float(), torch.tensor(test_classes).long()),
        )
