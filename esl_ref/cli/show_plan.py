# SPDX-License-Identifier: Apache-2.0
"""Plans and fronts on the console."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from esl_ref.cli.common import output_console, show_table
from esl_ref.planner.points import Point
from esl_ref.report.plan import PlanReport, SegmentReport

__all__ = ["show", "show_front", "short"]


def short(name: str, width: int = 44) -> str:
    """The last of the names that were fused into one, cut to `width`."""
    last = name.split(";")[-1]
    return last if len(last) <= width else "…" + last[-(width - 1) :]


def _buffers(segment: SegmentReport) -> Table:
    table = Table(title=f"SRAM map of {segment.name}", title_justify="left")
    table.add_column("buffer")
    for title in ("address", "bytes", "first step", "last step"):
        table.add_column(title, justify="right")
    table.add_column("at peak")
    for b in segment.buffers:
        numbers = (f"{b.address:,}", f"{b.bytes:,}", str(b.first), str(b.last - 1))
        table.add_row(escape(short(b.name)), *numbers, "●" if b.at_peak else "")
    return table


def _segment(segment: SegmentReport) -> None:
    console = output_console()
    show_table(console, _buffers(segment))
    gap = segment.height - segment.bound
    console.print(
        f"arena {segment.height:,} bytes, liveness lower bound {segment.bound:,} "
        f"({'met' if gap == 0 else f'{gap:,} above it'}); {segment.commands} commands"
    )
    console.print(
        f"no plan of these layers gets below {segment.least:,} bytes, which {escape(short(segment.neediest))} needs "
        f"row by row; this one is {segment.height / max(1, segment.least):.2f} times that"
    )
    streamed = [g for g in segment.groups if g.strip]
    for g in streamed:
        names = [short(t, 28) for t in (g.tasks[0], g.tasks[-1])]
        span = escape(names[0]) if len(g.tasks) == 1 else f"{escape(names[0])} … {escape(names[1])}"
        console.print(f"  streamed {g.strip} row(s) at a time: {span} ({len(g.tasks)} task(s))")
    table = Table(title="predicted cycles by term", title_justify="left")
    table.add_column("term")
    table.add_column("cycles", justify="right")
    for name, value in segment.terms.items():
        if value and name not in ("READ_BEATS", "WRITE_BEATS", "COMMANDS"):
            table.add_row(name.lower().replace("_", " "), f"{value:,}")
    show_table(console, table)
    console.print(f"external traffic: {segment.read_bytes:,} bytes read, {segment.write_bytes:,} written")


def show(result: PlanReport, decisions: Sequence[str] = ()) -> None:
    """Print a plan, and what was decided about the network as a whole."""
    console = output_console()
    console.print(f"[bold]{escape(result.model)}[/bold] on {result.arch['name']} ({result.arch_hash})")
    for segment in result.segments:
        _segment(segment)
    for line in decisions:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if result.host:
        console.print(f"on the host: {escape(', '.join(short(h) for h in result.host))}")
    b = result.bounds
    above = f", {b.beside(result.cycles, 'the last two')}" if b.cycles else ""
    console.print(
        f"predicted {result.cycles:,} cycles; bounds: {b.ideal:,} ideal, {b.lanes:,} in whole lanes, "
        f"{b.weights:,} for the weights' way over the bus{above}"
    )
    s = result.sram_bytes
    console.print(
        f"on-chip bytes: {s['tensors']:,} tensors, {s['with_input']:,} with the network input, "
        f"{s['with_scratch']:,} with weights and scratch, {s['rtl_memories']:,} in the RTL's memories"
    )


def show_front(model: str, points: Sequence[Point]) -> None:
    """Print the points of a front, numbered as `--plan FILE:POINT` takes them."""
    fastest = min(p.cycles for p in points)
    table = Table(title=f"{escape(model)}: arena, on-chip bytes, cycles and external traffic", title_justify="left")
    for title in ("point", "arena bytes", "on-chip bytes", "cycles", "slower by", "external bytes"):
        table.add_column(title, justify="right")
    for number, p in enumerate(points, 1):
        slower = f"{100 * p.cycles / fastest - 100:.1f} %"
        table.add_row(str(number), f"{p.arena:,}", f"{p.on_chip:,}", f"{p.cycles:,}", slower, f"{p.traffic:,}")
    show_table(output_console(), table)
