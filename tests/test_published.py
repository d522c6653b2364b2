"""The published figures: complete, and of things that are registered."""

from seqbench.models.model import VARIANTS
from seqbench.published import load_published
from seqbench.tasks.task import TASKS


def test_every_figure_has_its_circumstances() -> None:
    published = load_published()
    assert not published.isna().any().any()
    assert set(published["task"]) <= set(TASKS)
    assert set(published["variant"]) <= set(VARIANTS)


def test_the_notebooks_two_figures_are_there() -> None:
    rows = load_published().query("task == 'row-mnist'").set_index("variant")
    assert rows["score"].to_dict() == {"rnn": 0.9504, "birnn": 0.9555}
    # 28 features, two layers of 128 tanh units, and a linear head, counted by hand
    assert rows.loc["rnn", "parameters"] == 128 * (28 + 128 + 2) + 128 * (256 + 2) + 1290
    assert rows.loc["birnn", "parameters"] == 2 * (128 * (28 + 130) + 128 * (256 + 130)) + 2570
