# SPDX-License-Identifier: Apache-2.0
"""SAME and VALID padding, as TensorFlow defines them."""

from __future__ import annotations

from esl_ref.errors import ModelError
from esl_ref.ir import Padding

__all__ = ["pad_axis", "padding_of", "window_options"]

_SAME, _VALID = 0, 1


def pad_axis(scheme: int, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) along one axis. SAME gives ceil(size / stride) outputs and puts the odd element after."""
    if scheme == _VALID:
        return 0, 0
    extent = (kernel - 1) * dilation + 1
    out = -(-size // stride)
    total = max((out - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def padding_of(
    scheme: int, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Padding:
    """Padding of both axes of a map."""
    top, bottom = pad_axis(scheme, size[0], kernel[0], stride[0], dilation[0])
    left, right = pad_axis(scheme, size[1], kernel[1], stride[1], dilation[1])
    return Padding(top, bottom, left, right)


def window_options(options: dict[str, int], where: str) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """(padding scheme, stride, dilation), each checked to be a sane number."""
    scheme = options["Padding"]
    stride = (options["StrideH"], options["StrideW"])
    dilation = (options.get("DilationHFactor", 1), options.get("DilationWFactor", 1))
    if scheme not in (_SAME, _VALID):
        raise ModelError(f"padding scheme {scheme}", where=where)
    if not all(1 <= v <= 1 << 15 for v in (*stride, *dilation)):
        raise ModelError(f"stride {stride} or dilation {dilation} is out of range", where=where)
    return scheme, stride, dilation
