"""Images read as sequences: row by row, pixel by pixel, or pixel by pixel in another order."""

from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from seqbench.tasks.task import Split, TaskData
from seqbench.tasks.torchvision_images import Images, load_images

BRIGHTEST = 255


def load_rows(name: str, data_dir: Path) -> TaskData:
    """Return one of torchvision's sets of MNIST's layout, each image as its rows.

    Inputs are Float (examples, height, width), grey values in [0, 1] as torchvision's `ToTensor`
    scales them; targets are Int (examples,), the classes. The split is the set's own.

    Raises
    ------
    DataUnavailableError
        If the files are not there and cannot be downloaded, or are not the published ones.
    """
    train, test = load_images(name, data_dir)
    return TaskData(train=_as_split(train), test=_as_split(test))


def _as_split(images: Images) -> Split:
    return Split(images.data.float().div_(BRIGHTEST), images.targets.long())


def one_pixel_a_step(rows: TaskData, order: Int[Tensor, " pixels"] | None = None) -> TaskData:
    """Return the images pixel by pixel: Float (examples, height·width, 1).

    Row after row, or in the given order: step ``i`` is then pixel ``order[i]``.
    """
    return TaskData(train=_one_by_one(rows.train, order), test=_one_by_one(rows.test, order))


def _one_by_one(rows: Split, order: Int[Tensor, " pixels"] | None) -> Split:
    pixels = rows.inputs.flatten(start_dim=1)
    if order is not None:
        pixels = pixels.index_select(1, order)
    return Split(pixels.unsqueeze(-1), rows.targets)
