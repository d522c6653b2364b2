"""Tasks on images, equal to their definitions; losses and scores, worked out by hand."""

import gzip
import hashlib
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from seqbench.tasks.adding import Adding
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.hello import Hello
from seqbench.tasks.permuted_mnist import PERMUTATION_SHA256, PermutedMnist, fixed_permutation
from seqbench.tasks.pixel_digits import PixelDigits
from seqbench.tasks.pixel_mnist import PixelMnist
from seqbench.tasks.row_digits import RowDigits
from seqbench.tasks.row_fashion import RowFashion
from seqbench.tasks.row_mnist import RowMnist
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.tasks.torchvision_images import import_datasets

Load = Callable[[Task], TaskData]


def test_row_digits_are_scikit_learns_images_row_by_row(tmp_path: Path) -> None:
    data = RowDigits().load(tmp_path)
    assert data.train.inputs.shape == (1437, 8, 8)
    assert data.test.inputs.shape == (360, 8, 8)
    digits = load_digits()
    images = {(image / 16).astype("float32").tobytes(): n for n, image in enumerate(digits.images)}
    used = []
    for split in (data.train, data.test):
        for sequence, target in zip(split.inputs, split.targets, strict=True):
            number = images[sequence.numpy().tobytes()]
            assert digits.target[number] == target
            used.append(number)
    assert len(set(used)) == len(images)


def test_row_digits_split_is_stratified_and_fixed(tmp_path: Path) -> None:
    data = RowDigits().load(tmp_path)
    shares = [split.targets.bincount() / len(split) for split in (data.train, data.test)]
    torch.testing.assert_close(*shares, rtol=0, atol=0.003)
    assert data.fingerprint == RowDigits().load(tmp_path).fingerprint
    assert data.fingerprint.startswith("8afedb161c9dae4c")
    assert check_baseline("task", RowDigits(), data) == pytest.approx(36 / 360)


