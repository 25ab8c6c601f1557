# SPDX-License-Identifier: Apache-2.0
"""`esl-ref plan`: how a model runs on the machine, and what that costs on chip and in cycles."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from esl_ref.arch import Arch
from esl_ref.cli.common import (
    SECONDS,
    SEED,
    SRAM,
    arch_option,
    json_option,
    plan_option,
    progress_console,
    to_plain,
    write_json,
)
from esl_ref.cli.network import RANDOM, NetworkOptions, integer_graph, is_workload, load_network, network_options
from esl_ref.compiler import Compiled
from esl_ref.errors import InputError
from esl_ref.files import check_folder, write_whole
from esl_ref.floating import FloatGraph
from esl_ref.ir import Graph
from esl_ref.planner.joint import Effort
from esl_ref.planner.points import Point

METHODS = ("joint", "rows", "layerwise", "mdfi", "mafat", "restructure", "fdt")
ON_SHAPES = ("ilp",)
"""Methods that reckon bytes and work; nothing is compiled from them."""
SHAPE_SECONDS = 60.0
PATIENCE = 2.0
"""Seconds after which a progress bar appears."""


@contextmanager
def _effort(seconds: float | None, seed: int) -> Iterator[Effort]:
    """The effort of a search, with a progress bar as soon as it takes long."""
    begun = time.monotonic()
    console = progress_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        job = bar.add_task("planning", total=None, visible=False)

        def progress(what: str, done: int, of: int) -> None:
            late = time.monotonic() - begun > PATIENCE
            bar.update(job, description=what, completed=done, total=of, visible=late)

        yield Effort(seconds, seed, progress)


def _points(graph: Graph, arch: Arch, effort: Effort) -> tuple[list[Point], list[dict[str, Any]]]:
    """The model's front, and its points as records that `--plan` reads."""
    from esl_ref.planner import saved
    from esl_ref.tradeoffs import model_front

    found = model_front(graph, arch, effort)
    records = [
        {"arena": p.arena, "on_chip": p.on_chip, "cycles": p.cycles, "traffic": p.traffic,
         "plan": saved.as_record(lows, p.choices)}
        for p, lows in found
    ]  # fmt: skip
    return [point for point, _ in found], records


def _pareto(graph: Graph, arch: Arch, effort: Effort, files: dict[str, Path | None]) -> None:
    """Print the model's front, draw it, and write its points."""
    from esl_ref.cli.show_plan import show_front
    from esl_ref.pipeline import compile_model
    from esl_ref.report.front import front_svg
    from esl_ref.report.plan import report

    points, records = _points(graph, arch, effort)
    if files["html"]:
        shown = min(range(len(points)), key=lambda n: points[n].on_chip * points[n].cycles)
        compiled = compile_model(graph, arch, choices=points[shown].choices)
        _page(files["html"], compiled, report(compiled, graph.name), arch, points, shown + 1)
    _write(files["map"], "front", front_svg(graph.name, points))
    write_json(files["json"], {"model": graph.name, "arch": arch.to_dict(), "points": records})
    if str(files["json"]) != "-":
        show_front(graph.name, points)


def _page(
    path: Path | None, compiled: Any, result: Any, arch: Arch, points: Sequence[Point] = (), shown: int = 0
) -> None:
    """The page of a plan, with the front it is a point of if there is one."""
    from esl_ref.compiler.sizing import Sizing, scratch_bytes
    from esl_ref.report.page import page

    if path is None:
        return
    sizing = Sizing(compiled.arch, tuple(s.lowered for s in compiled.programs), scratch_bytes(arch))
    _write(path, "page", page(compiled, result, sizing, points, shown))


def _write(path: Path | None, what: str, text: str) -> None:
    if path is not None:
        write_whole(path, text, what)


def _contradictions(given: dict[str, Any], shapes: bool) -> None:
    """InputError for options that do not go together."""
    running = ("pareto", "map_file", "html_file", "cycles_slack", "plan_file")
    if shapes and any(given[name] not in (None, False) for name in running):
        raise InputError("--pareto, --map, --html, --plan and --cycles-slack need a model file and a plan that runs")
    ways = [name for name in ("pareto", "cycles_slack", "sram") if given[name] not in (None, False)]
    if len(ways) > 1:
        raise InputError(f"--{ways[0].replace('_', '-')} and --{ways[1].replace('_', '-')} are two questions")
    if (given["pareto"] or given["cycles_slack"] is not None) and given["method"] != "joint":
        raise InputError("--pareto and --cycles-slack go with the joint method")
    if given["plan_file"] and len(ways) and ways[0] != "sram":
        raise InputError(f"--plan brings its own choices: --{ways[0].replace('_', '-')} has nothing to choose")


def _planned(graph: Graph, arch: Arch, effort: Effort, given: dict[str, Any]) -> tuple[Compiled, tuple[str, ...]]:
    """The model compiled as the options ask for, and what was decided about it."""
    from esl_ref.pipeline import compile_model, plan_model
    from esl_ref.planner import saved
    from esl_ref.tradeoffs import plan_within_slack

    if given["plan_file"]:
        choices = saved.read(given["plan_file"], graph, arch)
        return compile_model(graph, arch, sram=_sram(given), choices=choices), ()
    if given["cycles_slack"] is not None:
        planned = plan_within_slack(graph, arch, given["cycles_slack"], effort)
        return planned.compiled, planned.decisions
    planned = plan_model(graph, arch, given["method"], sram=given["sram"], effort=effort)
    return planned.compiled, planned.decisions


