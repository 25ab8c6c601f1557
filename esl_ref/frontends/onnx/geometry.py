# SPDX-License-Identifier: Apache-2.0
"""Windows: strides, dilations and the four ways in which ONNX says how a map is padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.schema import FileNode
from esl_ref.ir import Padding

__all__ = ["Window", "window_of"]

_MOST = 1 << 15


@dataclass(frozen=True)
class Window:
    """Two-dimensional geometry (1-dimensional maps are one row high), and the output's size. `ceiled` says that rows or
    columns below and right of the file's own padding were added, because the file rounds the output's size up."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    out: tuple[int, int]
    ceiled: bool = False


def _pads(
    scheme: str, size: Sequence[int], extent: Sequence[int], stride: Sequence[int], explicit: list[int]
) -> list[tuple[int, int]]:
    """(before, after) per axis."""
    rank = len(size)
    if scheme == "NOTSET":
        return list(zip(explicit[:rank], explicit[rank:], strict=True))
    if scheme == "VALID":
        return [(0, 0)] * rank
    totals = [max((-(-n // s) - 1) * s + e - n, 0) for n, e, s in zip(size, extent, stride, strict=True)]
    small = [t // 2 for t in totals]
    pairs = [(a, t - a) for a, t in zip(small, totals, strict=True)]
    return pairs if scheme == "SAME_UPPER" else [(b, a) for a, b in pairs]


def window_of(
    ctx: Context, node: FileNode, size: Sequence[int], kernel: Sequence[int], *, ceil: bool = False
) -> Window:
    """The geometry of `node` over a map of `size`, rank 1 or 2."""
    rank = len(size)
    stride = ctx.ints(node, "strides", [1] * rank, rank)
    dilation = ctx.ints(node, "dilations", [1] * rank, rank)
    explicit = ctx.ints(node, "pads", [0] * (2 * rank), 2 * rank)
    scheme = ctx.text(node, "auto_pad", "NOTSET")
    if scheme not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ctx.bad(node, f"auto_pad '{scheme}'")
    if any(not 1 <= v <= _MOST for v in (*kernel, *stride, *dilation)) or any(not 0 <= v <= _MOST for v in explicit):
        raise ctx.bad(node, f"kernel {list(kernel)}, strides {stride}, dilations {dilation}, pads {explicit}")
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads, outs, ceiled = [], [], False
    for n, e, s, (before, after) in zip(
        size, extent, stride, _pads(scheme, size, extent, stride, explicit), strict=True
    ):
        room = n + before + after - e
        if room < 0:
            raise ctx.bad(node, f"a window of extent {e} does not fit {n} elements padded by {before} and {after}")
        out = room // s + 1
        if ceil and room % s and out * s < n + before:  # the last window must begin inside the map
            after, out, ceiled = out * s + e - n - before, out + 1, True
        pads.append((before, after))
        outs.append(out)
    if rank == 1:
        kernel, stride, dilation = (1, *kernel), [1, *stride], [1, *dilation]
        pads, outs = [(0, 0), *pads], [1, *outs]
    return Window(
        (kernel[0], kernel[1]), (stride[0], stride[1]), (dilation[0], dilation[1]),
        Padding(*pads[0], *pads[1]), (outs[0], outs[1]), ceiled,
    )  # fmt: skip