def test_row_mnist_is_mnist_row_by_row(mnist_folder: Path) -> None:
    data = RowMnist().load(mnist_folder)
    assert data.train.inputs.shape == (60000, 28, 28)
    assert data.test.inputs.shape == (10000, 28, 28)
    raw = mnist_folder / "MNIST" / "raw"
    pixels = gzip.decompress((raw / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    classes = gzip.decompress((raw / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    for number in (0, 4321, 9999):
        rows = pixels[784 * number : 784 * (number + 1)]
        expected = torch.tensor(list(rows)).view(28, 28).float() / 255
        assert torch.equal(data.test.inputs[number], expected)
        assert data.test.targets[number] == classes[number]
    assert check_baseline("task", RowMnist(), data) == 0.1135


@pytest.mark.parametrize(("task", "name"), [(RowMnist, "MNIST"), (RowFashion, "FashionMNIST")])
def test_rows_equal_torchvisions_to_tensor(
    stand_in_folder: Path, load_small: Load, task: type[Task], name: str
) -> None:
    datasets = import_datasets()
    from torchvision.transforms import ToTensor

    plain = getattr(datasets, name)(stand_in_folder, train=False, transform=ToTensor())
    data = load_small(task())
    for number in range(20):
        image, target = plain[number]
        assert torch.equal(data.test.inputs[number], image[0])
        assert data.test.targets[number] == target


def test_pixel_digits_are_row_digits_one_pixel_at_a_time(tmp_path: Path) -> None:
    pixels, rows = PixelDigits().load(tmp_path), RowDigits().load(tmp_path)
    for split, images in ((pixels.train, rows.train), (pixels.test, rows.test)):
        assert torch.equal(split.targets, images.targets)
        for row in range(8):
            for column in range(8):
                assert torch.equal(
                    split.inputs[:, 8 * row + column, 0], images.inputs[:, row, column]
                )


def test_pixel_mnist_is_row_mnist_one_pixel_at_a_time(load_small: Load) -> None:
    pixels, rows = load_small(PixelMnist()), load_small(RowMnist())
    for split, images in ((pixels.train, rows.train), (pixels.test, rows.test)):
        assert torch.equal(split.targets, images.targets)
        for step in (0, 27, 28, 400, 783):
            assert torch.equal(split.inputs[:, step, 0], images.inputs[:, step // 28, step % 28])


def test_permuted_mnist_is_pixel_mnist_in_another_order(load_small: Load) -> None:
    permuted, pixels = load_small(PermutedMnist()), load_small(PixelMnist())
    for split, original in ((permuted.train, pixels.train), (permuted.test, pixels.test)):
        assert torch.equal(split.targets, original.targets)
        for step, pixel in enumerate(fixed_permutation().tolist()):
            assert torch.equal(split.inputs[:, step], original.inputs[:, pixel])


def test_permuted_mnist_is_the_real_one_too(mnist_folder: Path) -> None:
    data = PermutedMnist().load(mnist_folder)
    assert data.train.inputs.shape == (60_000, 784, 1)
    raw = mnist_folder / "MNIST" / "raw"
    pixels = gzip.decompress((raw / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    order = fixed_permutation().tolist()
    for number in (0, 9999):
        image = pixels[784 * number : 784 * (number + 1)]
        expected = torch.tensor([image[pixel] for pixel in order]).float() / 255
        assert torch.equal(data.test.inputs[number, :, 0], expected)


def test_the_permutation_has_the_hash_that_is_documented() -> None:
    permutation = fixed_permutation().tolist()
    assert sorted(permutation) == list(range(784))
    written = ",".join(map(str, permutation)).encode()
    assert hashlib.sha256(written).hexdigest() == PERMUTATION_SHA256


def test_the_permutation_is_the_mersenne_twisters_without_numpy() -> None:
    """Seed as Matsumoto and Nishimura's init_genrand does; swap as Fisher and Yates do."""
    state = [92916]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + i) % 2**32)
    twister = random.Random()
    twister.setstate((3, (*state, 624), None))
    numbers = list(range(784))
    for last in range(783, 0, -1):
        while (chosen := twister.getrandbits(32) % 2 ** last.bit_length()) > last:
            pass
        numbers[last], numbers[chosen] = numbers[chosen], numbers[last]
    assert fixed_permutation().tolist() == numbers


def test_row_fashion_reads_the_fashion_files_row_by_row(
    stand_in_folder: Path, load_small: Load
) -> None:
    data = load_small(RowFashion())
    raw = stand_in_folder / "FashionMNIST" / "raw"
    for split, name, examples in ((data.train, "train", 40), (data.test, "t10k", 20)):
        pixels = (raw / f"{name}-images-idx3-ubyte").read_bytes()[16:]
        classes = (raw / f"{name}-labels-idx1-ubyte").read_bytes()[8:]
        assert split.inputs.shape == (examples, 28, 28)
        expected = torch.tensor(list(pixels)).view(-1, 28, 28).float() / 255
        assert torch.equal(split.inputs, expected)
        assert split.targets.tolist() == list(classes)


@settings(max_examples=25)
@given(
    logits=st.lists(
        st.lists(st.lists(st.floats(-5, 5), min_size=4, max_size=4), min_size=4, max_size=4),
        min_size=1,
        max_size=3,
    ),
    classes=st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
def test_classes_at_each_step_are_scored_as_by_hand(
    logits: list[list[list[float]]], classes: list[int]
) -> None:
    outputs = torch.tensor(logits)
    targets = torch.tensor(classes).view(3, 4)[: len(logits)]
    losses, right = [], []
    for steps, answers in zip(logits, targets.tolist(), strict=True):
        for step, answer in zip(steps, answers, strict=True):
            losses.append(math.log(sum(map(math.exp, step))) - step[answer])
            right.append(torch.tensor(step).argmax().item() == answer)
    assert Hello().loss(outputs, targets).item() == pytest.approx(
        sum(losses) / len(losses), abs=1e-5
    )
    assert Hello().score(outputs, targets) == pytest.approx(sum(right) / len(right))


@settings(max_examples=25)
@given(
    pairs=st.lists(
        st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32)), min_size=1, max_size=9
    )
)
def test_numbers_are_scored_by_their_mean_squared_error(pairs: list[tuple[float, float]]) -> None:
    outputs, targets = torch.tensor(pairs).T.unsqueeze(-1)
    expected = sum((output - target) ** 2 for output, target in pairs) / len(pairs)
    assert Adding().score(outputs, targets) == pytest.approx(expected)
    assert Adding().loss(outputs, targets).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_commonest_class_is_that_of_the_training_targets() -> None:
    train = Split(torch.zeros(4, 8, 8), torch.tensor([7, 3, 7, 1]))
    test = Split(torch.zeros(3, 8, 8), torch.tensor([3, 7, 3]))
    assert check_baseline("task", RowDigits(), TaskData(train, test)) == pytest.approx(1 / 3)


def test_the_data_folder_is_chosen_then_named_by_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEQBENCH_DATA", raising=False)
    assert locate_data().parts[-2:] == ("seqbench", "data")
    monkeypatch.setenv("SEQBENCH_DATA", str(tmp_path))
    assert locate_data() == tmp_path
    assert locate_data(Path("chosen")) == Path("chosen")
