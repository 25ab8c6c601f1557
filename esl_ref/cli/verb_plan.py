# SPDX-License-Identifier: Apache-2.0
"""`esl-ref plan`: how a model runs on the machine, and what that costs on chip and in cycles."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from esl_ref.arch import Arch
from esl_ref.cli.common import BYTES, json_option, output_console, progress_console, to_plain, write_json
from esl_ref.errors import InputError
from esl_ref.ir import Graph
from esl_ref.report.memory_map import memory_map_svg
from esl_ref.report.plan import PlanReport, SegmentReport

METHODS = ("joint", "layerwise")
ON_SHAPES = ("rows", "mdfi", "restructure", "mafat", "fdt", "ilp")
"""Methods that reckon bytes and work; nothing is compiled from them."""


def _short(name: str, width: int = 44) -> str:
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
        table.add_row(escape(_short(b.name)), *numbers, "●" if b.at_peak else "")
    return table


def _segment(segment: SegmentReport) -> None:
    console = output_console()
    console.print(_buffers(segment))
    gap = segment.height - segment.bound
    console.print(
        f"arena {segment.height:,} bytes, liveness lower bound {segment.bound:,} "
        f"({'met' if gap == 0 else f'{gap:,} above it'}); {segment.commands} commands"
    )
    streamed = [g for g in segment.groups if g.strip]
    for g in streamed:
        names = [_short(t, 28) for t in (g.tasks[0], g.tasks[-1])]
        span = escape(names[0]) if len(g.tasks) == 1 else f"{escape(names[0])} … {escape(names[1])}"
        console.print(f"  streamed {g.strip} row(s) at a time: {span} ({len(g.tasks)} task(s))")
    table = Table(title="predicted cycles by term", title_justify="left")
    table.add_column("term")
    table.add_column("cycles", justify="right")
    for name, value in segment.terms.items():
        if value and name not in ("READ_BEATS", "WRITE_BEATS", "COMMANDS"):
            table.add_row(name.lower().replace("_", " "), f"{value:,}")
    console.print(table)
    console.print(f"external traffic: {segment.read_bytes:,} bytes read, {segment.write_bytes:,} written")


def _pareto(graph: Graph, arch: Arch, json_file: Path | None) -> None:
    """Print the front of every accelerator segment."""
    from esl_ref.compiler.model import prepare
    from esl_ref.compiler.sizing import Sizing, scratch_bytes
    from esl_ref.planner.choose import Rated, pareto

    folded, shaped, segments, lowered = prepare(graph, arch)
    sizing = Sizing(shaped, tuple(lowered.values()), scratch_bytes(arch))
    fronts: dict[str, list[Rated]] = {}
    for number, low in lowered.items():
        with Progress(console=progress_console(), transient=True) as bar:
            job = bar.add_task(f"pricing groups of {len(low.tasks)} tasks", total=len(low.tasks))
            advance = partial(_advance, bar, job)
            fronts[f"{graph.name}.{number}"] = pareto(folded, low, sizing, advance)
    write_json(json_file, {"model": graph.name, "arch": arch.to_dict(), "fronts": to_plain(fronts)})
    if str(json_file) == "-":
        return
    for name, plans in fronts.items():
        fastest = min(p.cycles for p in plans)
        table = Table(title=f"{name}: arena against cycles", title_justify="left")
        for title in ("arena bytes", "cycles", "slower by"):
            table.add_column(title, justify="right")
        for p in plans:
            table.add_row(f"{p.height:,}", f"{p.cycles:,}", f"{100 * p.cycles / fastest - 100:.1f} %")
        output_console().print(table)


def _advance(bar: Progress, job: TaskID, done: int, _: int) -> None:
    bar.update(job, completed=done)


def show(result: PlanReport) -> None:
    """Print a plan."""
    console = output_console()
    console.print(f"[bold]{escape(result.model)}[/bold] on {result.arch['name']} ({result.arch_hash})")
    for segment in result.segments:
        _segment(segment)
    if result.host:
        console.print(f"on the host: {escape(', '.join(_short(h) for h in result.host))}")
    b = result.bounds
    console.print(
        f"predicted {result.cycles:,} cycles; bounds: {b.ideal:,} ideal, {b.lanes:,} in whole lanes, "
        f"{b.weights:,} for the weights' way over the bus"
    )
    s = result.sram_bytes
    console.print(
        f"on-chip bytes: {s['tensors']:,} tensors, {s['with_input']:,} with the network input, "
        f"{s['with_scratch']:,} with weights and scratch, {s['rtl_memories']:,} in the RTL's memories"
    )


def _draw(path: Path | None, result: PlanReport) -> None:
    if path is None:
        return
    try:
        path.write_text(memory_map_svg(result))
    except OSError as error:
        raise InputError(f"cannot write the memory map: {error.strerror}", where=str(path)) from error


@click.command("plan")
@click.argument("model", type=click.Path())
@click.option("--arch", default="base", show_default=True, help="Preset (tiny, base, wide) or a TOML file.")
@click.option("--sram", type=BYTES, help="Activation SRAM to fit, for example 24K.")
@click.option("--method", type=click.Choice(METHODS + ON_SHAPES), default="joint", show_default=True,
              help="joint: the planner's best; layerwise: whole layers one after the other; "
              "the others reckon with the method published under that name.")  # fmt: skip
@click.option("--time", "seconds", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True,
              help="Seconds for plans on shapes.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for plans on shapes.")
@click.option("--map", "map_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg",
              help="Draw the SRAM over time: buffers as blocks, the peak marked.")  # fmt: skip
@click.option("--cycles-slack", type=float, metavar="PERCENT",
              help="The smallest arena that costs at most this many percent more cycles.")  # fmt: skip
@click.option("--pareto", is_flag=True, help="List the plans that no other beats in both SRAM and cycles.")
@json_option
def command(
    model: str, arch: str, sram: int | None, method: str, cycles_slack: float | None, pareto: bool,
    seconds: float, seed: int, map_file: Path | None, json_file: Path | None,
) -> None:  # fmt: skip
    """Plan MODEL: order, strips, SRAM map with lifetimes, lower bound, predicted cycles by term.

    \b
    Examples: esl-ref plan net.tflite
              esl-ref plan net.tflite --sram 24K        the fastest plan within 24 KiB of activation SRAM
              esl-ref plan net.tflite --cycles-slack 5  the smallest arena at no more than 5 % more cycles
              esl-ref plan net.tflite --pareto          SRAM against cycles; give a row's arena to --sram of any verb
              esl-ref plan net.tflite --json plan.json --map sram.svg
              esl-ref plan net.tflite --method fdt      bytes and work by a published method, nothing compiled
              esl-ref plan vgg16                        a built-in workload, planned by its shapes alone

    With a budget that cannot be met the answer says the smallest that can, and which tensors stand in the way.
    """
    from esl_ref import arch as architecture
    from esl_ref.cli import shapes
    from esl_ref.compiler.model import Strategy
    from esl_ref.frontends import load
    from esl_ref.pipeline import compile_model
    from esl_ref.planner import choose
    from esl_ref.report.plan import report
    from esl_ref.workloads.convert import shape_graph

    if shapes.is_workload(model) or method in ON_SHAPES:
        if pareto or map_file or cycles_slack is not None:
            raise InputError("--pareto, --map and --cycles-slack need a model file and a plan that runs")
        source = model if shapes.is_workload(model) else shape_graph(load(model))
        shapes.plan_and_show(source, method, sram, seconds, seed, json_file)
        return
    strategy: Strategy = {"joint": choose.joint, "layerwise": choose.layerwise}[method]
    if cycles_slack is not None:
        if sram is not None or method != "joint":
            raise InputError("--cycles-slack goes with the joint method and without --sram")
        strategy = choose.within_slack(cycles_slack)
    graph = load(model)
    if pareto:
        _pareto(graph, architecture.load(arch), json_file)
        return
    with progress_console().status(f"planning {escape(Path(model).name)}"):
        compiled = compile_model(graph, architecture.load(arch), sram=sram, strategy=strategy)
        result = report(compiled, model)
    _draw(map_file, result)
    write_json(json_file, {**to_plain(result), "height": result.height, "least_cycles": result.bounds.cycles})
    if str(json_file) != "-":
        show(result)
