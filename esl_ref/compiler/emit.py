# SPDX-License-Identifier: Apache-2.0
"""Schedule + addresses -> Program: weight prefetch, waits, surfaces, debug records."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.compiler.geometry import commands
from esl_ref.compiler.schedule import Compute, Load, Schedule, Step, Store
from esl_ref.compiler.scoreboard import Access, Scoreboard
from esl_ref.compiler.surfaces import Surfaces
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View
from esl_ref.compiler.weights import Chunk, Constants, Placement, chunks, place
from esl_ref.errors import UnsupportedError
from esl_ref.ir import Graph
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode
from esl_ref.program.image import CONSTANTS, CommandInfo, Program, SramBuffer, header_command

__all__ = ["emit"]


@dataclass(frozen=True)
class _Use:
    """A strip of a task with one chunk of its weights, or a load or store of a tensor."""

    step: Step
    chunk: Chunk | None = None
    placement: Placement | None = None

    @property
    def free_after(self) -> int:
        """The use after which this one's chunk may be loaded."""
        return self.placement.free_after if self.placement else -1


@dataclass
class _Writer:
    arch: Arch
    graph: Graph
    addresses: Mapping[str, int]
    surfaces: Surfaces
    board: Scoreboard
    constants: Constants = field(default_factory=Constants)
    out: list[Command] = field(default_factory=list)
    debug: list[CommandInfo] = field(default_factory=list)
    table: bytes | None = None

    def put(self, queue: str, command: Command, access: Access, info: CommandInfo) -> None:
        """Append a command with the waits that its accesses ask for."""
        self.out.append(command.replace(**self.board.issue(queue, access)))
        self.debug.append(info)

    def spans(self, view: View, first: int, last: int) -> list[tuple[int, int]]:
        """SRAM byte ranges of rows [first, last) of a view."""
        base = self.addresses[view.storage.name]
        return [(base + low, base + high) for low, high in view.spans(first, last)]

    def load_weights(self, chunk: Chunk, placement: Placement) -> None:
        fields = {
            "tag": chunk.task.layer,
            "base": CONSTANTS,
            "offset": self.constants.add(chunk.data()),
            "word": placement.word,
            "words": chunk.words,
        }
        span = (placement.word, placement.word + chunk.words)
        lanes = self.arch.lanes
        channels = (chunk.first * lanes, (chunk.last - chunk.first) * lanes)
        info = CommandInfo(chunk.task.op, channels=channels, layer=chunk.task.layer, note="weights")
        self.put("load", Command(Opcode.LOAD_WEIGHTS, fields), Access(weight_writes=[span]), info)

    def load_table(self, task: Task) -> None:
        """Bring in the task's table unless it is the one already there."""
        if task.post.table in (None, self.table):
            return
        self.table = task.post.table
        assert self.table is not None
        fields = {"tag": task.layer, "base": CONSTANTS, "offset": self.constants.add(self.table)}
        info = CommandInfo(task.op, layer=task.layer, note="table")
        self.put("load", Command(Opcode.LOAD_TABLE, fields), Access(table_write=True), info)

    def load(self, step: Load) -> None:
        """Rows of a tensor. A map that lies whole on chip may come as one long row, if its surface has no gaps."""
        view, count = step.view, step.last - step.first
        surface = self.surfaces.source(step.tensor, view, self.constants)
        fields = {
            "base": surface.base,
            "offset": surface.offset + step.first * surface.pitch,
            "buf_base": self.addresses[view.storage.name],
            "buf_wrap": view.storage.wrap,
            "buf_start": view.row_offset(step.first),
            "row_step": view.step(1) if count > 1 else 0,
            "rows": count,
            "row_bytes": surface.row_bytes,
        }
        access = Access(writes=self.spans(view, step.first, step.last))
        info = CommandInfo(f"load {step.tensor}", writes=(view.storage.name,), rows=(step.first, count))
        self.put("load", Command(Opcode.LOAD_ROWS, fields), access, info)

    def store(self, step: Store) -> None:
        surface = self.surfaces.sink(step.tensor, step.view, trace=step.trace)
        fields = {
            "base": surface.base,
            "offset": surface.offset,
            "buf_base": self.addresses[step.view.storage.name],
            "buf_wrap": step.view.storage.wrap,
            "buf_start": step.view.row_offset(0) + step.view.channel,
            "row_step": step.view.step(1) if surface.rows > 1 else 0,
            "rows": surface.rows,
            "row_bytes": surface.row_bytes,
        }
        access = Access(reads=self.spans(step.view, 0, step.view.height))
        info = CommandInfo(f"store {step.tensor}", reads=(step.tensor,), note="trace" if step.trace else "")
        self.put("store", Command(Opcode.STORE_ROWS, fields), access, info)

    def compute(self, step: Compute, chunk: Chunk, placement: Placement) -> None:
        task = step.task
        self.load_table(task)
        weight_span = (placement.word, placement.word + chunk.words)
        rows, groups = (step.first, step.last), (chunk.first, chunk.last)
        for command, (first, last) in commands(self.arch, task, self.addresses, rows, groups, placement.word):
            reads = self.spans(task.ifm, *task.ifm_rows(first, last))
            if task.ifm2 is not None:
                reads += self.spans(task.ifm2, first, last)
            writes = self.spans(task.ofm, first, last)
            access = Access(reads, writes, [weight_span], table_read=task.post.table is not None)
            self.put("compute", command, access, _info(task, first, last, chunk, self.arch.lanes))