def _sram(given: dict[str, Any]) -> int | None:
    from esl_ref.planner import saved

    return saved.budget(given["plan_file"], given["sram"])


def _plan(graph: Graph, arch: Arch, model: str, effort: Effort, given: dict[str, Any]) -> None:
    """One plan: compiled, reported, drawn, written."""
    from esl_ref.cli.show_plan import show
    from esl_ref.planner import saved
    from esl_ref.report.memory_map import memory_map_svg
    from esl_ref.report.plan import report

    compiled, decisions = _planned(graph, arch, effort, given)
    result = report(compiled, model)
    _write(given["map_file"], "memory map", memory_map_svg(result))
    _page(given["html_file"], compiled, result, arch)
    steps = compiled.programs
    plan = saved.as_record([s.lowered for s in steps], [s.choice for s in steps])
    more = {"height": result.height, "least_cycles": result.bounds.cycles, "plan": plan, "decisions": decisions}
    more |= {"sram": _sram(given)}
    write_json(given["json_file"], {**to_plain(result), **more})
    if str(given["json_file"]) != "-":
        show(result, decisions)


def _network(model: str, network: NetworkOptions, method: str) -> Graph | FloatGraph:
    """The model; a float one as it is where shapes are all that is wanted, or all that there is, else quantised."""
    graph = load_network(model, network)
    without = Path(model).suffix == ".cfg" and network.weights is None
    if isinstance(graph, FloatGraph) and (method in ON_SHAPES or without):
        return graph
    return integer_graph(model, network)


@click.command("plan")
@click.argument("model", type=click.Path())
@arch_option
@click.option("--sram", type=SRAM, help="Activation SRAM to fit, for example 24K.")
@click.option("--method", type=click.Choice(METHODS + ON_SHAPES), default="joint", show_default=True,
              help="joint: the best of all; rows: row-streamed groups; layerwise: whole layers one after the other; "
              "the others as published under that name; ilp reckons with bytes and cycles only.")  # fmt: skip
@click.option("--time", "seconds", type=SECONDS, metavar="SECONDS",
              help="Search for so long: the best found is the answer. Without it a plan takes what it takes, "
              f"one on shapes {SHAPE_SECONDS:.0f} s at most.")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True,
              help="Of the search: the same seed gives the same plan, unless time runs out.")  # fmt: skip
@click.option("--map", "map_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg",
              help="Draw the SRAM over time, buffers as blocks, the peak marked; with --pareto the front.")  # fmt: skip
@click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html",
              help="One page with everything: SRAM and queues over time, what each decision saved, tables; with "
              "--pareto the front, and the point of least on-chip bytes times cycles.")  # fmt: skip
@click.option("--cycles-slack", type=float, metavar="PERCENT",
              help="The smallest arena that costs at most this many percent more cycles.")  # fmt: skip
@click.option("--pareto", is_flag=True,
              help="List the plans that no other beats in on-chip bytes, cycles and external traffic.")  # fmt: skip
@network_options
@plan_option
@json_option
def command(model: str, arch_name: str, network: NetworkOptions, **given: Any) -> None:
    """Plan MODEL: order, strips, SRAM map with lifetimes, lower bound, predicted cycles by term.

    \b
    Examples: esl-ref plan net.tflite
              esl-ref plan net.tflite --sram 24K        the fastest plan found within 24 KiB of activation
                                                SRAM; --time SECONDS looks for faster ones
              esl-ref plan net.tflite --cycles-slack 5  the smallest arena at no more than 5 % more cycles
              esl-ref plan net.tflite --pareto --json front.json
              esl-ref sim net.tflite --plan front.json:3  the third plan of the front; rtl and golden take it, too
              esl-ref plan net.tflite --json plan.json --map sram.svg
              esl-ref plan net.tflite --method fdt      by one published method alone
              esl-ref plan vgg16                        a built-in workload, planned by its shapes alone
              esl-ref plan resnet50 --weights random    the same with seeded weights: a Program, and its cycles
              esl-ref plan yolo.cfg                     so is a .cfg without weights (--weights random makes some up)
              esl-ref plan yolo.cfg --weights yolo.weights --calibrate pictures/

    With a budget that cannot be met the answer says the smallest that can, and which tensors stand in the way.
    """
    from esl_ref import arch as architecture
    from esl_ref.cli import shapes

    for kind, what in (("map", "memory map"), ("html", "page"), ("json", "JSON report")):
        check_folder(given[f"{kind}_file"], what)
    by_name = is_workload(model) and network.weights != RANDOM
    graph = model if by_name else _network(model, network, given["method"])
    on_shapes = isinstance(graph, str | FloatGraph) or given["method"] in ON_SHAPES
    _contradictions(given, on_shapes)
    if on_shapes or isinstance(graph, str | FloatGraph):
        source, seconds = shapes.source(graph), given["seconds"] or SHAPE_SECONDS
        shapes.plan_and_show(source, given["method"], given["sram"], seconds, given["seed"], given["json_file"])
        return
    machine = architecture.load(arch_name)
    with _effort(given["seconds"], given["seed"]) as effort:
        if given["pareto"]:
            _pareto(graph, machine, effort, {k: given[f"{k}_file"] for k in ("map", "json", "html")})
        else:
            _plan(graph, machine, model, effort, given)
