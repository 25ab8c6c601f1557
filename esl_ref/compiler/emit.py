# SPDX-License-Identifier: Apache-2.0
"""Schedule + addresses -> Program: weight prefetch, waits, surfaces, debug records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from esl_ref.arch import Arch
from esl_ref.compiler.geometry import commands
from esl_ref.compiler.limits import LONGEST, cut, within_fields
from esl_ref.compiler.prefetch import Prefetch, Use
from esl_ref.compiler.scoreboard import Access, Scoreboard
from esl_ref.compiler.steps import Compute, Load, Schedule, Store
from esl_ref.compiler.surfaces import Surfaces
from esl_ref.compiler.tasks import Task
from esl_ref.compiler.views import View
from esl_ref.compiler.weights import FINENESS, Chunk, Constants, Placement, chunks, place
from esl_ref.errors import UnsupportedError
from esl_ref.ir import Graph
from esl_ref.program.commands import Command
from esl_ref.program.dense import load_command
from esl_ref.program.fields import COMPUTE_OPCODES, Opcode
from esl_ref.program.image import CONSTANTS, CommandInfo, Program, SramBuffer, Surface, header_command

__all__ = ["emit"]


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
        load = load_command(
            chunk.words, chunk.pattern(self.arch), self.arch, tag=chunk.task.layer, base=CONSTANTS,
            offset=self.constants.add(chunk.data(self.arch)), word=placement.word,
        )  # fmt: skip
        span = (placement.word, placement.word + chunk.words)
        lanes = self.arch.lanes
        channels = (chunk.first * lanes, (chunk.last - chunk.first) * lanes)
        info = CommandInfo(chunk.task.op, channels=channels, layer=chunk.task.layer, note="weights")
        self.put("load", load, Access(weight_writes=[span]), info)

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
        if step.parked:
            surface = self.surfaces.parked(step.tensor, view)
        else:
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
        writes = self.spans(view, step.first, step.last)
        access = Access(writes=writes, fetched=(step.tensor, step.first, step.last) if step.parked else None)
        info = CommandInfo(f"load {step.tensor}", writes=(view.storage.name,), rows=(step.first, count))
        self.put("load", Command(Opcode.LOAD_ROWS, fields), access, info)

    def store(self, step: Store) -> None:
        surface = self.sink(step)
        rows = 1 if surface.rows == 1 else step.last - step.first
        fields = {
            "base": surface.base,
            "offset": surface.offset + step.first * surface.pitch,
            "buf_base": self.addresses[step.view.storage.name],
            "buf_wrap": step.view.storage.wrap,
            "buf_start": step.view.row_offset(step.first) + step.view.channel,
            "row_step": step.view.step(1) if rows > 1 else 0,
            "rows": rows,
            "row_bytes": surface.row_bytes,
        }
        reads = self.spans(step.view, step.first, step.last)
        access = Access(reads=reads, parked=(step.tensor, step.first, step.last) if step.parked else None)
        info = CommandInfo(f"store {step.tensor}", reads=(step.tensor,), note="trace" if step.trace else "")
        self.put("store", Command(Opcode.STORE_ROWS, fields), access, info)

    def use(self, use: Use) -> Iterator[int]:
        """Write a use's commands; before each, how many there are is said to whoever has something to go before it."""
        if isinstance(use.step, Compute):
            assert use.chunk is not None and use.placement is not None
            yield from self.compute(use.step, use.chunk, use.placement)
            return
        pieces = self.pieces(use.step)
        for piece in pieces:
            yield len(pieces)
            with within_fields(f"tensor '{piece.tensor}'"):
                self.load(piece) if isinstance(piece, Load) else self.store(piece)

    def pieces(self, step: Load | Store) -> list[Load | Store]:
        """A transfer, cut where it has more rows than a command can count."""
        if step.last - step.first <= LONGEST or (isinstance(step, Store) and self.sink(step).rows == 1):
            return [step]
        return [replace(step, first=first, last=last) for first, last in cut(step.first, step.last)]

    def sink(self, step: Store) -> Surface:
        """Where rows go; the first that are stored decide whether they all go in one piece."""
        if step.parked:
            return self.surfaces.parked(step.tensor, step.view)
        return self.surfaces.sink(step.tensor, step.view, trace=step.trace, whole=step.whole)

    def compute(self, step: Compute, chunk: Chunk, placement: Placement) -> Iterator[int]:
        """A strip with one chunk of its weights."""
        task = step.task
        self.load_table(task)
        weight_span = (placement.word, placement.word + chunk.words)
        rows, groups = (step.first, step.last), (chunk.first, chunk.last)
        made = [*commands(self.arch, task, self.addresses, rows, groups, placement.word, step.part)]
        for command, (first, last) in made:
            yield len(made)
            reads = self.spans(task.ifm, *(step.ifm_rows() if step.part else task.ifm_rows(first, last)))
            if task.ifm2 is not None:
                reads += self.spans(task.ifm2, first, last)
            writes = self.spans(task.ofm, first, last) if step.ends and not command["acc_out"] else []
            access = Access(reads, writes, [weight_span], table_read=task.post.table is not None)
            info = _info(task, first, last, chunk, self.arch.lanes)
            if task.parts and task.pixels == 1:
                info = _narrowed(info, task, command, chunk, placement.word, self.arch.lanes)
            self.put("compute", command, access, info)


