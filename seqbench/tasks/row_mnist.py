"""``row-mnist``: MNIST read row by row, the notebook's task."""

from pathlib import Path

from seqbench.tasks.image_sequences import load_rows
from seqbench.tasks.task import TASKS, Classification, TaskData


@TASKS.register("row-mnist")
class RowMnist(Classification):
    """Which digit is it? 70,000 images of 28×28 pixels, each fed as 28 steps of 28 features.

    28 rows of 28 grey values in [0, 1], as torchvision's `ToTensor` scales them → one of 10
    classes. 60,000 images to train on, 10,000 to test on: MNIST's own split.

    Source: LeCun, Cortes and Burges; files and checksums as torchvision has them.
    Baseline: the majority class, 11.35 %.
    Conventions: some papers call this, others ``pixel-mnist``, "sequential MNIST": that bare name
    is not used.
    """

    features = 28
    time = 28
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        return load_rows("MNIST", data_dir)
