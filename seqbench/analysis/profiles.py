"""Statistics of profiles: what the time of a training step goes into."""

import re

import pandas as pd

from seqbench.analysis.stats import GROUP, name_groups

KINDS = {
    "product": "matrix products",
    "elementwise": "element-wise",
    "copy": "copies",
    "rest": "framework overhead",
}
"""Kinds of work, and their names; framework overhead is the rest: Python, autograd, dispatch."""

_PRODUCT = re.compile(
    r"(aten::)?(addmm|mm|bmm|baddbmm|addbmm|mv|addmv|dot|addr)_?$"
    r"|.*(_rnn|convolution|attention|gemm|gemv|cutlass|cudnn|xmma|splitk)",
    re.IGNORECASE,
)
_KERNEL_PRODUCT = re.compile(r".*(nvjet|(rnn|lstm|gru)_|elemwisernn)", re.IGNORECASE)
"""Of a GPU besides: cuBLAS's products, and cuDNN's recurrences, products and gates in one."""

_COPY = re.compile(
    r"aten::(copy|clone|contiguous|cat|stack|fill|zero|zeros|ones|index|index_select|index_put"
    r"|_index_put_impl|gather|scatter|scatter_add|embedding|embedding_dense_backward"
    r"|constant_pad_nd|flip|roll|repeat|_foreach_copy|_foreach_zero)_?$"
    r"|mem(cpy|set)|.*(copy|catarray|fillfunctor|index_select|gather|scatter)",
    re.IGNORECASE,
)
_VIEW = re.compile(
    r"aten::(as_strided|select|t|transpose|permute|unbind|narrow|slice|expand|view|reshape|alias"
    r"|_reshape_alias|_unsafe_view|detach|resolve_conj|resolve_neg|unsqueeze|squeeze|chunk"
    r"|split|split_with_sizes|unfold|empty|empty_like|empty_strided|resize|set|to|_to_copy"
    r"|lift_fresh|item|_local_scalar_dense|is_nonzero|linear|matmul|einsum|lstm|gru|rnn_tanh"
    r"|zeros_like|ones_like|new_zeros|new_empty|new_empty_strided|select_backward"
    r"|slice_backward)_?$"
)
_COMPUTING = re.compile(
    r"aten::|CompiledFxGraph|(graph_\d+_)?(cpp|triton)_\w*fused|.*kernel", re.IGNORECASE
)


def kind_of(operator: str, device: str = "cpu") -> str:
    """Return which of `KINDS` an operator of the CPU, or a kernel of another device, is.

    ``rest`` is what computes no number itself: views, allocation, autograd's engine, Python code
    of an autograd function, operators that only call others. Every kernel computes.
    """
    if device != "cpu":
        if _PRODUCT.match(operator) or _KERNEL_PRODUCT.match(operator):
            return "product"
        return "copy" if _COPY.match(operator) else "elementwise"
    if _PRODUCT.match(operator):
        return "product"
    if _VIEW.match(operator):
        return "rest"
    if _COPY.match(operator):
        return "copy"
    return "elementwise" if _COMPUTING.match(operator) else "rest"


def summarise_profiles(
    runs: pd.DataFrame, profile: pd.DataFrame, phases: pd.DataFrame
) -> pd.DataFrame:
    """Return one row for each group that was profiled, farthest from the machine's peak first.

    Parameters
    ----------
    runs, profile
        Of a result.
    phases
        From `speed.tabulate_phases`.

    Returns
    -------
    DataFrame
        `GROUP`; ``peak_fraction``, of the training step; one column for each of `KINDS`, its share
        of a step's time, ``rest`` being all that no operator computes in; ``operators``, calls a
        step that compute; ``costliest``, the names and shares of the three that take most;
        ``product_fraction``, of the machine's peak while products run, NaN without any. Shares are
        means over runs of the profiled time over that of a step without the profiler.
    """
    if profile.empty or phases.empty:
        return pd.DataFrame()
    joined = name_groups(runs)[["run_id", *GROUP]].merge(profile, on="run_id")
    joined["kind"] = list(map(kind_of, joined["operator"], joined["device"]))
    joined["share"] = joined["seconds"] / (joined["steps_s"] * joined["threads"])
    rows = []
    for keys, part in joined.groupby(GROUP, sort=False):
        number = part["run_id"].nunique()
        computing = part[part["kind"] != "rest"]
        shares = computing.groupby("kind")["share"].sum() / number
        shares = shares.reindex(list(KINDS), fill_value=0.0)
        costliest = (part.groupby("operator")["share"].sum() / number).nlargest(3)
        rows.append(
            {
                **dict(zip(GROUP, keys, strict=True)),
                **shares,
                "rest": max(0.0, 1.0 - shares.sum()),
                "operators": (computing["calls"] / computing["steps"]).sum() / number,
                "costliest": list(costliest.items()),
            }
        )
    known = phases[[*GROUP, "train_step_peak_fraction"]]
    known = known.rename(columns={"train_step_peak_fraction": "peak_fraction"})
    table = pd.DataFrame(rows).merge(known, on=GROUP)
    products = table["product"].where(table["product"] > 0)
    table["product_fraction"] = table["peak_fraction"] / products
    order = table.groupby(["task", "device"], sort=False).ngroup()
    table = table.assign(place=order).sort_values(["place", "peak_fraction"], kind="stable")
    return table.drop(columns="place").reset_index(drop=True)
