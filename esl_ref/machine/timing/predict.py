# SPDX-License-Identifier: Apache-2.0
"""Cycles of a Program before any RTL has run: the whole machine as discrete events, one per command or burst step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from esl_ref.machine.engine_timing import EngineTiming
from esl_ref.machine.timing.context import COMPUTE_QUEUE, LOAD_QUEUE, STORE_QUEUE, Context, Span
from esl_ref.machine.timing.control_timing import ControlTiming, MemoryTiming
from esl_ref.machine.timing.counters import Ending, add, tally
from esl_ref.machine.timing.engine import Engine
from esl_ref.machine.timing.fetch import Fetch, Queue
from esl_ref.machine.timing.kernel import Unit
from esl_ref.machine.timing.loader import Loader
from esl_ref.machine.timing.reads import ReadBus
from esl_ref.machine.timing.standing import standing
from esl_ref.machine.timing.storer import Storer, WriteBus
from esl_ref.program.commands import QUEUES, Command
from esl_ref.program.image import Bases, Program, default_bases

__all__ = ["LayerTiming", "Timing", "Turn", "predict"]


@dataclass(frozen=True)
class LayerTiming:
    """One layer: its first and last compute command, the CYCLES counter when the last is complete, cycles of its turns
    (each from the completion of another layer's command to that of its own last). `causes` says what the engine's
    issue slots went to: they end earlier than `complete` by the length of the pipe."""

    layer: int
    op: str
    first: int
    last: int
    complete: int
    cycles: int
    causes: Mapping[str, int]


@dataclass(frozen=True)
class Turn:
    """The last of some successive compute commands of a layer, and the CYCLES counter when it is complete. `counters`:
    all of them as its profile record holds them; empty without profiling."""

    layer: int
    index: int
    complete: int
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """A predicted run.

    cycles      from doorbell to done, as the CYCLES register counts
    counters    every performance counter by name
    spans       per command: taken, first, last, complete (cycle numbers from 0; -1 for HEADER and END)
    turns       where layers give way to each other, in order
    causes      per compute command, by stream index: what the cycles since its predecessor's last issue went to
    """

    cycles: int
    counters: Mapping[str, int]
    spans: tuple[Span, ...]
    causes: Mapping[int, Mapping[str, int]]
    layers: tuple[LayerTiming, ...]
    turns: tuple[Turn, ...]


class _Model:
    """The units, wired."""

    def __init__(self, context: Context) -> None:
        self.context = context
        kernel, arch, control = context.kernel, context.arch, context.control
        self.queues = [Queue(kernel, control) for _ in QUEUES]
        self.reads = ReadBus(kernel, arch, control, context.memory)
        self.writes = WriteBus(context)
        self.fetch = Fetch(kernel, arch, self.reads, self.queues, context.commands, context.bases.commands)
        self.loader = Loader(context, self.queues[LOAD_QUEUE], self.reads)
        self.storer = Storer(context, self.queues[STORE_QUEUE], self.writes)
        self.engine = Engine(context, self.queues[COMPUTE_QUEUE])
        self.recorded = -1
        context.on_record = self._record
        context.on_store_reads = self.engine.lose_port

    def _record(self, complete: int) -> None:
        self.recorded = self.writes.record(complete)

    def run(self) -> Ending:
        self.context.kernel.at(0)
        units: list[Unit] = [self.reads, self.fetch, self.loader, self.storer, self.engine]
        self.context.kernel.run(units, self.reads.ahead)
        loaded, stored, computed = (max(since) - 1 for since in self.context.counts.since)
        stored = max(stored, self.recorded)
        ended = self.fetch.ended_from
        if ended is None:
            raise AssertionError("the stream has no END")
        quiet = max(self.reads.quiet_from, self.writes.quiet_from)
        finished = max(ended, loaded + 1, stored + 1, computed + 1, quiet)
        return Ending(ended, loaded, stored, computed, finished + 1)


def predict(
    program: Program,
    bases: Bases | None = None,
    memory: MemoryTiming | None = None,
    *,
    profiling: bool = False,
    commands: Sequence[Command] | None = None,
) -> Timing:
    """Predicted timing of a Program that runs without error, from the placement `bases` in external memory.

    With `profiling`, stamped commands write their records, and turns say how the counters stood. `commands` replace the
    Program's own if given. The model follows the RTL cycle by cycle where units meet, with one simplification: a store
    under way keeps the write channel from profile records until its last beat.
    """
    engine = EngineTiming.of(program.arch)
    context = Context(
        program.arch, commands or program.commands, bases or default_bases(program), memory or MemoryTiming(), engine,
        ControlTiming.of(program.arch, engine.store_read), profiling,
    )  # fmt: skip
    model = _Model(context)
    ending = model.run()
    counted = tally(model.engine.work, model.loader.arrivals, ending)
    counted.value["READ_BEATS"] = model.reads.beats
    counted.value["WRITE_BEATS"] = model.writes.beats
    counted.value["COMMANDS"] = sum(len(since) - 1 for since in context.counts.since)
    causes = {work.index: entry for work, entry in zip(model.engine.work, counted.causes, strict=True)}
    turns = _turns(context, causes)
    if profiling:
        stood = standing([turn.complete for turn in turns], context, model.engine.work, counted.causes, ending,
                         model.loader.arrivals, model.fetch.arrivals, model.writes)  # fmt: skip
        turns = tuple(replace(turn, counters=value) for turn, value in zip(turns, stood, strict=True))
    return Timing(
        ending.cycles,
        counted.value,
        tuple(context.spans),
        causes,
        _layers(program, context, causes),
        turns,
    )


def _layers(program: Program, context: Context, causes: Mapping[int, Mapping[str, int]]) -> tuple[LayerTiming, ...]:
    """Layers in the order in which their last compute command is complete; their cycles add up to the last of those."""
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    total: dict[int, dict[str, int]] = {}
    for index, part in causes.items():
        layer = context.commands[index]["tag"]
        last[layer] = index
        first.setdefault(layer, index)
        add(total.setdefault(layer, {}), part)
    cycles, before = dict.fromkeys(last, 0), 0
    for turn in _turns(context, causes):
        cycles[turn.layer] += turn.complete - before
        before = turn.complete
    layers = []
    for layer, index in sorted(last.items(), key=lambda entry: entry[1]):
        complete = context.spans[index].complete + 1
        op = program.info(index).op or context.commands[index].opcode.name
        layers.append(LayerTiming(layer, op, first[layer], index, complete, cycles[layer], total[layer]))
    return tuple(layers)


def _turns(context: Context, compute: Iterable[int]) -> tuple[Turn, ...]:
    """Where one layer's commands give way to another's; layers that stream take many turns."""
    turns: list[Turn] = []
    for index in compute:
        turn = Turn(context.commands[index]["tag"], index, context.spans[index].complete + 1)
        if turns and turns[-1].layer == turn.layer:
            turns[-1] = turn
        else:
            turns.append(turn)
    return tuple(turns)
