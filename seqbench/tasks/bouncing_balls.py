"""``bouncing-balls``: the next frame of a video of balls in a box."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqbench.tasks.generated import GeneratedTask
from seqbench.tasks.task import TASKS, Regression, Split, TaskData

BALLS = 3
SIDE = 10.0  # of the box
RADIUS = 1.2
PIXELS = 16  # along a side of a frame
MOVES_PER_FRAME = 4
WHITE = 255


@TASKS.register("bouncing-balls")
class BouncingBalls(GeneratedTask, Regression):
    """What does the next video frame show? Three balls that bounce off walls and each other.

    A frame has 16×16 pixels from 0 (black) to 1 (a ball), 256 features row after row; a ball is
    about 4 pixels wide and moves about one pixel a frame. One frame shows where the balls are,
    two how they move. Inputs and targets are Float (examples, length, 256), 20 frames by default:
    the answer at each step is the frame after it. 1,000 videos to train on, 200 to test on.
    ``length`` is a setting. Loss and score are the mean squared error per pixel.

    Balls of radius 1.2 and equal mass move in a box of side 10, with speeds whose squares add up
    to 1 a frame; nothing slows them. Walls and other balls turn them round elastically: no energy
    is lost, and none of the balls' common momentum but to walls. Brightness falls off with the
    distance d from a ball's middle as exp(−(d/1.2)⁸) and is rounded to a multiple of 1/255.

    Source: Sutskever, Hinton and Taylor, "The recurrent temporal restricted Boltzmann machine",
    2009, whose box, balls and brightness these are.
    Baseline: the last frame repeated.
    Conventions: papers have 30×30 or 15×15 pixels, 100 to 128 frames, and balls half as fast; they
    mostly sum the squared error over the pixels of a frame.
    """

    features = PIXELS**2
    outputs = PIXELS**2
    readouts = ("each",)
    looks_ahead = False
    default_length = 20
    drawn_train, drawn_test = 1_000, 200
    bytes_per_step = 20 * PIXELS**2  # a frame twice in double precision, once in single

    def draw(self, random: np.random.RandomState, examples: int, kept: int) -> Split:
        places, speeds = place_balls(random, examples), draw_speeds(random, examples)
        places, speeds = places[..., :kept].copy(), speeds[..., :kept].copy()
        frames = [draw_frame(places)]
        for _ in range(self.time):
            for _ in range(MOVES_PER_FRAME):
                move(places, speeds, 1 / MOVES_PER_FRAME)
            frames.append(draw_frame(places))
        video = torch.from_numpy(np.stack(frames, axis=1)).float().div_(WHITE)
        return Split(video[:, :-1], video[:, 1:])

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples time pixels"]:
        """Return the last frame seen."""
        return data.test.inputs


def place_balls(
    random: np.random.RandomState, examples: int
) -> Float[np.ndarray, "balls 2 examples"]:
    """Draw places in the box at which no ball touches another."""
    places = np.empty((BALLS, 2, examples))
    undecided = np.arange(examples)
    while len(undecided):
        drawn = random.random_sample((BALLS, 2, len(undecided)))
        places[:, :, undecided] = RADIUS + (SIDE - 2 * RADIUS) * drawn
        touching = np.zeros(examples, dtype=bool)
        for one in range(BALLS):
            for other in range(one):
                touching |= _square(places[one] - places[other]) < (2 * RADIUS) ** 2
        undecided = np.flatnonzero(touching)
    return places


def draw_speeds(
    random: np.random.RandomState, examples: int
) -> Float[np.ndarray, "balls 2 examples"]:
    """Draw velocities whose squares add up to 1, by steps that every machine rounds alike."""
    speeds = 2 * random.random_sample((BALLS, 2, examples)) - 1
    energy = _square(speeds[0])
    for ball in speeds[1:]:
        energy = energy + _square(ball)
    scaled: Float[np.ndarray, "balls 2 examples"] = speeds / np.sqrt(energy)
    return scaled


def move(
    places: Float[np.ndarray, "balls 2 examples"],
    speeds: Float[np.ndarray, "balls 2 examples"],
    duration: float,
) -> None:
    """Let all balls move for a short while, in place; walls first, then each pair of balls."""
    places += duration * speeds
    for wall, inwards in ((RADIUS, 1), (SIDE - RADIUS, -1)):
        beyond = inwards * (places - wall) < 0
        places[beyond] = 2 * wall - places[beyond]
        speeds[beyond] = inwards * np.abs(speeds[beyond])
    for one in range(BALLS):
        for other in range(one):
            _collide(places, speeds, one, other)


def _collide(
    places: Float[np.ndarray, "balls 2 examples"],
    speeds: Float[np.ndarray, "balls 2 examples"],
    one: int,
    other: int,
) -> None:
    """Let two balls of equal mass swap their speeds along the line between them, if they touch.

    Only if they come nearer to each other too: touching balls that part have collided already.
    """
    apart = places[one] - places[other]
    distance = _square(apart)
    approach = _product(apart, speeds[one] - speeds[other])
    touching = (distance < (2 * RADIUS) ** 2) & (approach < 0)
    swapped = np.where(touching, approach / distance, 0) * apart
    speeds[one] -= swapped
    speeds[other] += swapped


def draw_frame(
    places: Float[np.ndarray, "balls 2 examples"],
) -> Float[np.ndarray, "examples pixels"]:
    """Return the frames, in whole steps of brightness from 0 to 255.

    Whole steps, so that the last bit of exp(), which differs from machine to machine, is not seen.
    """
    middles = (np.arange(PIXELS) + 0.5) * (SIDE / PIXELS)
    brightness = np.zeros((places.shape[2], PIXELS, PIXELS))
    for across, down in places:
        offsets = middles[None, None, :] - across[:, None, None]
        drops = middles[None, :, None] - down[:, None, None]
        nearness = (offsets * offsets + drops * drops) / RADIUS**2
        fourth = nearness * nearness
        brightness += np.exp(-fourth * fourth)
    frames: Float[np.ndarray, "examples pixels"] = np.rint(
        WHITE * np.minimum(brightness, 1)
    ).reshape(len(brightness), -1)
    return frames


def _square(
    vectors: Float[np.ndarray, "2 examples"],
) -> Float[np.ndarray, " examples"]:
    return _product(vectors, vectors)


def _product(
    one: Float[np.ndarray, "2 examples"], other: Float[np.ndarray, "2 examples"]
) -> Float[np.ndarray, " examples"]:
    # Written out: sums over an axis, and einsum, round differently on different machines.
    product: Float[np.ndarray, " examples"] = one[0] * other[0] + one[1] * other[1]
    return product