def _info(task: Task, first: int, last: int, chunk: Chunk, lanes: int) -> CommandInfo:
    low, high = chunk.first * lanes, min(chunk.last * lanes, task.ofm.channels)
    if task.pixels > 1:
        low, high = 0, task.ofm.channels // task.pixels
    reads = (task.ifm.storage.name, *((task.ifm2.storage.name,) if task.ifm2 else ()))
    columns = (0, task.ofm.width * task.pixels)
    return CommandInfo(task.op, reads, (task.tensor,), (first, last - first), columns, (low, high - low), task.layer)


def _narrowed(info: CommandInfo, task: Task, command: Command, chunk: Chunk, word: int, lanes: int) -> CommandInfo:
    """What one of several commands for the same rows writes: its groups and columns, or nothing but sums."""
    group = chunk.first + (command["wgt_header"] - word) // task.weights.per_group
    high = min((group + command["groups"]) * lanes, task.ofm.channels)
    start = command["ofm_start"] - task.ofm.row_offset(info.rows[0]) - task.ofm.channel - group * lanes
    columns = (start // task.ofm.pixel_stride, command["ox_count"])
    writes = () if command["acc_out"] else info.writes
    return replace(info, writes=writes, columns=columns, channels=(group * lanes, high - group * lanes))


def _uses(schedule: Schedule, arch: Arch, fineness: int) -> list[Use]:
    """Steps with tasks multiplied by the chunks of their weights, and the place of each chunk."""
    plain: list[Use] = []
    ends: list[int] = []
    for index, step in enumerate(schedule.steps):
        if index in schedule.ends:
            ends.append(sum(use.chunk is not None for use in plain))
        if isinstance(step, Compute):
            plain.extend(Use(step, chunk) for chunk in chunks(step.task, arch, fineness))
        else:
            plain.append(Use(step))
    positions = [i for i, use in enumerate(plain) if use.chunk is not None]
    placements = place([use.chunk for use in plain if use.chunk is not None], arch.weight_words, ends)
    for position, p in zip(positions, placements, strict=True):
        free_after = positions[p.free_after] if p.free_after >= 0 else -1
        plain[position] = Use(plain[position].step, plain[position].chunk, Placement(p.word, p.load, free_after))
    return plain


def _write(writer: _Writer, uses: list[Use]) -> None:
    """Steps in order, with the weights of later ones between.

    A load never goes before the last command that reads what it overwrites: commands wait only for earlier ones.
    """
    prefetch = Prefetch(writer.arch, uses)
    for index, use in enumerate(uses):
        for of in writer.use(use):
            for chunk, placement in prefetch.before(index):
                writer.load_weights(chunk, placement)
            prefetch.written(index, of)
        prefetch.ended()


def _stamp(out: list[Command]) -> list[Command]:
    """Mark the last compute command before another layer's turn: its profile record dates the end of that turn."""
    compute = [i for i, c in enumerate(out) if c.opcode in COMPUTE_OPCODES]
    following = [*(out[i]["tag"] for i in compute[1:]), -1][: len(compute)]  # a Program of moves alone computes nothing
    marked = {i for i, tag in zip(compute, following, strict=True) if out[i]["tag"] != tag}
    return [c.replace(stamp=1) if i in marked else c for i, c in enumerate(out)]


def _sram_map(addresses: Mapping[str, int], schedule: Schedule, debug: list[CommandInfo]) -> tuple[SramBuffer, ...]:
    """Storages with the commands between which they are in use."""
    wraps = {name: size for name, (size, _, _) in schedule.lifetimes().items()}
    used: dict[str, list[int]] = {name: [] for name in wraps}
    for index, info in enumerate(debug):
        for name in (*info.reads, *info.writes):
            used.get(name, []).append(index)
    return tuple(
        SramBuffer(n, addresses[n], w, min(used[n], default=0), max(used[n], default=0)) for n, w in wraps.items()
    )


def emit(
    graph: Graph, schedule: Schedule, arch: Arch, addresses: Mapping[str, int], inputs: tuple[str, ...], name: str,
    fineness: int = FINENESS,
) -> Program:  # fmt: skip
    """The Program of one segment. `addresses`: SRAM address of every storage; `fineness`: how finely weights are
    cut."""
    if graph.profile is not arch.profile:
        raise UnsupportedError(f"the model rounds as {graph.profile.value}, the machine as {arch.profile.value}")
    surfaces = Surfaces(graph, inputs, arch.axi_bytes)
    writer = _Writer(arch, graph, addresses, surfaces, Scoreboard())
    writer.out.append(header_command(arch))
    writer.debug.append(CommandInfo())
    _write(writer, _uses(schedule, arch, fineness))
    surfaces.unread()
    writer.out.append(Command(Opcode.END, {}))
    writer.debug.append(CommandInfo())
    return Program(
        arch, tuple(_stamp(writer.out)), writer.constants.bytes(), surfaces.all(), surfaces.scratch_bytes,
        tuple(writer.debug), _sram_map(addresses, schedule, writer.debug), name,
    )  # fmt: skip
