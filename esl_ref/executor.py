# SPDX-License-Identifier: Apache-2.0
"""Golden executor: the operators of a graph in order, on whole tensors.

It is the numeric specification at work and knows nothing of hardware. A tensor is freed right after its last
reader, so that the memory in use is the liveness of the graph, as in layer-wise inference on a small machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from esl_ref.errors import InputError
from esl_ref.ir import Graph, Op, Tensor
from esl_ref.ops import lookup
from esl_ref.ops.registry import Array

__all__ = ["check_inputs", "random_inputs", "run"]

Progress = Callable[[int, Op], None]


def check_inputs(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs in the graph's order; InputError if one is missing, unknown, or of wrong shape or type."""
    unknown = sorted(set(inputs) - set(graph.inputs))
    if unknown:
        raise InputError(f"no such input: {', '.join(unknown)}", where=f"graph '{graph.name}'",
                         hint=f"its inputs are {', '.join(graph.inputs)}")  # fmt: skip
    checked = {}
    for name in graph.inputs:
        tensor, where = graph.tensors[name], f"input '{name}'"
        if name not in inputs:
            raise InputError("is missing", where=where)
        value = np.asarray(inputs[name])
        if value.dtype != tensor.dtype or value.shape != tensor.shape:
            raise InputError(f"is {value.dtype}{list(value.shape)}", where=where,
                             hint=f"{tensor.dtype}{list(tensor.shape)} is needed")  # fmt: skip
        checked[name] = value
    return checked


def _last_use(graph: Graph) -> dict[str, int]:
    """Tensor name -> index of the last operator that reads it; outputs of the graph stay to the end."""
    last = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    return {name: index for name, index in last.items() if name not in graph.outputs}


def _apply(op: Op, values: Mapping[str, Array], tensor: Tensor, form: str) -> Array:
    kernel = lookup(op).fast if form == "fast" else lookup(op).naive
    result = kernel(op, [values[name] for name in op.inputs], tensor)
    if result.shape != tensor.shape or result.dtype != tensor.dtype:
        raise AssertionError(
            f"{op.kind} '{op.name}' gave {result.dtype}{result.shape}, declared {tensor.dtype}{tensor.shape}"
        )
    return result


def run(
    graph: Graph,
    inputs: Mapping[str, Array],
    *,
    keep: Literal["outputs", "all"] = "outputs",
    ops: Literal["fast", "naive"] = "fast",
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Tensor name -> value, of the graph's outputs or of these and all activations (`keep="all"`, inputs included).

    `ops` chooses the vectorised or the quotable form; both give the same bytes. `progress` is called before every
    operator with its index. Raises InputError, and NumericError where a layer leaves its number range.
    """
    values = check_inputs(graph, inputs)
    values |= {name: t.data for name, t in graph.tensors.items() if t.data is not None}
    last = _last_use(graph)
    for index, op in enumerate(graph.ops):
        if progress:
            progress(index, op)
        values[op.outputs[0]] = _apply(op, values, graph.tensors[op.outputs[0]], ops)
        if keep == "outputs":
            for name in (*op.inputs, *op.outputs):
                if last.get(name, -1 if name not in graph.outputs else index + 1) <= index:
                    values.pop(name, None)
    if keep == "outputs":
        return {name: values[name] for name in graph.outputs}
    return {name: v for name, v in values.items() if not graph.tensors[name].is_const or name in graph.outputs}


def random_inputs(graph: Graph, seed: int) -> dict[str, Array]:
    """Inputs that depend on nothing but the seed, the input's position, shape, type and quantisation.

    Integer inputs are uniform over their type, float ones over the range of the quantize operator that reads them,
    or over [-1, 1) if none does.
    """
    consumers = graph.consumers()
    result = {}
    for position, name in enumerate(graph.inputs):
        tensor = graph.tensors[name]
        rng = np.random.default_rng([seed, position])
        if np.issubdtype(tensor.dtype, np.integer):
            info = np.iinfo(tensor.dtype)
            result[name] = rng.integers(info.min, info.max, tensor.shape, tensor.dtype, endpoint=True)
            continue
        low, high = -1.0, 1.0
        for op in consumers[name]:
            scale, zero = getattr(op, "scale", None), getattr(op, "zero_point", 0)
            if scale is not None:
                low, high = scale * (-128 - zero), scale * (127 - zero)
        result[name] = rng.uniform(low, high, tensor.shape).astype(tensor.dtype)
    return result
