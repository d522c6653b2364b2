"""The ideas behind the variants, run and measured: shapes, vanishing gradients, gates."""

from seqbench.explain.gates import measure_gates, plot_gates
from seqbench.explain.gradients import measure_gradients, plot_gradients
from seqbench.explain.shapes import explain_shapes

__all__ = ["explain_shapes", "measure_gates", "measure_gradients", "plot_gates", "plot_gradients"]
