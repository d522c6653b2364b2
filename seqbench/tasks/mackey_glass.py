"""``mackey-glass``: forecasting a chaotic series one step and six steps ahead."""

from collections import deque

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqbench.tasks.generated import GeneratedTask
from seqbench.tasks.task import TASKS, Regression, Split, TaskData

HORIZON = 6
FIRST_VALUES = (0.5, 1.5)
WASHOUT = (250, 500)  # units of time, long enough to forget the constant past

STEPS_PER_UNIT = 10
DELAY = 17 * STEPS_PER_UNIT
STEP = 1 / STEPS_PER_UNIT

# The series' mean and standard deviation, rounded: means of many numbers differ in their last bit
# from machine to machine, as they are summed in different orders.
MEAN = 0.93
DEVIATION = 0.23


@TASKS.register("mackey-glass")
class MackeyGlass(GeneratedTask, Regression):
    """What will the series be in 1 and in 6 steps? Chaotic, with a delay of 17 steps.

        dx/dt = 0.2 x(t − 17) / (1 + x(t − 17)¹⁰) − 0.1 x(t)

    Each example is a stretch of a series of its own, seen at whole times: from 1.14, 1.15, 1.17
    and what came before → 1.20 next and 1.22 six steps on. The values are standardised,
    (x − 0.93)/0.23, which are the series' mean and deviation. Inputs are Float (examples, length,
    1), targets Float (examples, length, 2): at each step x(t + 1) and x(t + 6). 1,000 examples to
    train on, 200 to test on, whose series start from other values. ``length`` is a setting.

    The loss is the mean squared error of both forecasts at every step. The score, NRMSE, is that
    of the **six-step forecast over the second half of each sequence**: the root of its mean squared
    error over the variance of its targets, both over all examples; 0 is perfect, 1 is to answer
    the mean always. The first half does not count, for the last 18 values decide what comes in six
    steps: until a model has seen them it can but guess, and that would be most of its error.

    Source: Mackey and Glass, "Oscillation and chaos in physiological control systems", 1977. The
    horizon of 6 is that of ANFIS (Jang, 1993). Integrated by the Runge-Kutta method of order 4
    with a step of 0.1; the delayed value between two steps is interpolated by the cubic through
    four. Each series starts from one constant past, drawn from U(0.5, 1.5), and its stretch begins
    after 250 to 499 units of time.
    Baseline: the last value seen, whose score is 0.8 here.
    Conventions: horizons are 1, 6, 15, 84 or 85 steps; some models run on their own output for 84
    steps ("NRMSE84"); some divide by the deviation of the whole series, take steps of 6, or
    leave out another stretch at the beginning.
    """

    features = 1
    outputs = 2
    metric = "nrmse"
    readouts = ("each",)
    looks_ahead = False
    default_length = 100
    drawn_train, drawn_test = 1_000, 200
    bytes_per_step = 40  # the series three times in double precision, what is made of it in single

    def draw(self, random: np.random.RandomState, examples: int, kept: int) -> Split:
        low, high = FIRST_VALUES
        start = low + (high - low) * random.random_sample(examples)[:kept]
        begin = random.randint(*WASHOUT, examples, dtype=np.int64)[:kept]
        seen = self.time + HORIZON
        series = integrate(start, WASHOUT[1] + seen)
        stretch = series[begin[:, None] + np.arange(seen), np.arange(kept)[:, None]]
        values = torch.from_numpy((stretch - MEAN) / DEVIATION).float()
        ahead = [values[:, steps : steps + self.time] for steps in (1, HORIZON)]
        return Split(values[:, : self.time].unsqueeze(-1), torch.stack(ahead, dim=-1))

    def score(
        self,
        outputs: Float[Tensor, "examples time 2"],
        targets: Float[Tensor, "examples time 2"],
    ) -> float:
        forecast, truth = (each[:, self.time // 2 :, 1].double() for each in (outputs, targets))
        error = (forecast - truth).square().mean() / truth.var(correction=0)
        return float(error.sqrt())

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples time 2"]:
        """Return the last value seen, as both forecasts."""
        return data.test.inputs.expand(-1, -1, self.outputs)


def integrate(start: Float[np.ndarray, " series"], units: int) -> Float[np.ndarray, "units series"]:
    """Return x(1), x(2), … x(units) of series that were constant, at ``start``, until time 0."""
    past = deque([start] * (DELAY + 2), maxlen=DELAY + 2)
    at_whole_times = []
    delayed_production = _production(start)
    for step in range(1, units * STEPS_PER_UNIT + 1):
        before, here, there, after = (past[i] for i in range(4))  # here is x(t − 17)
        between = (9 * (here + there) - (before + after)) / 16
        middle, end = _production(between), _production(there)
        past.append(_advance(past[-1], delayed_production, middle, end))
        delayed_production = end
        if step % STEPS_PER_UNIT == 0:
            at_whole_times.append(past[-1])
    return np.stack(at_whole_times)


def _advance(
    now: Float[np.ndarray, " series"],
    begin: Float[np.ndarray, " series"],
    middle: Float[np.ndarray, " series"],
    end: Float[np.ndarray, " series"],
) -> Float[np.ndarray, " series"]:
    """Take one Runge-Kutta step, given the production when it begins, halfway and when it ends."""
    first = begin - 0.1 * now
    second = middle - 0.1 * (now + STEP / 2 * first)
    third = middle - 0.1 * (now + STEP / 2 * second)
    fourth = end - 0.1 * (now + STEP * third)
    advanced: Float[np.ndarray, " series"] = now + STEP / 6 * (
        first + 2 * second + 2 * third + fourth
    )
    return advanced


def _production(delayed: Float[np.ndarray, " series"]) -> Float[np.ndarray, " series"]:
    # The power by products: pow() differs in its last bit from machine to machine, and chaos
    # makes that a difference everyone sees.
    square = delayed * delayed
    fourth = square * square
    production: Float[np.ndarray, " series"] = 0.2 * delayed / (1 + fourth * fourth * square)
    return production
