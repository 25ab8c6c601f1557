# SPDX-License-Identifier: Apache-2.0
"""What is known of a tensor of the middle form while integer operators are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from esl_ref.floating.activation import LINEAR, Activation
from esl_ref.floating.graph import FloatOp
from esl_ref.frontends.onnx.schema import Array

__all__ = ["Bytes", "Constant", "Moved", "Pending", "Plain", "Real", "State", "Unary"]


@dataclass(frozen=True)
class Plain:
    """A float tensor of the graph, at the network's edge."""

    name: str


@dataclass(frozen=True)
class Bytes:
    """An int8 tensor of the graph; `offset` is 128 if the file has uint8 there."""

    name: str
    offset: int


@dataclass(frozen=True)
class Real:
    """The real value scale * (q - zero) of an int8 tensor; `zero` in the int8 domain."""

    name: str
    scale: float
    zero: int
    offset: int

    @property
    def quant(self) -> tuple[float, int]:
        """(scale, zero point)."""
        return self.scale, self.zero


@dataclass(frozen=True)
class Constant:
    """A constant operand."""

    name: str


@dataclass(frozen=True)
class Pending:
    """An operator whose result gets its scale from the operator after it. `extra` is a constant sum on top, in the
    shape of the result or one that broadcasts to it."""

    op: FloatOp
    inputs: tuple[State, ...]
    activation: Activation = LINEAR
    extra: Array | None = None


@dataclass(frozen=True)
class Unary:
    """A function of the bytes of one tensor, which becomes a table once the result's scale is known."""

    source: Real
    function: Callable[[Array], Array]
    what: str


@dataclass(frozen=True)
class Moved:
    """A move of what still waits for its scale: the result is quantised first and moved then, which is the same."""

    source: Pending | Unary | Moved
    op: FloatOp


State = Plain | Bytes | Real | Constant | Pending | Unary | Moved
