# SPDX-License-Identifier: Apache-2.0
"""What a choice really costs: laid out, written as a Program, timed by the ESL machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from esl_ref.compiler.emit import emit
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, Realised, realise
from esl_ref.compiler.sizing import Sizing
from esl_ref.ir import Graph
from esl_ref.machine.timing import predict
from esl_ref.planner import pareto

__all__ = ["Rated", "Rater", "undominated"]


@dataclass(frozen=True)
class Rated:
    """A choice with what it costs: bytes of the arena (`height`) and of all on-chip memories together, cycles that the
    ESL machine predicts, bytes from and to external memory.

    busy        cycles in which the engine works
    commands    how long the Program is, which says how long it takes to time
    """

    choice: Choice
    height: int
    on_chip: int
    cycles: int
    traffic: int
    busy: int
    commands: int


class Rater:
    """Rates choices for one segment; remembers what it has rated."""

    def __init__(self, graph: Graph, lowered: Lowered, sizing: Sizing) -> None:
        self.graph, self.lowered, self.sizing = graph, lowered, sizing
        self.known: dict[Choice, Rated] = {}
        self._last: tuple[Choice, Realised] | None = None

    def rate(self, choice: Choice) -> Rated:
        """Lay out, write and time one choice on a machine with as much SRAM as it needs."""
        if choice not in self.known:
            self.known[choice] = self._rated(choice)
        return self.known[choice]

    def realised(self, choice: Choice) -> Realised:
        """A choice worked out. How weights are cut changes nothing about it, so that the last one often does again."""
        key = replace(choice, fineness=1, weight_words=None)
        if self._last is None or self._last[0] != key:
            self._last = key, realise(self.lowered, choice, self.sizing.planning())
        return self._last[1]

    def _rated(self, choice: Choice) -> Rated:
        realised = self.realised(choice)
        machine = self.sizing.fitted(realised.height, realised.columns, choice.weight_words, realised.slots)
        addresses, inputs = realised.plan.addresses, self.lowered.segment.inputs
        program = emit(self.graph, realised.schedule, machine, addresses, inputs, self.graph.name, choice.fineness)
        timing = predict(program, memory=self.sizing.memory)
        counted = timing.counters
        traffic = (counted["READ_BEATS"] + counted["WRITE_BEATS"]) * machine.axi_bytes
        busy = counted["MAC_ACTIVE"] + counted["VECTOR_ACTIVE"]
        return Rated(choice, realised.height, machine.memory_bytes(), timing.cycles, traffic, busy,
                     len(program.commands))  # fmt: skip


def undominated(plans: Iterable[Rated]) -> list[Rated]:
    """Plans that no other is as good as in arena, on-chip bytes, cycles and traffic, by rising arena."""
    return pareto.undominated(plans, lambda plan: (plan.height, plan.on_chip, plan.cycles, plan.traffic))
