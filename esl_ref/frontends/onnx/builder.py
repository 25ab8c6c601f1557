# SPDX-License-Identifier: Apache-2.0
"""The integer graph under construction: operators, tensors, and one name for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.floating.graph import FloatOp, Parameter
from esl_ref.frontends.onnx.middle import Middle, QuantisedParameter
from esl_ref.frontends.onnx.schema import Array
from esl_ref.frontends.passes import run_passes
from esl_ref.ir import Graph, Op, Quant, Tensor
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile

__all__ = ["Builder", "integers_of"]

O = TypeVar("O", bound=Op)  # noqa: E741 - as in ops
INT8 = np.dtype(np.int8)


def integers_of(parameter: Parameter, where: str, *, low: int = INT32_MIN, high: int = INT32_MAX) -> Array:
    """int64 values of a float constant that holds integers; UnsupportedError if one is no integer in range."""
    values = parameter.load()
    if (values != np.rint(values)).any() or (values < low).any() or (values > high).any():
        raise UnsupportedError(f"constants that are not integers of {low}..{high}", where=where,
                               hint="a model with RequantShift computes on integers throughout")  # fmt: skip
    return values.astype(np.int64)


class Builder:
    """Collects operators; `at` gives the place of an error."""

    def __init__(self, middle: Middle, profile: Profile) -> None:
        self.middle, self.profile = middle, profile
        self.ops: list[Op] = []
        self.tensors: dict[str, Tensor] = {}
        self.notes = list(middle.notes)
        self._new_names: dict[str, str] = {}
        self._taken: set[str] = set()

    def at(self, op: FloatOp) -> str:
        """Model and operator, for error messages."""
        return f"{self.middle.path}: operator '{op.name}'"

    def unsupported(self, op: FloatOp, what: str, hint: str = "") -> UnsupportedError:
        """The error of an operator that asks for what is not supported."""
        return UnsupportedError(what, where=self.at(op), hint=hint)

    def fresh(self, hint: str) -> str:
        """A name that neither form of the model has."""
        name, number = hint, 1
        while name in self.tensors or name in self._taken:
            name, number = f"{hint}#{number}", number + 1
        return name

    def tensor(
        self, name: str, shape: tuple[int, ...], dtype: Any = INT8, quant: tuple[float, int] | None = None,
        offset: int = 0, data: Array | None = None,
    ) -> str:  # fmt: skip
        """Enter a tensor; `quant` in the int8 domain."""
        name = self.fresh(name)
        said = None if quant is None else Quant((quant[0],), (quant[1],))
        self.tensors[name] = Tensor(name, shape, np.dtype(dtype), said, data, offset)
        return name

    def emit(
        self, kind: type[O], name: str, inputs: Sequence[str], shape: tuple[int, ...], *, dtype: Any = INT8,
        quant: tuple[float, int] | None = None, offset: int = 0, **fields: Any,
    ) -> str:  # fmt: skip
        """Append an operator named like the tensor it makes; returns that name."""
        name = self.tensor(name, shape, dtype, quant, offset)
        self.ops.append(kind(name=name, inputs=tuple(inputs), outputs=(name,), **fields))
        return name

    def last(self, kind: type[O], name: str, *given: Any, **fields: Any) -> str:
        """`emit` for a network output, which has its name even where another tensor came to it first."""
        if name not in self.tensors:
            return self.emit(kind, name, *given, **fields)
        other = self.fresh(f"{name}#before")
        self._new_names[name] = self._new_names.get(name, other)
        made = self.emit(kind, f"{name}#output", *given, **fields)
        self._new_names[made] = name
        self._taken |= {other, name}
        return made

    def constant(self, op: FloatOp, name: str) -> tuple[Array, float, int]:
        """A constant operand as (int8 values, scale, zero point); float ones are quantised by their largest value."""
        parameter = self.middle.constants[name]
        if isinstance(parameter, QuantisedParameter):
            ints, zero = parameter.ints, int(parameter.zero[0])
            if ints.size and ints.max() > 127:
                ints, zero = ints - 128, zero - 128
            if ints.size and (ints.min() < -128 or ints.max() > 127):
                raise self.unsupported(op, "a constant operand wider than 8 bits")
            return ints, float(parameter.scale[0]), zero
        values = parameter.load()
        scale = float(np.abs(values).max(initial=0)) / 127 or 1.0
        self.notes.append(f"operator '{op.name}': the float constant '{name}' is quantised with scale {scale:.6g}")
        return np.rint(values / scale).astype(np.int64), scale, 0

    def rename(self, old: str, new: str) -> bool:
        """Give a computed tensor the name the file has for it; False if it must keep its own."""
        if old == new or old in self.middle.inputs or old in self._new_names or new in self.tensors:
            return old == new
        if new in self._taken:
            return False
        self._new_names[old] = new
        self._taken.add(new)
        return True

    def finish(self, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """The verified graph."""
        new = {name: self._new_names.get(name, name) for name in self.tensors}
        # A name given up by one tensor may be another's new one, so all are replaced at once.
        order = self.middle.orders
        tensors = {}
        for name, tensor in self.tensors.items():
            axes = order.get(new[name], ()) if len(order.get(new[name], ())) == len(tensor.shape) else ()
            tensors[new[name]] = dataclasses.replace(tensor, name=new[name], file_axes=axes)
        ops = tuple(
            dataclasses.replace(op, name=new.get(op.name, op.name), inputs=tuple(new[n] for n in op.inputs),
                                outputs=tuple(new[n] for n in op.outputs)) for op in self.ops
        )  # fmt: skip
        path = self.middle.path
        if not ops:
            raise ModelError("computes nothing", where=path)
        try:
            graph = Graph(Path(path).stem or self.middle.name, tensors, ops, tuple(inputs),
                          tuple(new[n] for n in outputs), self.profile, tuple(self.notes))  # fmt: skip
            return run_passes(graph)
        except EslError as error:
            raise type(error)(error.what, where=f"{path}: {error.where}", hint=error.hint) from error
