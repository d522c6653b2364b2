"""``pixel-mnist``: MNIST read pixel by pixel."""

from pathlib import Path

from seqbench.tasks.image_sequences import load_rows, one_pixel_a_step
from seqbench.tasks.task import TASKS, Classification, TaskData


@TASKS.register("pixel-mnist")
class PixelMnist(Classification):
    """Which digit is it? MNIST's images, each fed as 784 steps of one pixel.

    784 grey values in [0, 1], row after row from the top left → one of 10 classes. Step 30 of an
    image (counted from 0) is the third pixel of its second row. 60,000 images to train on, 10,000
    to test on: MNIST's own split.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified
    linear units", 2015.
    Baseline: the majority class, 11.35 %.
    Conventions: often called sMNIST or sequential MNIST, a name that ``row-mnist`` goes by too.
    Papers differ in scaling (here [0, 1], elsewhere standardised or 0 to 255) and in whether they
    hold back 5,000 or 10,000 training images for validation (here none).
    """

    features = 1
    time = 784
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        return one_pixel_a_step(load_rows("MNIST", data_dir))
