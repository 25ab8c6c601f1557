# SPDX-License-Identifier: Apache-2.0
"""Everything that waits for a scale but convolutions: sums, products, means, functions of a byte, softmax, concat."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref import ir
from esl_ref.floating import graph as f
from esl_ref.floating.graph import FloatOp
from esl_ref.frontends.onnx.builder import Builder, integers_of
from esl_ref.frontends.onnx.byte_functions import emit_table
from esl_ref.frontends.onnx.linear import quantised_linear, shifted_linear
from esl_ref.frontends.onnx.means import mean_of
from esl_ref.frontends.onnx.middle import QuantisedParameter, RequantShift
from esl_ref.frontends.onnx.scales import clamp_of, identity_requant, is_linear, requant_of
from esl_ref.frontends.onnx.schema import Array
from esl_ref.frontends.onnx.states import Constant, Moved, Pending, Real, State, Unary
from esl_ref.frontends.tflite.tail import softmax_parameters
from esl_ref.ir import Act
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant

__all__ = ["Lowering", "constant_on_top"]

_LEFT_SHIFT = 20
"""Headroom of a quantised sum, as in the TFLite front end."""
_SOFTMAX_QUANT = (1 / 256, -128)


class Lowering:
    """Makes operators of what waits. `shifts`: the model computes on integers, with RequantShift for scales."""

    def __init__(self, b: Builder, shifts: bool) -> None:
        self.b, self.shifts = b, shifts
        self.renamed: dict[str, str] = {}
        self.move: Callable[[FloatOp, Real], State] = lambda op, x: x

    def resolve(self, op: FloatOp, x: State, quant: tuple[float, int], offset: int, name: str) -> str:
        """The int8 tensor of `x` on the scale and zero point `quant`."""
        if isinstance(x, Real):
            return emit_table(self.b, x, quant, offset, name)
        if isinstance(x, Unary):
            return emit_table(self.b, x.source, quant, offset, name, x.function, x.what)
        if isinstance(x, Moved):
            made = self.resolve(op, x.source, quant, offset, self.b.fresh(f"{name}#before"))
            return self._moved(x.op, Real(made, *quant, offset), name)
        if not isinstance(x, Pending):
            raise self.b.unsupported(op, "what it quantises is quantised already, or a constant")
        if isinstance(x.op, f.Conv | f.Dense):
            return quantised_linear(self.b, x, quant, offset, name)
        if isinstance(x.op, f.Add | f.Sub | f.Mul):
            return self._binary(x, quant, offset, name)
        if isinstance(x.op, f.Mean | f.AveragePool):
            return mean_of(self.b, x, quant, offset, name)
        if isinstance(x.op, f.Concat):
            return self._concat(x, quant, offset, name)
        return self._softmax(x, quant, offset, name)

    def _moved(self, op: FloatOp, x: Real, name: str) -> str:
        """A move, now that its input has bytes."""
        made = self.move(op, x)
        assert isinstance(made, Real)
        if self.b.rename(made.name, name):
            self.renamed[made.name] = name
        return made.name

    def _operand(self, op: FloatOp, x: State) -> tuple[str, float, int]:
        """(tensor, scale, zero point) of one side of a sum or product."""
        if isinstance(x, Real):
            return x.name, x.scale, x.zero
        if not isinstance(x, Constant):
            raise self.b.unsupported(op, "its input is not quantised", "quantise every operator's input and output")
        if self.shifts:
            ints = integers_of(self.b.middle.constants[x.name], self.b.at(op), low=-128, high=127)
            scale, zero = 1.0, 0
        else:
            ints, scale, zero = self.b.constant(op, x.name)
        name = self.b.tensor(x.name, ints.shape, quant=(scale, zero), data=ints.astype(np.int8))
        return name, scale, zero

    def _binary(self, x: Pending, quant: tuple[float, int], offset: int, name: str) -> str:
        act, where = clamp_of(x.activation, *quant), self.b.at(x.op)
        if act is None:
            raise self.b.unsupported(x.op, f"{x.activation.function.value} before the result is quantised")
        (a, scale_a, zero_a), (c, scale_c, zero_c) = (self._operand(x.op, side) for side in x.inputs)
        shape = self.b.middle.shapes[x.op.output]
        said: dict[str, Any] = {"zero": (zero_a, zero_c), "act": act, "quant": quant, "offset": offset}
        if isinstance(x.op, f.Mul):
            requant = requant_of([scale_a * scale_c / quant[0]], where)
            return self.b.emit(ir.Mul, name, (a, c), shape, requant=requant, **said)
        twice = 2.0 * max(scale_a, scale_c)
        kind = ir.Sub if isinstance(x.op, f.Sub) else ir.Add
        return self.b.emit(
            kind, name, (a, c), shape, left_shift=_LEFT_SHIFT,
            requant_in=tuple(requant_of([scale / twice], where, Profile.SINGLE) for scale in (scale_a, scale_c)),
            requant=requant_of([twice / ((1 << _LEFT_SHIFT) * quant[0])], where), **said,
        )  # fmt: skip

    def _concat(self, x: Pending, quant: tuple[float, int], offset: int, name: str) -> str:
        """Every part brought to the result's scale where it has another."""
        names, op = [], x.op
        assert isinstance(op, f.Concat)
        for k, part in enumerate(x.inputs):
            if not isinstance(part, Real):
                raise self.b.unsupported(op, "its input is not quantised")
            same = part.quant == quant
            names.append(part.name if same else emit_table(self.b, part, quant, offset, f"{name}_part_{k}"))
        return self.b.emit(ir.Concat, name, names, self.b.middle.shapes[op.output], axis=op.axis, quant=quant,
                           offset=offset)  # fmt: skip

    def _softmax(self, x: Pending, quant: tuple[float, int], offset: int, name: str) -> str:
        """In the fixed point of this project's softmax, scale 1/256; another scale needs a table after it."""
        (source,) = x.inputs
        if not isinstance(source, Real):
            raise self.b.unsupported(x.op, "its input is not quantised")
        if not source.scale * (1 << 26) > 1.0:
            raise self.b.unsupported(x.op, f"input scale {source.scale!r}", "above 2**-26 is supported")
        multiplier, shift, diff_min = softmax_parameters(source.scale, 1.0, self.b.at(x.op))
        shape, direct = self.b.tensors[source.name].shape, quant == _SOFTMAX_QUANT
        made = self.b.emit(
            ir.Softmax, name if direct else f"{name}_256", (source.name,), shape, quant=_SOFTMAX_QUANT,
            offset=offset if direct else 0, multiplier=multiplier, shift=shift, diff_min=diff_min,
        )  # fmt: skip
        return made if direct else emit_table(self.b, Real(made, *_SOFTMAX_QUANT, 0), quant, offset, name)

    def resolve_shift(self, op: RequantShift, x: State, offset: int) -> str:
        """The int8 tensor after a RequantShift."""
        if isinstance(x, Pending) and isinstance(x.op, f.Conv | f.Dense):
            return shifted_linear(self.b, x, op, offset, op.output)
        if isinstance(x, Pending) and isinstance(x.op, f.Add | f.Sub | f.Mul):
            return self._shifted_binary(x, op, offset)
        if isinstance(x, Real):
            return self._shifted_bytes(x, op, offset)
        if isinstance(x, Moved) and op.mul.size == op.add.size == 1:
            made = self.resolve_shift(dataclasses.replace(op, output=f"{op.output}#before"), x.source, offset)
            return self._moved(x.op, Real(made, 1.0, -offset, offset), op.output)
        raise self.b.unsupported(op, "after an operator that has no plain integer result")

    def _factors(self, op: RequantShift) -> tuple[int, int, int]:
        """(mul, add with the half, shift) of a RequantShift with one factor for all."""
        if op.mul.size != 1 or op.add.size != 1:
            raise self.b.unsupported(op, "a factor per channel on other than a convolution or dense layer")
        return int(op.mul.reshape(-1)[0]), int(op.add.reshape(-1)[0]) + op.div // 2, int(math.log2(op.div))

    def _shifted_bytes(self, x: Real, op: RequantShift, offset: int) -> str:
        mul, add, shift = self._factors(op)
        values = np.arange(-128, 128, dtype=np.int64) - x.zero
        table = np.clip((values * mul + add) >> shift, op.low, op.high) - offset
        return self.b.emit(ir.Table, op.output, (x.name,), self.b.tensors[x.name].shape, table=table.astype(np.int8),
                           function="requantise", quant=(1.0, -offset), offset=offset)  # fmt: skip

    def _shifted_binary(self, x: Pending, op: RequantShift, offset: int) -> str:
        mul, add, shift = self._factors(op)
        if abs(mul) > INT32_MAX or not INT32_MIN <= add <= INT32_MAX:
            raise self.b.unsupported(op, "factors that int32 cannot hold")
        requant = Requant(np.array([mul], np.int64), np.array([-shift], np.int64), Profile.MUL_ADD_SHIFT,
                          np.array([add], np.int64))  # fmt: skip
        act = Act(-offset, op.low - offset, op.high - offset)
        return self._sum(x, requant, act, op.output, quant=(1.0, -offset), offset=offset)

    def _sum(self, x: Pending, requant: Requant, act: Act, name: str, **said: Any) -> str:
        """A sum, difference or product of integers as they are."""
        if not is_linear(x.activation) or x.extra is not None:
            raise self.b.unsupported(x.op, "an activation on integers that are not requantised")
        (a, _, zero_a), (c, _, zero_c) = (self._operand(x.op, side) for side in x.inputs)
        shape, zero = self.b.middle.shapes[x.op.output], (zero_a, zero_c)
        if isinstance(x.op, f.Mul):
            return self.b.emit(ir.Mul, name, (a, c), shape, zero=zero, requant=requant, act=act, **said)
        kind, same = ir.Sub if isinstance(x.op, f.Sub) else ir.Add, identity_requant()
        return self.b.emit(kind, name, (a, c), shape, zero=zero, left_shift=0, requant_in=(same, same),
                           requant=requant, act=act, **said)  # fmt: skip

    def plain_sum(self, x: Pending, name: str) -> str:
        """A network's output that is a sum nothing requantises: int32."""
        return self._sum(x, identity_requant(), Act(0, INT32_MIN, INT32_MAX), name, dtype=np.int32)

    def exact_sums(self, x: Pending) -> bool:
        """Whether an accumulator's unit is 1, as in ConvInteger: then the sums themselves are the result."""
        (source,), weight = x.inputs, getattr(x.op, "weight", None)
        scale = float(weight.scale[0]) if isinstance(weight, QuantisedParameter) else 1.0
        return isinstance(source, Real) and source.scale * scale == 1.0


def constant_on_top(low: Lowering, op: f.Add, inputs: Sequence[State]) -> Pending | None:
    """A constant added to what a convolution or dense layer has not rounded yet joins its bias."""
    waiting = [s for s in inputs if isinstance(s, Pending) and isinstance(s.op, f.Conv | f.Dense)]
    constants = [s for s in inputs if isinstance(s, Constant)]
    if len(waiting) != 1 or len(constants) != 1 or not is_linear(waiting[0].activation):
        return None
    values: Array = low.b.middle.constants[constants[0].name].load().astype(np.float64)
    before = waiting[0].extra
    total = values if before is None else before + values
    if low.b.middle.shapes[op.output] != low.b.middle.shapes[waiting[0].op.output]:
        return None
    kept = values.reshape(-1) if values.size == values.shape[-1] else total
    return Pending(waiting[0].op, waiting[0].inputs, op.activation, total if before is not None else kept)


