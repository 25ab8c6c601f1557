# SPDX-License-Identifier: Apache-2.0
"""The verb `sim`: co-simulate a model and report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from esl_ref.cli.common import (
    SRAM,
    arch_option,
    json_option,
    output_console,
    plan_option,
    progress_console,
    write_json,
)
from esl_ref.cli.network import integer_graph, network_options
from esl_ref.files import check_place, refusals

__all__ = ["command"]


@click.command("sim")
@click.argument("model", type=click.Path(path_type=Path))
@arch_option
@click.option("--input", "input_file", type=click.Path(path_type=Path, dir_okay=False), metavar="X.npy|X.npz|IMAGE",
              help="Input of the network; random but seeded if left out.")  # fmt: skip
@click.option("--sram", type=SRAM, help="Activation SRAM to fit and to build; default: what the plan needs.")
@click.option("--fixed", is_flag=True, help="Build the architecture as described instead of sizing its memories.")
@click.option("--stall", type=click.FloatRange(0, 0.95), default=0.0, show_default=True, metavar="P",
              help="Withhold every handshake on every AXI channel with this probability per cycle.")  # fmt: skip
@click.option("--latency", type=click.IntRange(2, 65535), default=32, show_default=True,
              help="Cycles from an address to its first data beat.")  # fmt: skip
@click.option("--gap", type=click.IntRange(0, 65535), default=0, show_default=True,
              help="Idle cycles after every data beat: 0 is the full bandwidth of the bus.")  # fmt: skip
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True,
              help="Inferences one after another without reset.")  # fmt: skip
@click.option("--between", type=click.Path(path_type=Path), multiple=True, metavar="MODEL",
              help="Run this network, too, between the repeats (may be given several times).")  # fmt: skip
@click.option("--waves", is_flag=True, help="Write FST waves of the simulation.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of inputs and stalls.")
@click.option("--executor", type=click.Choice(["rtl", "machine"]), default="rtl", show_default=True,
              help="machine: only the ESL machine, whose cycles are predictions; needs no simulator.")  # fmt: skip
@click.option("--flip", "flips", type=click.IntRange(min=0), multiple=True, metavar="BYTE",
              help="Plant a fault: invert this byte of the constants in the RTL's memory only.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("build/sim"), show_default=True,
              help="Folder for Verilog, waves, logs and report.")  # fmt: skip
@network_options
@plan_option
@json_option
def command(model: Path, json_file: Path | None, **given: Any) -> None:
    """Co-simulate MODEL (.tflite, .onnx, .cfg): golden, ESL machine and generated RTL must agree on every byte.

    The network is planned and compiled, the accelerator generated with memories of the planned size and Verilated
    (once: builds are kept). The RTL then fetches the Program from memory by itself. One run is timed, one records a
    profile per layer, one stores every tensor for comparison. Exit code 1 if any byte differs; then the first
    difference is located and the command that repeats it is printed.

    \b
    Examples:
      esl-ref sim net.tflite
      esl-ref sim net.tflite --arch tiny --stall 0.3 --repeat 2 --between other.tflite
      esl-ref sim net.tflite --input cat.jpg --waves --out build/cat
    """
    from sim.cosim import cosimulate

    check_place(given["out"])
    graph = integer_graph(model, given["network"])
    inputs, said = _inputs(graph, given["input_file"], given["seed"])
    options = _options(given, graph)
    with _progress() as progress:
        outcome = cosimulate(graph, inputs, options, progress)
    extra = {
        "model": graph.name, "inputs": said, "seed": given["seed"], "memory": _memory_record(given),
        "repeat_command": _repeat_command(model, given), "files": {},
    }  # fmt: skip
    _finish(outcome, extra, given, json_file)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal; elsewhere a line per step, so that a log shows what takes minutes."""
    console = progress_console()
    if not console.is_terminal:
        yield lambda what: console.print(f"{what} ...")
        return
    with console.status("") as status:
        yield status.update


def _inputs(graph: Any, path: Path | None, seed: int) -> tuple[dict[str, Any], list[str]]:
    from esl_ref.executor import random_inputs
    from esl_ref.stimulus import read_inputs

    if path is not None:
        return read_inputs(graph, path)
    return random_inputs(graph, seed), [f"input '{name}': random, seed {seed}" for name in graph.inputs]


def _options(given: dict[str, Any], graph: Any) -> Any:
    from esl_ref.arch import load as load_arch
    from esl_ref.frontends import load
    from esl_ref.planner import saved
    from sim.cosim import Options
    from sim.runner import BusMemory

    arch, plan_file = load_arch(given["arch_name"]), given["plan_file"]
    memory = BusMemory(given["latency"], given["gap"], given["stall"], given["seed"])
    return Options(
        arch, given["out"], saved.budget(plan_file, given["sram"]), memory, given["repeat"],
        [load(path) for path in given["between"]], given["waves"], given["flips"], given["executor"] == "rtl",
        given["fixed"], saved.read(plan_file, graph, arch) if plan_file else None,
    )  # fmt: skip


def _memory_record(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("latency", "gap", "stall", "seed")}


def _repeat_command(model: Path, given: dict[str, Any]) -> str:
    """The command line that does exactly this run again, every default spelled out that could change a cycle."""
    words = ["esl-ref", "sim", str(model), "--arch", given["arch_name"], "--seed", given["seed"]]
    words += given["network"].words()
    for name in ("latency", "gap", "stall", "repeat"):
        words += [f"--{name}", given[name]]
    if given["input_file"] is not None:
        words += ["--input", given["input_file"]]
    for name, option in (("sram", "--sram"), ("plan_file", "--plan")):
        if given[name] is not None:
            words += [option, given[name]]
    for name, option in (("between", "--between"), ("flips", "--flip")):
        for value in given[name]:
            words += [option, value]
    words += ["--executor", given["executor"], "--out", given["out"]]
    return shlex.join([*map(str, words), *(f"--{name}" for name in ("fixed", "waves") if given[name])])


def _finish(outcome: Any, extra: dict[str, Any], given: dict[str, Any], json_file: Path | None) -> None:
    """Files, report, exit code."""
    from sim.report import as_record, console_report
    from sim.report_files import collect

    extra["files"] = collect(outcome, given["out"], waves=given["waves"])
    record = as_record(outcome, extra)
    write_json(Path(extra["files"]["report"]), record)
    write_json(json_file, record)
    title = f"{extra['model']} on {outcome.arch.name}, {extra['inputs'][0]}"
    shown = extra["files"] | {"repeat": extra["repeat_command"]}
    text_file = Path(extra["files"]["text"])
    with refusals(text_file, "report"), text_file.open("w") as text:
        console_report(Console(file=text, highlight=False), outcome, title, shown)
    if str(json_file) != "-":
        console_report(output_console(), outcome, title, shown)
    if not outcome.bit_exact:
        raise click.exceptions.Exit(1)
