"""The example: run as a person runs it, and looked at."""

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

import seqbench
from tests.processes import run_seqbench

EXAMPLE = Path(__file__).parents[1] / "examples" / "example.py"


def test_the_example_draws_and_predicts(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import runpy\nfrom tests.processes import measure_small_limits\n"
        f"measure_small_limits()\nrunpy.run_path({str(EXAMPLE)!r}, run_name='__main__')\n"
    )
    done = run_seqbench(cwd=tmp_path, program=program, strict=True, path=EXAMPLE.parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    runs = pd.read_csv(tmp_path / "results/local/example/runs.csv")
    assert set(runs["status"]) == {"ok"}
    seeds = runs.groupby("variant")["final_score"].size()
    for variant, mean in runs.groupby("variant")["final_score"].mean().items():
        shown = re.search(rf"^ *{variant} +{seeds[variant]} +(\S+)", done.stdout, re.M)
        assert shown is not None
        assert float(shown[1]) == pytest.approx(mean, abs=1e-5)

    with Image.open(tmp_path / "learning_curves.png") as image:
        image.load()
        assert min(image.size) > 300
        assert len(set(image.convert("RGB").tobytes())) > 20, "something is drawn"

    told = re.search(r"^(\S+): accuracy (\S+), recorded (\S+)$", done.stdout, re.M)
    assert told is not None
    row = runs.set_index("run_id").loc[told[1]]
    model = seqbench.load_model(tmp_path / "results/local/example/checkpoints" / f"{told[1]}.ckpt")
    # the task's test set, drawn here once more
    inputs = torch.rand(840, 8, 1, generator=torch.Generator().manual_seed(0))[640:]
    targets = inputs[:, 4:].sum((1, 2)) > inputs[:, :4].sum((1, 2))
    right = model(inputs).argmax(1) == targets
    assert right.double().mean().item() == pytest.approx(row["final_score"])
    assert float(told[2]) == pytest.approx(row["final_score"], abs=1e-4)
    assert told[2] == told[3]


def test_the_example_fits_on_a_page() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60
