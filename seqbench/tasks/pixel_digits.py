"""``pixel-digits``: scikit-learn's bundled 8×8 digits, read pixel by pixel. Needs no network."""

from pathlib import Path

from seqbench.tasks.image_sequences import one_pixel_a_step
from seqbench.tasks.row_digits import RowDigits
from seqbench.tasks.task import TASKS, Classification, TaskData


@TASKS.register("pixel-digits")
class PixelDigits(Classification):
    """Which digit is it? The images of ``row-digits``, each fed as 64 steps of one pixel.

    64 grey values in [0, 1], row after row from the top left → one of 10 classes. Step 9 of an
    image (counted from 0) is the second pixel of its second row. The same split as
    ``row-digits``: 1,437 images to train on, 360 to test on.

    Source: as ``row-digits``. A small ``pixel-mnist`` that needs no download.
    Baseline: the majority class, 10 %.
    Conventions: no published figures read these images pixel by pixel.
    """

    features = 1
    time = 64
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        return one_pixel_a_step(RowDigits().load(data_dir))
