"""Bouncing balls: they stay in their box, lose nothing, and look as they should."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqbench.tasks.bouncing_balls import (
    BouncingBalls,
    draw_frame,
    draw_speeds,
    move,
    place_balls,
)
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.generated import TEST_SEED, frozen_random
from seqbench.tasks.task import TaskData

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def videos() -> TaskData:
    return BouncingBalls().load(Path("no-such-folder"))


def test_each_answer_is_the_next_frame(videos: TaskData) -> None:
    assert videos.train.inputs.shape == (1_000, 20, 256)
    assert videos.test.inputs.shape == (200, 20, 256)
    for split in (videos.train, videos.test):
        assert torch.equal(split.targets[:, :-1], split.inputs[:, 1:])
        assert not torch.equal(split.targets, split.inputs)


def test_frames_are_grey_values_in_steps_of_1_in_255(videos: TaskData) -> None:
    steps = videos.train.inputs.double() * 255
    assert steps.min() >= 0
    assert steps.max() == 255
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)


def test_the_baseline_copies_the_last_frame(videos: TaskData) -> None:
    before, after = videos.test.inputs.double().numpy(), videos.test.targets.double().numpy()
    assert check_baseline("task", BouncingBalls(), videos) == pytest.approx(
        np.mean((before - after) ** 2)
    )
    assert 0.01 < check_baseline("task", BouncingBalls(), videos) < 0.1


def move_by_hand(places: list[list[float]], speeds: list[list[float]]) -> None:
    """Move three balls by a quarter of a frame's time, one number at a time."""
    for place, speed in zip(places, speeds, strict=True):
        for axis in (0, 1):
            place[axis] += speed[axis] / 4
            if place[axis] < 1.2:
                place[axis], speed[axis] = 2.4 - place[axis], abs(speed[axis])
            if place[axis] > 8.8:
                place[axis], speed[axis] = 17.6 - place[axis], -abs(speed[axis])
    for one, other in ((1, 0), (2, 0), (2, 1)):
        away = [places[one][axis] - places[other][axis] for axis in (0, 1)]
        distance = math.hypot(*away)
        direction = [part / distance for part in away]
        along = [sum(speeds[ball][a] * direction[a] for a in (0, 1)) for ball in (one, other)]
        if distance < 2.4 and along[0] < along[1]:
            for axis in (0, 1):
                speeds[one][axis] += (along[1] - along[0]) * direction[axis]
                speeds[other][axis] += (along[0] - along[1]) * direction[axis]


def test_the_videos_are_those_of_balls_moved_and_drawn_by_hand(videos: TaskData) -> None:
    random = frozen_random(TEST_SEED)
    all_places, all_speeds = place_balls(random, 200), draw_speeds(random, 200)
    for number in (0, 7):
        places = all_places[:, :, number].tolist()
        speeds = all_speeds[:, :, number].tolist()
        for frame in videos.test.inputs[number]:
            for row, column in ((3, 3), (8, 5), (12, 11), (6, 14)):
                x, y = (column + 0.5) * 10 / 16, (row + 0.5) * 10 / 16
                distances = [math.hypot(x - place[0], y - place[1]) for place in places]
                light = min(1.0, sum(math.exp(-((d / 1.2) ** 8)) for d in distances))
                assert frame[16 * row + column].item() == pytest.approx(light, abs=0.51 / 255)
            for _ in range(4):
                move_by_hand(places, speeds)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_balls_stay_in_the_box_and_keep_their_energy(seed: int) -> None:
    random = frozen_random(seed)
    places, speeds = place_balls(random, 3), draw_speeds(random, 3)
    for _ in range(200):
        move(places, speeds, 1 / 4)
        assert places.min() >= 1.2
        assert places.max() <= 8.8
    np.testing.assert_allclose((speeds**2).sum(axis=(0, 1)), 1, rtol=1e-12)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_momentum_changes_at_walls_only(seed: int) -> None:
    random = frozen_random(seed)
    places, speeds = place_balls(random, 20), draw_speeds(random, 20)
    for _ in range(100):
        free = (np.abs(places + speeds / 4 - 5) < 3.8).all(axis=(0, 1))
        before = speeds.sum(axis=0)
        move(places, speeds, 1 / 4)
        np.testing.assert_allclose(speeds.sum(axis=0)[:, free], before[:, free], atol=1e-12)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_balls_begin_in_the_box_without_touching(seed: int) -> None:
    places = place_balls(frozen_random(seed), 50)
    assert places.min() >= 1.2
    assert places.max() <= 8.8
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (np.hypot(*(places[one] - places[other])) >= 2.4).all()


def test_balls_that_meet_head_on_swap_their_speeds() -> None:
    places = np.array([[4.0, 5.0], [6.0, 5.0], [5.0, 8.0]])[:, :, None]
    speeds = np.array([[0.5, 0.1], [-0.25, 0.0], [0.0, 0.0]])[:, :, None]
    move(places, speeds, 0.0)
    np.testing.assert_allclose(speeds[:, :, 0], [[-0.25, 0.1], [0.5, 0.0], [0.0, 0.0]])
    parting = speeds.copy()
    move(places, speeds, 0.0)
    np.testing.assert_array_equal(speeds, parting)


def test_a_frame_is_bright_where_the_balls_are() -> None:
    places = np.array([[2.0, 8.0], [8.0, 8.0], [8.0, 2.0]])[:, :, None]
    frame = draw_frame(places)[0].reshape(16, 16)
    row_and_column = 8 * 16 // 10, 2 * 16 // 10
    assert frame[row_and_column] == 255
    assert frame[2 * 16 // 10, 2 * 16 // 10] == 0
