"""``row-fashion``: Fashion-MNIST read row by row."""

from pathlib import Path

from seqbench.tasks.image_sequences import load_rows
from seqbench.tasks.task import TASKS, Classification, TaskData


@TASKS.register("row-fashion")
class RowFashion(Classification):
    """Which garment is it? 70,000 images of 28×28 pixels, each fed as 28 steps of 28 features.

    28 rows of 28 grey values in [0, 1] → one of 10 classes, from T-shirt (0) to ankle boot (9).
    60,000 images to train on, 10,000 to test on: the set's own split. Harder than ``row-mnist``
    at the same sizes and speed.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017; files and checksums as torchvision
    has them.
    Baseline: one class for all, 10 %: the classes are equally common.
    Conventions: published figures are mostly of convolutional networks that see the image whole.
    """

    features = 28
    time = 28
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        return load_rows("FashionMNIST", data_dir)
