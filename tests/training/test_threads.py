"""Shares of a batch on threads of their own: the same gradients, in the same order, every time."""

import threading
from collections.abc import Callable

import pytest
import torch

from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import observe
from seqbench.training.threads import Sharing, count_shares

MakeSpec = Callable[..., RunSpec]


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_results_come_in_the_order_of_their_parts(shares: int) -> None:
    sharing = Sharing(3, shares)
    with sharing.active():
        assert sharing.map(lambda part: part * part, range(50)) == [n * n for n in range(50)]
        assert sharing.map(str, []) == []


def test_the_parts_are_done_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    assert len(Sharing(3, 3).map(lambda _: meeting.wait(), range(3))) == 3


def test_no_share_works_with_denormal_numbers() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def shrink(_: int) -> float:
        meeting.wait()  # each of three threads takes one
        return float(torch.tensor(1e-30) * 1e-10)

    sharing = Sharing(3, 3)
    with sharing.active():
        assert sharing.map(shrink, range(3)) == [0.0] * 3


@pytest.mark.parametrize("failing", [0, 1, 9])
def test_an_error_of_any_part_comes_through(failing: int) -> None:
    def work(part: int) -> int:
        return 1 // (part - failing)

    with pytest.raises(ZeroDivisionError):
        Sharing(2, 2).map(work, range(10))


def test_threads_are_divided_among_the_shares_and_given_back() -> None:
    before = torch.get_num_threads()
    sharing = Sharing(6, 2)
    with sharing.active():
        assert torch.get_num_threads() == 3
        meeting = threading.Barrier(2, timeout=30)

        def count(_: int) -> int:
            meeting.wait()
            return torch.get_num_threads()

        assert sharing.map(count, range(2)) == [3, 3]
    assert torch.get_num_threads() == before
    fresh: list[int] = []
    thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert fresh == [before], "threads that others start later have what was set before"


@pytest.mark.parametrize(
    ("threads", "batch_size", "shares"),
    [(1, 128, 1), (2, 128, 2), (2, 31, 1), (2, 32, 2), (16, 128, 8), (16, 4, 1)],
)
def test_shares_are_as_many_as_threads_but_never_thin(
    threads: int, batch_size: int, shares: int
) -> None:
    assert count_shares(threads, batch_size) == shares


def test_inference_mode_reaches_every_share() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def look(_: int) -> bool:
        meeting.wait()
        return torch.is_inference_mode_enabled()

    for mode in (True, False):
        with torch.inference_mode(mode):
            assert Sharing(2, 2).map(look, range(2)) == [mode, mode]


@pytest.mark.parametrize("variant", ["rnn", "bilstm", "gru"])
def test_a_shared_training_equals_an_unshared_one_to_rounding(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str
) -> None:
    trainings = [
        Training(
            make_spec(variant=variant, threads=threads, batch_size=35),
            tiny_task,
            tiny_data,
            threads,
        )
        for threads in (1, 2)
    ]
    for _ in range(3):
        losses = [training.train_epoch()[0] for training in trainings]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
        results = [training.evaluate(tiny_data.test) for training in trainings]
        assert results[1].loss == pytest.approx(results[0].loss, rel=1e-5)


@pytest.mark.parametrize("implementation", ["native", "fused"])
@pytest.mark.parametrize("variant", ["rnn", "gru"])
def test_shares_have_the_gradients_of_the_whole_batch(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str, implementation: str
) -> None:
    settings = {"variant": variant, "implementation": implementation, "batch_size": 40}
    trainings = [
        Training(make_spec(**settings, threads=threads), tiny_task, tiny_data, threads)
        for threads in (1, 2)
    ]
    for training in trainings:
        training.step(torch.arange(40))
    for one, two in zip(*(training.parameters for training in trainings), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(two.grad, one.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_shared_trainings_repeat_to_the_last_bit(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, dropout: float
) -> None:
    spec = make_spec(threads=2, batch_size=40, dropout=dropout)
    losses = []
    for _ in range(2):
        shares = observe(spec, tiny_task, tiny_data).shares
        training = Training(spec, tiny_task, tiny_data, shares)
        losses.append([training.train_epoch()[0] for _ in range(5)])
    assert losses[0] == losses[1]


def test_a_model_that_draws_random_numbers_is_not_shared_out(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    def shares(**settings: float) -> int:
        spec = make_spec(threads=2, batch_size=40, **settings)
        return observe(spec, tiny_task, tiny_data).shares

    assert shares() == 2
    assert shares(dropout=0.5) == 1
