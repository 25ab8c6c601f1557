# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on constants, such as exporters write to compute shapes: done at import, on small arrays only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.schema import Array, FileNode, Source

__all__ = ["FOLDED", "constant", "fold", "shape_of"]

_MOST = 1 << 16
_CASTS = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}


def constant(ctx: Context, node: FileNode) -> None:
    """A tensor, number or list that the node itself carries."""
    values = dict(node.attributes)
    if isinstance(values.get("value"), Source):
        ctx.result(node, values["value"])
        return
    kinds = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
    name = next((k for k in kinds if k in values), None)
    if name is None:
        raise ctx.unsupported(node, "a constant that is no tensor of numbers")
    ctx.result(node, Source.of(node.outputs[0], np.asarray(values[name], kinds[name])))


def shape_of(ctx: Context, node: FileNode) -> None:
    """The shape of any tensor is known at import."""
    shape = ctx.value(node, 0).shape
    box = slice(ctx.integer(node, "start", 0), ctx.integer(node, "end", len(shape)))
    ctx.result(node, Source.of(node.outputs[0], np.array(shape[box], np.int64)))


def _gather(ctx: Context, node: FileNode, a: Sequence[Array]) -> Array:
    return np.take(a[0], a[1].astype(np.int64), axis=ctx.integer(node, "axis", 0))


def _concat(ctx: Context, node: FileNode, a: Sequence[Array]) -> Array:
    return np.concatenate(a, axis=ctx.integer(node, "axis", 0))


def _slice(ctx: Context, node: FileNode, a: Sequence[Array]) -> Array:
    data = a[0]
    lists = [[int(v) for v in part.reshape(-1)] for part in a[1:]]
    starts, ends = lists[:2] if lists else (ctx.ints(node, "starts", None), ctx.ints(node, "ends", None))
    axes = lists[2] if len(lists) > 2 else ctx.ints(node, "axes", list(range(len(starts))))
    steps = lists[3] if len(lists) > 3 else [1] * len(starts)
    box: list[Any] = [slice(None)] * data.ndim
    for b, e, axis, s in zip(starts, ends, axes, steps, strict=True):
        box[axis] = slice(b, e, s)
    result: Array = data[tuple(box)]
    return result


def _cast(ctx: Context, node: FileNode, a: Sequence[Array]) -> Array:
    kind = ctx.integer(node, "to", 0)
    if kind not in _CASTS:
        raise ctx.unsupported(node, f"a cast to element type {kind}")
    return a[0].astype(_CASTS[kind])


def _fill(ctx: Context, node: FileNode, a: Sequence[Array]) -> Array:
    shape = tuple(int(d) for d in a[0].reshape(-1))
    value = node.attributes.get("value")
    if any(d < 0 for d in shape) or len(shape) > 8 or np.prod([float(d) for d in shape]) > _MOST:
        raise ctx.unsupported(node, f"a constant of shape {list(shape)[:16]}", f"at most {_MOST} elements")
    return np.full(shape, value.read().reshape(-1)[0] if isinstance(value, Source) else np.float32(0))


def _divide(a: Array, b: Array) -> Array:
    return np.trunc(a / b).astype(a.dtype) if np.issubdtype(a.dtype, np.integer) else a / b


def _on_two(function: Callable[[Array, Array], Array]) -> Callable[[Context, FileNode, Sequence[Array]], Array]:
    return lambda ctx, node, a: function(a[0], a[1])


FOLDED: dict[str, Callable[[Context, FileNode, Sequence[Array]], Array]] = {
    "Add": _on_two(np.add), "Sub": _on_two(np.subtract), "Mul": _on_two(np.multiply), "Div": _on_two(_divide),
    "Gather": _gather, "Concat": _concat, "Slice": _slice, "Cast": _cast, "ConstantOfShape": _fill,
}  # fmt: skip


def fold(ctx: Context, node: FileNode) -> bool:
    """Compute a node all of whose inputs are small constants; False if it is not such a one."""
    values = [ctx.values.get(name) for name in node.inputs if name]
    sources = [v for v in values if isinstance(v, Source)]
    if node.op not in FOLDED or not values or len(sources) != len(values):
        return False
    if any(s.elements > _MOST for s in sources):
        raise ctx.unsupported(node, "arithmetic on large constants")
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(FOLDED[node.op](ctx, node, [s.read() for s in sources]))
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ctx.bad(node, f"its constants do not fit ({error})") from error
    if result.size > _MOST:
        raise ctx.unsupported(node, "arithmetic on large constants")
    ctx.result(node, Source.of(node.outputs[0], result))
    return True
