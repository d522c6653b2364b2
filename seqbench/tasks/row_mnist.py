"""``row-mnist``: MNIST read row by row, the notebook's task."""

from pathlib import Path
from typing import Any

from seqbench.tasks.task import TASKS, Classification, Split, TaskData
from seqbench.tasks.torchvision_images import load_images


@TASKS.register("row-mnist")
class RowMnist(Classification):
    """Which digit is it? 70,000 images of 28×28 pixels, each fed as 28 steps of 28 features.

    28 rows of 28 grey values in [0, 1], as torchvision's `ToTensor` scales them → one of 10
    classes. 60,000 images to train on, 10,000 to test on: MNIST's own split.
    Source: LeCun, Cortes and Burges; files and checksums as torchvision has them.
    Some papers call this, others ``pixel-mnist``, "sequential MNIST": that bare name is not used.
    """

    features = 28
    time = 28
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        train, test = load_images("MNIST", data_dir)
        return TaskData(train=_as_split(train), test=_as_split(test))


def _as_split(dataset: Any) -> Split:
    return Split(dataset.data.float().div_(255), dataset.targets.long())
