# SPDX-License-Identifier: Apache-2.0
"""The graph itself: operators in order over named tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from esl_ref.detection.heads import Head
from esl_ref.errors import ModelError
from esl_ref.ir.operators import Op
from esl_ref.ir.tensor import Tensor
from esl_ref.numerics import Profile

__all__ = ["Graph"]


@dataclass(frozen=True)
class Graph:
    """Operators in execution order over named tensors. `verify` checks every rule that executors rely on.

    `fan_in` names operators that may sum over the parts of their input, a concatenation along channels, one by one:
    the compiler then keeps partial sums instead of the whole input (see `esl_ref.rewrite`). Values are the same.
    `plain` names operators that the compiler must run as they stand, not in a way of fewer cycles and more bytes: pools
    in steps (`esl_ref.compiler.pools`), maps one pixel wide turned into one row (`esl_ref.compiler.narrow`).
    `heads` are the detection heads that the host applies to the real values of outputs, in the order of the model.
    """

    name: str
    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    profile: Profile = Profile.TFLITE
    notes: tuple[str, ...] = field(default=())
    fan_in: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    heads: tuple[Head, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        self.verify()

    def verify(self) -> None:
        """ModelError unless every tensor is produced once, before its uses, and every name exists."""
        known = set(self.inputs) | {n for n, t in self.tensors.items() if t.is_const}
        for op in self.ops:
            for name in op.inputs:
                if name not in known:
                    raise ModelError(
                        f"reads tensor '{name}' before anything produced it", where=f"operator '{op.name}'"
                    )
            for name in op.outputs:
                if name not in self.tensors:
                    raise ModelError(f"writes unknown tensor '{name}'", where=f"operator '{op.name}'")
                if name in known:
                    raise ModelError(f"tensor '{name}' is produced twice", where=f"operator '{op.name}'")
                known.add(name)
        for name in self.outputs:
            if name not in known:
                raise ModelError(f"output tensor '{name}' is never produced", where=f"graph '{self.name}'")

    def consumers(self) -> dict[str, tuple[Op, ...]]:
        """Tensor name -> operators that read it, in order."""
        result: dict[str, list[Op]] = {name: [] for name in self.tensors}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                result[name].append(op)
        return {name: tuple(ops) for name, ops in result.items()}

    def producers(self) -> dict[str, Op]:
        """Tensor name -> the operator that writes it."""
        return {name: op for op in self.ops for name in op.outputs}

    def io(self, op: Op) -> tuple[list[Tensor], list[Tensor]]:
        """Input and output tensors of one operator."""
        return [self.tensors[n] for n in op.inputs], [self.tensors[n] for n in op.outputs]

    def activations(self) -> Iterator[Tensor]:
        """Non-constant tensors."""
        return (t for t in self.tensors.values() if not t.is_const)

    def replace(self, **changes: Any) -> Graph:
        """A copy with some fields changed, verified again."""
        return dataclasses.replace(self, **changes)