def _info(task: Task, first: int, last: int, chunk: Chunk, lanes: int) -> CommandInfo:
    low, high = chunk.first * lanes, min(chunk.last * lanes, task.ofm.channels)
    reads = (task.ifm.storage.name, *((task.ifm2.storage.name,) if task.ifm2 else ()))
    return CommandInfo(
        task.op, reads, (task.tensor,), (first, last - first), (0, task.ofm.width), (low, high - low), task.layer
    )


def _uses(schedule: Schedule, arch: Arch) -> list[_Use]:
    """Steps with tasks multiplied by the chunks of their weights, and the place of each chunk."""
    plain: list[_Use] = []
    for step in schedule.steps:
        if isinstance(step, Compute):
            plain.extend(_Use(step, chunk) for chunk in chunks(step.task, arch))
        else:
            plain.append(_Use(step))
    positions = [i for i, use in enumerate(plain) if use.chunk is not None]
    placements = place([use.chunk for use in plain if use.chunk is not None], arch.weight_words)
    for position, p in zip(positions, placements, strict=True):
        free_after = positions[p.free_after] if p.free_after >= 0 else -1
        plain[position] = _Use(plain[position].step, plain[position].chunk, Placement(p.word, p.load, free_after))
    return plain


def _write(writer: _Writer, uses: list[_Use], ahead: int) -> None:
    """Steps in order, each weight load as early as its place is free, up to `ahead` loads before their use.

    A load never goes before the last command that reads what it overwrites: commands wait only for earlier ones.
    """
    pending = deque(i for i, use in enumerate(uses) if use.placement and use.placement.load)
    early: set[int] = set()
    for index, use in enumerate(uses):
        early.discard(index)
        while pending and (pending[0] <= index or (uses[pending[0]].free_after < index and len(early) < ahead)):
            at = pending.popleft()
            chunk, placement = uses[at].chunk, uses[at].placement
            assert chunk is not None and placement is not None
            writer.load_weights(chunk, placement)
            if at > index:
                early.add(at)
        if isinstance(use.step, Load):
            writer.load(use.step)
        elif isinstance(use.step, Store):
            writer.store(use.step)
        else:
            assert use.chunk is not None and use.placement is not None
            writer.compute(use.step, use.chunk, use.placement)


def _stamp(out: list[Command]) -> list[Command]:
    """Mark the last compute command of every layer: its profile record dates the layer's end."""
    last = {c["tag"]: i for i, c in enumerate(out) if c.opcode >= Opcode.CONV}
    marked = set(last.values())
    return [c.replace(stamp=1) if i in marked else c for i, c in enumerate(out)]


def _sram_map(addresses: Mapping[str, int], schedule: Schedule, debug: list[CommandInfo]) -> tuple[SramBuffer, ...]:
    """Storages with the commands between which they are in use."""
    wraps = {v.storage.name: v.storage.wrap for v in _views(schedule)}
    used: dict[str, list[int]] = {name: [] for name in wraps}
    for index, info in enumerate(debug):
        for name in (*info.reads, *info.writes):
            used.get(name, []).append(index)
    return tuple(SramBuffer(n, addresses[n], w, min(used[n], default=0), max(used[n], default=0)) for n, w in wraps.items())


def _views(schedule: Schedule) -> list[View]:
    views: list[View] = []
    for step in schedule.steps:
        if isinstance(step, Compute):
            views.extend(v for v in (step.task.ifm, step.task.ifm2, step.task.ofm) if v is not None)
        else:
            views.append(step.view)
    return views


def emit(
    graph: Graph, schedule: Schedule, arch: Arch, addresses: Mapping[str, int], inputs: tuple[str, ...], name: str
) -> Program:
    """The Program of one segment. `addresses`: SRAM address of every storage."""
    if graph.profile is not arch.profile:
        raise UnsupportedError(f"the model rounds as {graph.profile.value}, the machine as {arch.profile.value}")
    surfaces = Surfaces(graph, inputs, arch.axi_bytes)
    writer = _Writer(arch, graph, addresses, surfaces, Scoreboard(arch.act_bytes, arch.weight_words))
    writer.out.append(header_command(arch))
    writer.debug.append(CommandInfo())
    _write(writer, _uses(schedule, arch), arch.queue_depth)
    surfaces.unread()
    writer.out.append(Command(Opcode.END, {}))
    writer.debug.append(CommandInfo())
    return Program(
        arch, tuple(_stamp(writer.out)), writer.constants.bytes(), surfaces.all(), surfaces.scratch_bytes,
        tuple(writer.debug), _sram_map(addresses, schedule, writer.debug), name,
    )  # fmt: skip
