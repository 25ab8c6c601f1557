# SPDX-License-Identifier: Apache-2.0
"""Constants of the file as parameters of operators, in the graph's layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from esl_ref.errors import ModelError
from esl_ref.floating.graph import Parameter
from esl_ref.frontends.onnx.context import Context, Quantised, Value
from esl_ref.frontends.onnx.middle import QuantisedParameter
from esl_ref.frontends.onnx.schema import Array, FileNode, Source
from esl_ref.frontends.onnx.views import View

__all__ = ["bias_parameter", "operand_parameter", "real_parameter", "weight_parameter"]


def real_parameter(
    shape: tuple[int, ...], read: Callable[[], Array], where: str = "", factor: float = 1.0
) -> Parameter:
    """float32 of `shape` from `read` when it is needed; ModelError then if it holds NaN or infinity."""

    def load() -> Array:
        values = np.ascontiguousarray(read(), np.float32)
        if not np.isfinite(values).all():
            raise ModelError("holds NaN or infinity", where=where)
        return (values if factor == 1.0 else values * np.float32(factor)).reshape(shape)

    return Parameter(shape, load)


def _where(ctx: Context, node: FileNode, source: Source) -> str:
    return f"{ctx.at(node)}: constant '{source.name}'"


def weight_parameter(
    ctx: Context, node: FileNode, value: Value, out_axis: int, shape: tuple[int, ...], change: Callable[[Array], Array],
    factor: float = 1.0,
) -> Parameter:  # fmt: skip
    """Weights times `factor` through `change`, which brings axis `out_axis` first; quantised ones keep their integers.

    Quantised weights are read now: their values decide how they are stored.
    """
    assert not isinstance(value, View)
    if isinstance(value, Source):
        return real_parameter(shape, lambda: change(value.read()), _where(ctx, node, value), factor)
    if factor <= 0:
        raise ctx.unsupported(node, f"a factor of {factor} on quantised weights")
    if value.scale.size > 1 and value.axis % len(value.shape) != out_axis:
        raise ctx.unsupported(node, f"weights with one scale for each index of axis {value.axis}",
                              "scales per output channel are supported")  # fmt: skip
    ints = np.ascontiguousarray(change(value.ints.read()).astype(np.int64)).reshape(shape)
    return QuantisedParameter.make(ints, value.scale * factor, value.zero)


def bias_parameter(ctx: Context, node: FileNode, value: Value | None, units: int, factor: float = 1.0) -> Parameter:
    """[units] from a bias with that many elements, or one; zeros if there is none."""
    if value is None:
        return Parameter.of(np.zeros(units))
    if isinstance(value, View):
        raise ctx.unsupported(node, "a bias that is computed")
    source = value.ints if isinstance(value, Quantised) else value
    if source.elements not in (1, units) or max(value.shape, default=1) != source.elements:
        raise ctx.bad(node, f"a bias of shape {list(value.shape)} for {units} channels")
    if isinstance(value, Source):
        return real_parameter((units,), lambda: np.broadcast_to(value.read().reshape(-1), units),
                              _where(ctx, node, value), factor)  # fmt: skip
    if value.ints.dtype.kind not in "iu":
        raise ctx.bad(node, f"a quantised bias of type {value.ints.dtype}")
    if value.scale.size not in (1, units):
        raise ctx.bad(node, f"a bias with {value.scale.size} scales for {units} channels")
    ints = np.broadcast_to(value.ints.read().reshape(-1), units).astype(np.int64)
    return QuantisedParameter.make(ints, value.scale * factor, value.zero)


def operand_parameter(ctx: Context, node: FileNode, value: Value, rank: int, order: tuple[int, ...]) -> Parameter:
    """A constant operand of an elementwise operator of `rank` axes, axis j being the file's axis order[j]."""
    assert not isinstance(value, View)
    if len(value.shape) > rank:
        raise ctx.unsupported(node, f"a constant of shape {list(value.shape)} that adds axes")
    wide = (*(1,) * (rank - len(value.shape)), *value.shape)
    shape = tuple(wide[axis] for axis in order)

    def change(array: Array) -> Array:
        return array.reshape(wide).transpose(order)

    if isinstance(value, Source):
        return real_parameter(shape, lambda: change(value.read()), _where(ctx, node, value))
    if value.scale.size > 1:
        raise ctx.unsupported(node, "a constant operand with several scales")
    return QuantisedParameter.make(
        np.ascontiguousarray(change(value.ints.read())).astype(np.int64), value.scale, value.zero
    )
