# SPDX-License-Identifier: Apache-2.0
"""Collects the operators of a float graph layer by layer, and lays tensors out as layers need them.

Darknet's tensors are channels, rows, columns, and it flattens them in this order; here they are rows, columns,
channels. Where the order of elements shows (reorg, softmax and heads on maps), they are transposed and said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from esl_ref.floating import FloatOp, Parameter
from esl_ref.floating import graph as f
from esl_ref.floating.activation import LINEAR, Activation

__all__ = ["Builder"]

Dims = tuple[int, ...]


class Builder:
    """`tensor[k]` is the tensor of layer k, -1 being the network's input."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.ops: list[FloatOp] = []
        self.shapes: dict[str, Dims] = {"input": (1, *shape)}
        self.constants: dict[str, Parameter] = {}
        self.tensor: dict[int, str] = {-1: "input"}

    def add(self, kind: type[FloatOp], name: str, inputs: Sequence[str], shape: Dims, *values: Any) -> str:
        """Append an operator that makes tensor `name`; a name that is taken gets a number."""
        unique, count = name, 1
        while unique in self.shapes:
            count += 1
            unique = f"{name}.{count}"
        self.ops.append(kind(unique, tuple(inputs), unique, *values))
        self.shapes[unique] = shape
        return unique

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Enter a constant; returns its name."""
        parameter = Parameter.of(values)
        self.constants[name] = parameter
        self.shapes[name] = parameter.shape
        return name

    def reshape(self, name: str, source: str, shape: Dims) -> str:
        """`source` itself if it has the shape already."""
        return source if self.shapes[source] == shape else self.add(f.Reshape, name, [source], shape)

    def transpose(self, name: str, source: str, perm: Dims) -> str:
        """Permuted axes; only a reshape where at most axes of size one change places."""
        old = self.shapes[source]
        shape = tuple(old[k] for k in perm)
        kept = [k for k in perm if old[k] > 1]
        if kept == sorted(kept):
            return self.reshape(name, source, shape)
        return self.add(f.Transpose, name, [source], shape, perm)

    def as_map(self, name: str, source: str) -> str:
        """[1, H, W, C] of a map or of a vector."""
        shape = self.shapes[source]
        return source if len(shape) == 4 else self.reshape(f"{name}.map", source, (1, 1, 1, shape[-1]))

    def flat(self, name: str, source: str) -> str:
        """[1, N] in Darknet's order: channels, rows, columns."""
        shape = self.shapes[source]
        if len(shape) == 2:
            return source
        planes = self.transpose(f"{name}.planes", source, (0, 3, 1, 2))
        return self.reshape(f"{name}.flat", planes, (1, shape[1] * shape[2] * shape[3]))

    def scaled(self, name: str, source: str, factor: float, activation: Activation = LINEAR) -> str:
        """Times a constant; `source` itself for a factor of one."""
        if factor == 1.0 and activation == LINEAR:
            return source
        by = self.constant(f"{name}.factor", [factor])
        return self.add(f.Mul, name, [source, by], self.shapes[source], activation)
