# SPDX-License-Identifier: Apache-2.0
"""Registry of golden operators: operator class -> (naive, fast).

A kernel takes the operator, its input arrays in order and the description of its output tensor, and returns the
output array. `naive` is the equation with loops over the output, the quotable definition; `fast` is the vectorised
form. Both are pure, and a test holds them equal on every operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from esl_ref.errors import UnsupportedError
from esl_ref.ir import Op, Tensor

__all__ = ["Array", "Kernel", "Operator", "lookup", "register", "supported"]

Array = npt.NDArray[Any]
Kernel = Callable[[Any, Sequence[Array], Tensor], Array]


@dataclass(frozen=True)
class Operator:
    """The two executable forms of one operator."""

    naive: Kernel
    fast: Kernel


_REGISTRY: dict[type[Op], Operator] = {}


def register(kind: type[Op], naive: Kernel, fast: Kernel) -> None:
    """Enter the golden form of an operator; each class has exactly one."""
    if kind in _REGISTRY:
        raise ValueError(f"operator {kind.__name__} is registered twice")
    _REGISTRY[kind] = Operator(naive, fast)


def lookup(op: Op) -> Operator:
    """The golden form of `op`; UnsupportedError if there is none."""
    try:
        return _REGISTRY[type(op)]
    except KeyError:
        raise UnsupportedError(f"no golden form of {op.kind}", where=f"operator '{op.name}'") from None


def supported() -> tuple[type[Op], ...]:
    """All operator classes with a golden form."""
    return tuple(_REGISTRY)
