# SPDX-License-Identifier: Apache-2.0
"""Places where channels may be scaled: a convolution, what lies between, and the convolutions that read it.

Every channel may be divided by a factor of its own in the first and multiplied by it again in the last, where all that
lies between is positively homogeneous: f(s x) = s f(x) for s > 0.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from esl_ref.floating.activation import Function
from esl_ref.floating.graph import (
    Activate,
    AveragePool,
    Conv,
    FloatGraph,
    FloatOp,
    MaxPool,
    Pad,
    Parameter,
    ResizeNearest,
)
from esl_ref.floating.kernels_window import FloatArray

__all__ = ["Chain", "chains", "rescaled"]


@dataclass(frozen=True)
class Chain:
    """A convolution, what lies between, the tensors of it that are rounded, in order, and the convolutions that read
    the last."""

    first: Conv
    between: tuple[FloatOp, ...]
    tensors: tuple[str, ...]
    last: tuple[Conv, ...]


def _is_homogeneous(op: FloatOp) -> bool:
    if isinstance(op, Activate):
        return op.activation.function in (Function.LEAKY, Function.RELU, Function.LINEAR)
    if isinstance(op, Pad):
        return op.value == 0.0 and op.pads[-1] == (0, 0)
    return isinstance(op, MaxPool | AveragePool | ResizeNearest)


def chains(graph: FloatGraph) -> list[Chain]:
    """All such places of a prepared graph."""
    users: dict[str, list[FloatOp]] = {name: [] for name in graph.shapes}
    for op in graph.ops:
        for name in op.inputs:
            users[name].append(op)
    found = []
    for op in graph.ops:
        if not isinstance(op, Conv) or op.activation.function not in (Function.LINEAR, Function.RELU):
            continue
        tensor, rounded, between = op.output, [op.output], []
        while tensor not in graph.outputs and len(users[tensor]) == 1 and _is_homogeneous(users[tensor][0]):
            between.append(users[tensor][0])
            if isinstance(users[tensor][0], Activate):
                rounded.append(users[tensor][0].output)
            tensor = users[tensor][0].output
        last = tuple(user for user in users[tensor] if isinstance(user, Conv))
        if last and len(last) == len(users[tensor]) and tensor not in graph.outputs:
            found.append(Chain(op, tuple(between), tuple(rounded), last))
    return found


def _scaled(parameter: Parameter, factor: FloatArray) -> Parameter:
    """The parameter times a factor that broadcasts, still read on demand."""
    return Parameter(parameter.shape, lambda: (parameter.load().astype(np.float64) * factor).astype(np.float32))


def _divided(op: Conv, factors: FloatArray) -> Conv:
    weight = _scaled(op.weight, 1 / factors.reshape(-1, 1, 1, 1))
    return dataclasses.replace(op, weight=weight, bias=_scaled(op.bias, 1 / factors))


def _multiplied(op: Conv, factors: FloatArray) -> Conv:
    """Every weight times the factor of the input channel that it meets."""
    units, _, _, depth = op.weight.shape
    rows = np.repeat(factors.reshape(op.groups, depth), units // op.groups, axis=0)
    return dataclasses.replace(op, weight=_scaled(op.weight, rows[:, None, None, :]))


def rescaled(
    changed: dict[str, FloatOp], chain: Chain, factors: FloatArray, after: FloatArray | None = None
) -> None:
    """Changes operators, by name: channels of the first convolution divided by `factors`, of the last multiplied by
    `after`, the same factors where not given."""
    first = changed[chain.first.name]
    assert isinstance(first, Conv)
    changed[chain.first.name] = _divided(first, factors)
    for op in chain.last:
        last = changed[op.name]
        assert isinstance(last, Conv)
        changed[op.name] = _multiplied(last, factors if after is None else after)
