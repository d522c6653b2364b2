"""Random streams: apart from each other, and from whatever else draws."""

import itertools

import torch

from seqbench.training.random_streams import GlobalStream, Stream, derive_seed

STREAMS: tuple[Stream, ...] = ("initialisation", "order", "dropout")


def test_streams_of_all_seeds_start_apart() -> None:
    starts = {derive_seed(seed, name) for seed in range(200) for name in STREAMS}
    assert len(starts) == 600
    assert all(0 <= start < 2**63 for start in starts)


def test_derived_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0, "order") == 1294077219095703350


def test_a_stream_goes_on_where_it_stopped_and_leaves_the_ambient_one_alone() -> None:
    torch.manual_seed(5)
    undisturbed = torch.rand(4)
    torch.manual_seed(5)
    first, second = GlobalStream(1, "cpu"), GlobalStream(2, "cpu")
    drawn: dict[int, list[float]] = {1: [], 2: []}
    ambient = []
    for _, (number, stream) in itertools.product(range(2), ((1, first), (2, second))):
        with stream.active():
            drawn[number] += torch.rand(2).tolist()
        ambient.append(torch.rand(1).item())
    assert ambient == undisturbed.tolist()
    for number, values in drawn.items():
        generator = torch.Generator().manual_seed(number)
        assert values == torch.rand(4, generator=generator).tolist()
