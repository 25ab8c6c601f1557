# SPDX-License-Identifier: Apache-2.0
"""What the units of the timing model share, and what taking and completing a command means in every queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.machine.engine_timing import EngineTiming
from esl_ref.machine.timing.control_timing import ControlTiming, MemoryTiming
from esl_ref.machine.timing.counts import Counts
from esl_ref.machine.timing.fetch import Queue
from esl_ref.machine.timing.kernel import Kernel
from esl_ref.machine.timing.ports import Cycles
from esl_ref.program.commands import QUEUES, Command, queue_of
from esl_ref.program.image import Bases

__all__ = ["COMPUTE_QUEUE", "LOAD_QUEUE", "STORE_QUEUE", "Context", "Span", "Stage"]

LOAD_QUEUE, STORE_QUEUE, COMPUTE_QUEUE = range(3)


@dataclass
class Span:
    """Cycles of one command: taken from its queue, first and last of its work, complete. -1: never."""

    taken: int = -1
    first: int = -1
    last: int = -1
    complete: int = -1


@dataclass
class Context:
    """The Program, the machine and its memory, and what its units tell each other.

    writes   cycles in which the post-processor writes the SRAM
    reads    cycles in which the storer reads it; `on_store_reads` is called when more of them are known
    on_record  called with the cycle in which a stamped command is complete
    """

    arch: Arch
    commands: Sequence[Command]
    bases: Bases
    memory: MemoryTiming
    engine: EngineTiming
    control: ControlTiming
    profiling: bool
    kernel: Kernel = field(default_factory=Kernel)
    writes: Cycles = field(default_factory=Cycles)
    reads: Cycles = field(default_factory=Cycles)
    spans: list[Span] = field(default_factory=list)
    targets: list[tuple[int, int, int]] = field(default_factory=list)
    on_record: Callable[[int], None] = lambda complete: None
    on_store_reads: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.counts = Counts(self.kernel)
        self.spans = [Span() for _ in self.commands]
        issued = [0, 0, 0]
        for command in self.commands:
            self.targets.append(Counts.targets(command, (issued[0], issued[1], issued[2])))
            kind = queue_of(command.opcode)
            if kind != "control":
                issued[QUEUES.index(kind)] += 1


class Stage:
    """The end of a queue: hands a command to its unit and retires it."""

    def __init__(self, context: Context, queue: Queue, number: int) -> None:
        self._context, self._queue, self._number = context, queue, number
        self._held = 0

    def head(self) -> int | None:
        """Index of the command that may be taken: it is there, and the unit does not hold too many."""
        return self._queue.head if self._held < self._context.control.held else None

    def take(self, now: int, *, waits: bool = True) -> int | None:
        """Take the head if there is one and, where `waits`, its waits are over."""
        index = self.head()
        if index is None:
            return None
        if waits and self._context.counts.over(self._context.targets[index]) is None:
            return None
        self._queue.take(now)
        self._held += 1
        self._context.spans[index].taken = now
        return index

    def complete(self, index: int, cycle: int) -> None:
        """The command's last byte is where it belongs in `cycle`; its count changes in the next."""
        self._context.spans[index].complete = cycle

        def retire() -> None:
            self._held -= 1

        self._context.kernel.at(cycle + 1, retire)
        self._context.counts.complete(self._number, cycle + 1)
        if self._context.profiling and self._context.commands[index]["stamp"]:
            self._context.kernel.at(cycle, lambda: self._context.on_record(cycle))
