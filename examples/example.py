"""From a task of one's own to a figure and a prediction: `python examples/example.py`.

Writes results/example/ and learning_curves.png to the current folder. With `--plugin example.py`
the commands of seqbench know its task too.
"""

from pathlib import Path

import torch

import seqbench


@seqbench.TASKS.register("brighter-half")
class BrighterHalf(seqbench.Classification):
    """Which half of a sequence of 8 numbers has the greater sum? 0: the first, 1: the second."""

    features, time, outputs = 1, 8, 2

    def load(self, data_dir: Path) -> seqbench.TaskData:
        inputs = torch.rand(840, 8, 1, generator=torch.Generator().manual_seed(0))
        targets = (inputs[:, 4:].sum((1, 2)) > inputs[:, :4].sum((1, 2))).long()
        train = seqbench.Split(inputs[:640], targets[:640])
        return seqbench.TaskData(train, seqbench.Split(inputs[640:], targets[640:]))


def main() -> None:
    """Train, compare, draw and predict."""
    # Train every variant with every seed, and record it in results/example.
    result = seqbench.run(
        "brighter-half",
        ["rnn", "gru"],
        seeds=3,
        epochs=6,
        batch_size=32,
        hidden_size=16,
        learning_rate=0.01,
        name="example",
        save_checkpoints=True,
        progress=False,
    )

    # Scores, mean over seeds with a 95 % confidence interval; then the differences from the best.
    print(result.summary()[["variant", "seeds", "score", "lower", "upper"]].to_string(index=False))
    print(result.differences()[["label", "best", "shortfall", "p"]].to_string(index=False))
    result.plot_learning_curves().savefig("learning_curves.png")

    # A trained model is loaded from its checkpoint and predicts the test set.
    run = result.runs.iloc[0]
    model = seqbench.load_model(result.folder / "checkpoints" / f"{run['run_id']}.ckpt")
    test = seqbench.load_data("brighter-half").test
    with torch.inference_mode():
        predicted = model(test.inputs).argmax(1)
    accuracy = (predicted == test.targets).float().mean().item()
    print(f"{run['run_id']}: accuracy {accuracy:.4f}, recorded {run['final_score']:.4f}")


if __name__ == "__main__":
    main()
