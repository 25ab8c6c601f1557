# SPDX-License-Identifier: Apache-2.0
"""Operators that only rename bytes: reshapes and transpositions change the view and make nothing."""

from __future__ import annotations

from esl_ref.frontends.onnx.context import Context, Quantised
from esl_ref.frontends.onnx.schema import FileNode, Source, elements
from esl_ref.frontends.onnx.views import View

__all__ = [
    "depth_to_space", "flatten", "identity", "reshape", "space_to_depth", "squeeze", "transpose", "unsqueeze",
]  # fmt: skip


def _to_shape(ctx: Context, node: FileNode, shape: tuple[int, ...]) -> None:
    """The first input under another shape of as many elements."""
    value = ctx.value(node, 0)
    if any(d < 1 for d in shape) or elements(shape) != elements(value.shape):
        raise ctx.bad(node, f"{list(value.shape)} does not reshape to {list(shape)}")
    if isinstance(value, View):
        if len(shape) > 8:
            raise ctx.bad(node, f"{len(shape)} dimensions")
        ctx.result(node, value.reshaped(shape))
    elif isinstance(value, Quantised):
        if value.scale.size > 1:
            raise ctx.unsupported(node, "a quantised constant with several scales")
        ints = value.ints.mapped(shape, lambda array: array.reshape(shape))
        ctx.result(node, Quantised(ints, value.scale, value.zero))
    else:
        ctx.result(node, value.mapped(shape, lambda array: array.reshape(shape)))


def reshape(ctx: Context, node: FileNode) -> None:
    """To a constant shape: 0 keeps a dimension (unless `allowzero`), -1 is what is left. A first dimension that no
    longer fits is the batch, which is 1 here."""
    old = ctx.value(node, 0).shape
    wanted = ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "shape", None)
    if not ctx.integer(node, "allowzero", 0):
        if any(d == 0 and axis >= len(old) for axis, d in enumerate(wanted)):
            raise ctx.bad(node, f"{list(old)} does not reshape to {wanted}")
        wanted = [old[axis] if d == 0 else d for axis, d in enumerate(wanted)]
    if wanted.count(-1) == 1 and all(d > 0 for d in wanted if d != -1):
        rest = elements(tuple(d for d in wanted if d != -1))
        wanted[wanted.index(-1)] = elements(old) // rest
    _to_shape(ctx, node, tuple(wanted))


def flatten(ctx: Context, node: FileNode) -> None:
    """To a matrix: axes before `axis`, and the rest."""
    shape = ctx.value(node, 0).shape
    axis = ctx.integer(node, "axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ctx.bad(node, f"axis {axis} of a tensor of rank {len(shape)}")
    axis += len(shape) if axis < 0 else 0
    _to_shape(ctx, node, (elements(shape[:axis]), elements(shape[axis:])))


def _axes(ctx: Context, node: FileNode, rank: int) -> set[int] | None:
    """Axes from an attribute or, from operator set 13 on, an input."""
    if not ctx.given(node, 1) and "axes" not in node.attributes:
        return None
    raw = ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "axes", None)
    if any(not -rank <= axis < rank for axis in raw) or len({axis % rank for axis in raw}) != len(raw):
        raise ctx.bad(node, f"axes {raw} of a tensor of rank {rank}")
    return {axis % rank for axis in raw}


def squeeze(ctx: Context, node: FileNode) -> None:
    """Without the given axes of one element, or without all such."""
    shape = ctx.value(node, 0).shape
    axes = _axes(ctx, node, len(shape))
    if axes is None:
        axes = {axis for axis, d in enumerate(shape) if d == 1}
    if any(shape[axis] != 1 for axis in axes):
        raise ctx.bad(node, f"axes {sorted(axes)} of {list(shape)} are not of one element")
    _to_shape(ctx, node, tuple(d for axis, d in enumerate(shape) if axis not in axes))


def unsqueeze(ctx: Context, node: FileNode) -> None:
    """With new axes of one element."""
    shape = ctx.value(node, 0).shape
    count = len(ctx.integers(node, 1) if ctx.given(node, 1) else ctx.ints(node, "axes", None))
    axes, rest = _axes(ctx, node, len(shape) + count), iter(shape)
    assert axes is not None
    _to_shape(ctx, node, tuple(1 if axis in axes else next(rest) for axis in range(len(shape) + count)))


def transpose(ctx: Context, node: FileNode) -> None:
    """A permutation of axes: of constants when they are read, of tensors in their view."""
    value = ctx.value(node, 0)
    rank = len(value.shape)
    perm = ctx.ints(node, "perm", list(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        raise ctx.bad(node, f"permutation {perm} of {rank} axes")
    shape = tuple(value.shape[axis] for axis in perm)
    if isinstance(value, View):
        if value.tail is not None:
            value = View.plain(ctx.realise(value, range(rank)), value.shape)
        ctx.result(node, value.transposed(perm))
    elif isinstance(value, Quantised):
        ints = value.ints.mapped(shape, lambda array: array.transpose(perm))
        ctx.result(node, Quantised(ints, value.scale, value.zero, perm.index(value.axis) if rank else 0))
    else:
        assert isinstance(value, Source)
        ctx.result(node, value.mapped(shape, lambda array: array.transpose(perm)))


def _blocks(ctx: Context, node: FileNode) -> tuple[View, int]:
    x, block = ctx.view(node, 0), ctx.integer(node, "blocksize", 0)
    if len(x.shape) != 4 or not 1 <= block <= 1 << 10:
        raise ctx.bad(node, f"blocks of {block} of a tensor of shape {list(x.shape)}")
    return View.plain(ctx.realise(x, range(4)), x.shape) if x.tail is not None else x, block


def depth_to_space(ctx: Context, node: FileNode) -> None:
    """Channels to blocks of pixels: a reshape, a transposition, a reshape."""
    x, block = _blocks(ctx, node)
    n, channels, height, width = x.shape
    depth, mode = channels // block**2, ctx.text(node, "mode", "DCR")
    if channels % block**2 or mode not in ("DCR", "CRD"):
        raise ctx.bad(node, f"{channels} channels to blocks of {block}, mode '{mode}'")
    columns_first = mode == "CRD"
    split = (n, depth, block, block, height, width) if columns_first else (n, block, block, depth, height, width)
    moved = x.reshaped(split).transposed((0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2))
    ctx.result(node, moved.reshaped((n, depth, height * block, width * block)))


def space_to_depth(ctx: Context, node: FileNode) -> None:
    """Blocks of pixels to channels."""
    x, block = _blocks(ctx, node)
    n, channels, height, width = x.shape
    if height % block or width % block:
        raise ctx.bad(node, f"{height} x {width} pixels in blocks of {block}")
    split = x.reshaped((n, channels, height // block, block, width // block, block))
    moved = split.transposed((0, 3, 5, 1, 2, 4))
    ctx.result(node, moved.reshaped((n, channels * block**2, height // block, width // block)))


def identity(ctx: Context, node: FileNode) -> None:
    """Identity, and Dropout, which does nothing at inference."""
    if len(node.outputs) > 1 and node.outputs[1] and ctx.readers[node.outputs[1]]:
        raise ctx.unsupported(node, "the second output, a mask")
    ctx.result(node, ctx.value(node, 0))
