"""Threads on the CPU: how a run's threads share a batch.

A recurrent network is a long row of small products, and two threads multiply 128 × 128 numbers no
faster than one. The examples of a batch do not meet in it, though, so each thread takes a share of
them through forward and backward pass, and the gradients are summed. Whether a model allows that is
observed before it is trained, see `observation`.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from threading import Event
from typing import TypeVar

import torch

FEWEST_EXAMPLES = 16  # a share of fewer has products too thin to gain by being apart

Part = TypeVar("Part")
Result = TypeVar("Result")


class Sharing:
    """A division of a run's threads into shares of a batch, and threads inside each.

    Parameters
    ----------
    threads
        Threads that the run may use.
    shares
        Into how many parts a batch is divided, 1 for not at all; from 1 to ``threads``.
    """

    def __init__(self, threads: int, shares: int) -> None:
        self.shares = shares
        self._inside = threads // shares

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let torch use, inside one operator, as many threads as belong to one share.

        The caller's own operators too: a team of threads that has just finished one goes on
        spinning for a while and would delay the shares. Blocks may be nested; each
        leaves the calling thread as it was.
        """
        threads, flushes = torch.get_num_threads(), _flushes_denormals()
        prepare_thread(self._inside)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(flushes)

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """Return ``work`` of each part in order, done on as many threads as there are shares.

        If one fails, no further part is begun, and its error is raised once all threads are done.
        """
        if self.shares == 1:
            return [work(part) for part in parts]
        inference = torch.is_inference_mode_enabled()  # a thread has its own, so it is handed over
        waiting = iter(list(enumerate(parts)))  # the next free thread takes one
        results: dict[int, Result] = {}
        failed = Event()

        def take_parts() -> None:
            with torch.inference_mode(inference):
                for place, part in waiting:
                    if failed.is_set():
                        return
                    try:
                        results[place] = work(part)
                    except BaseException:
                        failed.set()
                        raise

        pool = _pool(self.shares - 1, self._inside)
        others = [pool.submit(take_parts) for _ in range(self.shares - 1)]
        try:
            take_parts()
        finally:
            wait(others)  # or they would compute on, into whatever follows
        for other in others:
            other.result()
        return [results[place] for place in range(len(results))]


@cache
def _pool(threads: int, inside: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "share", prepare_thread, (inside,))


def prepare_thread(inside: int) -> None:
    """Give the calling thread ``inside`` threads for an operator, and no denormal numbers.

    A gradient that vanishes over a long sequence passes below the smallest normal number, where a
    processor takes up to a hundred times as long for each product: 0 does as well. Threads that
    are started later have this from the one that starts them.
    """
    torch.set_num_threads(inside)
    torch.set_flush_denormal(True)


def _flushes_denormals() -> bool:
    """Return whether the calling thread takes 0 for numbers below the smallest normal one."""
    return float(torch.full((), 2.0**-126, dtype=torch.float32, device="cpu") * 0.5) == 0.0


def count_shares(threads: int, batch_size: int) -> int:
    """Return into how many shares ``threads`` threads divide batches of ``batch_size`` examples."""
    return max(1, min(threads, batch_size // FEWEST_EXAMPLES))
