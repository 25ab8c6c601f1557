# SPDX-License-Identifier: Apache-2.0
"""What every lowering rule is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.compiler.bind import Binder
from esl_ref.compiler.fan_in import FanIn
from esl_ref.compiler.tasks import Post
from esl_ref.compiler.views import View
from esl_ref.ir import Act, Graph, Op
from esl_ref.numerics import Requant
from esl_ref.program.fields import Rounding

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """Graph, machine, views, the operator's number, the table that its results pass through, if any, and who sums
    over parts."""

    graph: Graph
    arch: Arch
    binder: Binder
    layer: int
    fused: ir.Table | None = None
    fan_ins: Mapping[str, FanIn] = field(default_factory=dict)

    @property
    def slots(self) -> int:
        """Accumulator slots that nobody keeps for long."""
        return min((fan_in.base for fan_in in self.fan_ins.values()), default=self.arch.acc_words)

    def ifm(self, op: Op, index: int = 0) -> View:
        """View of an input."""
        return self.binder.view(op.inputs[index])

    def tensor(self, op: Op) -> str:
        """Name of the tensor that the operator's task writes."""
        return self.fused.outputs[0] if self.fused else op.outputs[0]

    def ofm(self, op: Op, *, in_place: bool = False) -> View:
        """View to write to."""
        return self.binder.target(self.tensor(op), op if in_place else None)

    def rounding(self, requant: Requant) -> Rounding:
        """Of an operator that the accelerator takes: ONCE if it rounds once where the model rounds twice."""
        return Rounding.PROFILE if requant.profile is self.graph.profile else Rounding.ONCE

    def post(self, act: Act, rounding: Rounding = Rounding.PROFILE) -> Post:
        """Output zero point and clamp, with the fused table."""
        table = self.fused.table.tobytes() if self.fused else None
        return Post(act.zero_point, act.low, act.high, rounding, table)
