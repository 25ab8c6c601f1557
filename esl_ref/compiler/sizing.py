# SPDX-License-Identifier: Apache-2.0
"""How deep the machine's memories are: the planner's to set, within what the architecture keeps for scratch."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.parts import columns_of
from esl_ref.machine.timing import MemoryTiming
from esl_ref.program.fields import Opcode

__all__ = ["Sizing", "scratch_bytes"]

MOST_SLOTS = 128
"""Accumulator slots that an architecture can have."""


@dataclass(frozen=True)
class Sizing:
    """Machines for the segments `lowered` of a model: made from `arch`, or exactly `sized` if that is given.

    `scratch`: bytes that all memories but the activation SRAM may have together. `memory`: the external memory that
    plans are made for.
    """

    arch: Arch
    lowered: tuple[Lowered, ...]
    scratch: int
    sized: Arch | None = None
    memory: MemoryTiming = MemoryTiming()

    def fitted(self, height: int = 0, columns: int = 0, words: int | None = None, slots: int = 0) -> Arch:
        """Arena of `height` bytes rounded to whole bank pairs; line buffers of `columns`, or of the widest depthwise
        map; accumulator slots as in `arch`, or `slots` if that is more; and `words` of weight SRAM, if not given as
        many as the scratch memories of `arch` then leave room for, but at least two of the largest weight groups and no
        more than the model has weights."""
        if self.sized is not None:
            return self.sized
        unit, arch = 2 * self.arch.lanes, self.arch
        shaped = arch.with_depths(
            act_bytes=max(unit, -(-height // unit) * unit),
            line_depth=max(2, self._widest(), columns),
            acc_words=max(arch.acc_words, slots),
        )
        spare = self.scratch - scratch_bytes(shaped)
        room = arch.weight_words + spare // arch.word_bytes
        words = max(room if words is None else min(room, words), 2 * self._largest_group())
        return shaped.with_depths(weight_words=max(2, min(words, self._all_words())))

    def weight_span(self, height: int = 0, columns: int = 0) -> tuple[int, int]:
        """Least and most words of weight SRAM that `fitted` gives."""
        least, most = (self.fitted(height, columns, words).weight_words for words in (0, None))
        return least, most

    def planning(self) -> Arch:
        """The machine that plans are made for before their depths are known: streams may keep rows in line buffers
        twice as long as the architecture's, and sums in as many slots as they like."""
        first = self.fitted()
        if self.sized is not None:
            return first
        return first.with_depths(line_depth=max(first.line_depth, 2 * self.arch.line_depth), acc_words=self._slots())

    def _slots(self) -> int:
        """Accumulator slots with which every sum of a pooling layer may be spread, as far as machines go. Sums over
        channels keep the slots that they were lowered for."""
        tasks = [t for low in self.lowered for t in low.tasks]
        if any(t.share for t in tasks):
            return self.arch.acc_words
        own = max((t.parts.slots for t in tasks if t.parts), default=0)
        wanted = own + max((t.part_slots(self.arch.lanes) for t in tasks), default=0)
        return max(self.arch.acc_words, wanted if wanted <= MOST_SLOTS else 0)

    def _widest(self) -> int:
        tasks = [t for low in self.lowered for t in low.tasks]
        return max((columns_of(t) for t in tasks if t.opcode is Opcode.DEPTHWISE_WINDOW and t.column), default=0)

    def _largest_group(self) -> int:
        ways = (way for low in self.lowered for t in low.tasks for way in (t, t.streamed) if way)
        return max((way.weights.per_group for way in ways), default=2)

    def _all_words(self) -> int:
        lanes = self.arch.lanes
        return sum(
            t.weights.per_group * (1 if t.weights.shared else t.groups(lanes))
            for low in self.lowered
            for t in low.tasks
        )


def scratch_bytes(arch: Arch) -> int:
    """Bytes of all memories but the activation SRAM."""
    return arch.memory_bytes() - arch.act_bytes
