"""The zoo of torchrecurrent, and the zoo as an independent check of our own cells."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from seqbench.models.indrnn import IndRnnLayer
from seqbench.models.model import VARIANTS
from seqbench.models.peephole import PeepholeLayer
from seqbench.models.zoo import LEFT_OUT, find_layers, name_variant
from tests.processes import run_code

ZOO = [name for name in VARIANTS if name.startswith("zoo-")]


@pytest.fixture
def package() -> Any:
    return pytest.importorskip("torchrecurrent", reason="needs the extra seqbench[zoo]")


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("JANET", "zoo-janet"),
        ("coRNN", "zoo-cornn"),
        ("UnICORNN", "zoo-unicornn"),
        ("LiGRU", "zoo-ligru"),
        ("PeepholeLSTM", "zoo-peephole-lstm"),
        ("GatedAntisymmetricRNN", "zoo-gated-antisymmetric-rnn"),
        ("MUT1", "zoo-mut1"),
    ],
)
def test_names_are_lower_case_words(layer: str, name: str) -> None:
    assert name_variant(layer) == name


def test_a_layer_is_a_class_that_has_a_cell() -> None:
    class LEM(nn.Module): ...

    fake = ModuleType("fake")
    vars(fake).update(LEM=LEM, LEMCell=nn.Module, RecurrentLayerBase=nn.Module, resolve=len)
    assert list(find_layers(fake)) == [LEM]


def test_every_layer_of_the_package_is_there_or_left_out_with_a_reason(package: Any) -> None:
    cells = {name for name in dir(package) if name.endswith("Cell")}
    assert len(ZOO) + len(LEFT_OUT) == len(cells) >= 30
    for layer, reason in LEFT_OUT.items():
        assert hasattr(package, layer)
        assert len(reason) > 20


def test_without_the_package_nothing_is_registered_and_nothing_fails(tmp_path: Path) -> None:
    run_code(
        tmp_path,
        "import importlib.util, sys\n"
        "for name in [each for each in sys.modules if each.startswith('torchrecurrent')]:\n"
        "    del sys.modules[name]\n"
        "find = importlib.util.find_spec\n"
        "hide = lambda name, *rest: None if name == 'torchrecurrent' else find(name, *rest)\n"
        "importlib.util.find_spec = hide\n"
        "import seqbench.models.zoo\n"
        "from seqbench.models.model import VARIANTS\n"
        "assert 'lru' in VARIANTS\n"
        "assert not [name for name in VARIANTS if 'zoo' in name]\n"
        "assert 'torchrecurrent' not in sys.modules",
    )


def test_our_peephole_lstm_equals_the_packages(package: Any) -> None:
    ours = PeepholeLayer(5, 3).double()
    theirs = package.PeepholeLSTM(3, 5, batch_first=True).double()
    (cell,) = theirs.cells
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        ours.input.weight.copy_(cell.weight_ih)
        ours.input.bias.copy_(cell.bias_ih + cell.bias_hh)
        ours.recurrent.weight.copy_(cell.weight_hh)
        ours.peepholes.copy_(cell.weight_ph.view(3, 5))
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(ours(inputs), theirs(inputs)[0], rtol=0, atol=1e-12)


def test_our_indrnn_equals_the_packages_with_a_rectifier(package: Any) -> None:
    """The package has tanh unless told otherwise, two biases, and no bound on recurrent weights."""
    ours = IndRnnLayer(5, 10.0, 3).double()
    theirs = package.IndRNN(3, 5, batch_first=True, nonlinearity=torch.relu).double()
    (cell,) = theirs.cells
    with torch.no_grad():
        ours.input.weight.copy_(cell.weight_ih)
        ours.input.bias.copy_(cell.bias_ih + cell.bias_hh)
        ours.recurrent.copy_(cell.vector_u)
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(ours(inputs), theirs(inputs)[0], rtol=0, atol=1e-12)


def test_explanations_name_the_class() -> None:
    for name in ZOO:
        assert "of the package torchrecurrent" in VARIANTS[name].explanation
