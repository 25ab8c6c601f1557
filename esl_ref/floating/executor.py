# SPDX-License-Identifier: Apache-2.0
"""Float executor: the operators of a float graph in order.

A tensor is freed right after its last reader, and a layer's weights are loaded when it runs and let go after it, so
that memory in use is the liveness of the graph plus one layer's weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError, ModelError
from esl_ref.floating.graph import Dense, FloatGraph, FloatOp, Local, Parameter
from esl_ref.floating.kernels import apply
from esl_ref.floating.kernels_window import FloatArray

__all__ = ["check_inputs", "last_uses", "random_inputs", "run", "values_of"]

Progress = Callable[[int, FloatOp], None]
Observer = Callable[[str, FloatArray], None]
DType = type[np.float32] | type[np.float64]


def check_inputs(
    graph: FloatGraph, inputs: Mapping[str, npt.ArrayLike], dtype: DType = np.float32
) -> dict[str, FloatArray]:
    """The inputs as floats in the graph's order; InputError if one is missing, unknown, misshapen or not finite."""
    unknown = sorted(set(inputs) - set(graph.inputs))
    if unknown:
        raise InputError(f"no such input: {', '.join(unknown)}", where=f"graph '{graph.name}'",
                         hint=f"its inputs are {', '.join(graph.inputs)}")  # fmt: skip
    checked: dict[str, FloatArray] = {}
    for name in graph.inputs:
        where = f"input '{name}'"
        if name not in inputs:
            raise InputError("is missing", where=where)
        value: FloatArray = np.asarray(inputs[name], dtype)
        if value.shape != graph.shapes[name]:
            raise InputError(f"has shape {list(value.shape)}", where=where,
                             hint=f"{list(graph.shapes[name])} is needed")  # fmt: skip
        if not np.isfinite(value).all():
            raise InputError("holds NaN or infinity", where=where)
        checked[name] = value
    return checked


def values_of(parameter: Parameter, where: str) -> FloatArray:
    """A parameter's values; ModelError unless they are finite and of the promised shape."""
    value = np.asarray(parameter.load(), np.float32)
    if value.shape != parameter.shape:
        raise ModelError(f"holds {list(value.shape)}, {list(parameter.shape)} is needed", where=where)
    # Extrema show NaN and infinity; isfinite() of every element would take a quarter of the weights' memory again.
    if value.size and not (np.isfinite(value.min()) and np.isfinite(value.max())):
        raise ModelError("holds NaN or infinity", where=where, hint="the weights are damaged, or training diverged")
    return value


def last_uses(graph: FloatGraph) -> dict[str, int]:
    """Tensor name -> index of the operator after which it is dead; outputs of the graph are not in it."""
    last = {op.output: index for index, op in enumerate(graph.ops)}
    last |= {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    return {name: index for name, index in last.items() if name not in graph.outputs}


def _loaded(op: FloatOp) -> FloatOp:
    """The operator with its parameters read and checked, for as long as it runs; those that come in parts it reads."""
    changes: dict[str, Any] = {
        item.name: Parameter.of(values_of(value, f"layer '{op.name}', {item.name}"))
        for item in dataclasses.fields(op)
        if isinstance(value := getattr(op, item.name), Parameter)
        and not (value.parts and isinstance(op, (Dense, Local)))
    }
    return dataclasses.replace(op, **changes) if changes else op


def _operand(graph: FloatGraph, name: str, values: Mapping[str, FloatArray], dtype: DType) -> FloatArray:
    if name not in graph.constants:
        return values[name]
    value: FloatArray = values_of(graph.constants[name], f"constant '{name}'").astype(dtype)
    return value


def run(
    graph: FloatGraph,
    inputs: Mapping[str, npt.ArrayLike],
    *,
    keep: Literal["outputs", "all"] = "outputs",
    observe: Observer | None = None,
    progress: Progress | None = None,
    dtype: DType = np.float32,
) -> dict[str, FloatArray]:
    """Tensor name -> value, of the graph's outputs or of all tensors (`keep="all"`, inputs included).

    `observe` sees every tensor, inputs first, as soon as it exists, and must not change it. `progress` is called
    before every operator with its index. `dtype` is what is computed in. Raises InputError, and ModelError for NaN
    weights or impossible shapes.
    """
    values = check_inputs(graph, inputs, dtype)
    if observe:
        for name in graph.inputs:
            observe(name, values[name])
    last = last_uses(graph)
    for index, op in enumerate(graph.ops):
        if progress:
            progress(index, op)
        operands = [_operand(graph, name, values, dtype) for name in op.inputs]
        values[op.output] = apply(_loaded(op), operands, graph.shapes[op.output])
        if observe:
            observe(op.output, values[op.output])
        del operands
        if keep == "outputs":
            for name in {*op.inputs, op.output}:
                if last.get(name) == index:
                    values.pop(name, None)
    if keep == "outputs":
        return {name: values[name] for name in graph.outputs}
    return values


def random_inputs(graph: FloatGraph, seed: int) -> dict[str, FloatArray]:
    """Inputs uniform over [0, 1), as pictures are, that depend only on the seed, the input's position and shape."""
    return {
        name: np.random.default_rng([seed, position]).random(graph.shapes[name], np.float32)
        for position, name in enumerate(graph.inputs)
    }
