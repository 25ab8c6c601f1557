# SPDX-License-Identifier: Apache-2.0
"""The verb `golden`: export, check and replay golden-vector packages.

The only module of this package that knows `sim`: it asks its tool chain how Verilator is started.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from esl_ref.cli.common import (
    BYTES,
    arch_option,
    json_option,
    output_console,
    plan_option,
    progress_console,
    write_json,
)
from esl_ref.cli.network import integer_graph, network_options
from esl_ref.errors import CheckFailed, InputError
from golden.simulators import SIMULATORS, Bench, build_icarus, build_verilator, rtl_sources, run_bench

__all__ = ["command"]

_FORMATS = "hex,npz,c,sv"


class _Default(click.Group):
    """`golden MODEL ...` is `golden export MODEL ...`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["export", *args]
        return super().parse_args(ctx, args)


@click.group("golden", cls=_Default)
def command() -> None:
    """Golden-vector packages: `golden MODEL --out DIR` exports one, `check DIR` verifies, `replay DIR` simulates it.

    A package holds Program, inputs, expected tensors and a self-checking SystemVerilog bench, and needs neither this
    project nor Python where it is used. Without a MODEL the committed packages are regenerated and compared.
    """


@command.command("export")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@arch_option
@click.option("--input", "input_files", multiple=True, type=click.Path(path_type=Path, dir_okay=False),
              metavar="X.npy|X.npz|IMAGE", help="An input vector (may be given several times).")  # fmt: skip
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="Random vectors, if no --input."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the first random vector.")
@click.option("--level", type=click.Choice(["tensor", "command", "bus"]), default="tensor", show_default=True,
              help="tensor: all tensors; command: and what each one writes; bus: and every AXI access.")  # fmt: skip
@click.option("--layers", metavar="A:B", help="Only operators A to B - 1, with their true inputs.")
@click.option("--programs", default="plain,traced", show_default=True,
              help="plain: as deployed; traced: with every tensor stored for comparison.")  # fmt: skip
@click.option("--format", "formats", default=_FORMATS, show_default=True, help="What to write beside the hex files.")
@click.option("--sram", type=BYTES, help="Activation SRAM to fit and to build; default: what the plan needs.")
@click.option("--fixed", is_flag=True, help="Take the architecture as described instead of sizing its memories.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR|FILE.tar.zst", help="Where the package goes.")
@click.option("--write", is_flag=True, help="Without MODEL: rewrite the committed packages instead of comparing.")
@network_options
@plan_option
@json_option
def export_command(model: Path | None, json_file: Path | None, **given: Any) -> None:
    """Export MODEL (.tflite, .onnx, .cfg) as a package; without MODEL regenerate the committed ones and compare.

    \b
    Examples:
      esl-ref golden net.tflite --out build/net
      esl-ref golden net.tflite --layers 3:5 --level bus --count 4 --out layers.tar.zst
    """
    if model is None:
        _committed(given["write"])
        return
    if given["out"] is None:
        raise InputError("give --out DIR", hint="e.g. esl-ref golden net.tflite --out build/golden")
    from golden.export import export
    from golden.writer import PackageWriter

    content = _content(model, given)
    formats = _words(given["formats"], ("hex", "npz", "c", "sv"), "format")
    with progress_console().status("") as status, PackageWriter(given["out"]) as writer:
        export(content, writer, level=given["level"], formats=formats, progress=status.update)
        count, size = len(writer.files), sum(f["bytes"] for f in writer.files.values())
    write_json(
        json_file, {"out": given["out"], "files": count, "bytes": size, "arch_hash": f"{content.arch.hash():016x}"}
    )
    output_console().print(
        f"{given['out']}: {count} files, {size} bytes, {len(list(content.runs()))} runs, "
        f"architecture {content.arch.hash():016x}",
        soft_wrap=True,
    )  # fmt: skip


def _words(text: str, known: Sequence[str], what: str) -> list[str]:
    words = [w.strip() for w in text.split(",") if w.strip()]
    for word in words:
        if word not in known:
            raise InputError(f"unknown {what} {word!r}", hint=f"choose from {', '.join(known)}")
    return [w for w in known if w in words]


def _content(model: Path, given: Mapping[str, Any]) -> Any:
    from esl_ref.arch import load as load_arch
    from esl_ref.planner import saved
    from esl_ref.stimulus import read_inputs
    from golden.content import KINDS, from_graph, layer_range

    graph, arch, plan_file = integer_graph(model, given["network"]), load_arch(given["arch_name"]), given["plan_file"]
    if plan_file and given["layers"]:
        raise InputError("--plan is for the whole network, --layers for a part of it")
    inputs = [(path.name, read_inputs(graph, path)[0]) for path in given["input_files"]]
    kinds = _words(given["programs"], KINDS, "program") or list(KINDS)
    with progress_console().status(f"planning {model.name} and running golden"):
        return from_graph(
            graph, arch, layers=layer_range(graph, given["layers"]) if given["layers"] else None, inputs=inputs,
            count=given["count"], seed=given["seed"], kinds=kinds,
            sram=saved.budget(plan_file, given["sram"]), sized=arch if given["fixed"] else None, model=model,
            choices=saved.read(plan_file, graph, arch) if plan_file else None,
        )  # fmt: skip


def _committed(rewrite: bool) -> None:
    from golden.committed import PACKAGES, UNITS, differences, regenerate

    with progress_console().status("") as status:
        if rewrite:
            regenerate(status.update)
            output_console().print(f"{len(PACKAGES) + len(UNITS)} committed packages written")
            return
        problems = differences(status.update)
    _report(problems, f"{len(PACKAGES) + len(UNITS)} committed packages are what this version exports, byte for byte")


def _report(problems: Sequence[Any], good: str) -> None:
    for problem in problems:
        output_console().print(str(problem), soft_wrap=True, markup=False)
    if problems:
        raise CheckFailed(f"{len(problems)} files differ")
    output_console().print(good, soft_wrap=True)


@command.command("check")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="Compare with this package, file by file.")
@click.option("--arch", "arch_name", help="Refuse the package unless it is for this architecture (preset or TOML).")
@json_option
def check_command(package: Path, against: Path | None, arch_name: str | None, json_file: Path | None) -> None:
    """Verify PACKAGE: hashes, then everything re-derived from its Programs and inputs on the ESL machine."""
    from esl_ref.arch import load as load_arch
    from golden.check import check, compare_packages
    from golden.package import opened, refuse_other_arch

    with opened(package) as one, progress_console().status("") as status:
        if arch_name:
            refuse_other_arch(one, f"{load_arch(arch_name).hash():016x}", f"'{arch_name}'")
        if against is None:
            problems = check(one, status.update)
        else:
            with opened(against) as other:
                refuse_other_arch(one, other.manifest["arch_hash"], "the other one")
                problems = compare_packages(one, other)
        runs = len(one.manifest["runs"])
    write_json(json_file, {"problems": [str(p) for p in problems]})
    _report(problems, f"{package}: sound, {runs} runs " + ("equal" if against else "re-derived on the ESL machine"))


@command.command("replay")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--rtl", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder or file of Verilog.")
@click.option("--simulator", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--latency", type=click.IntRange(2, 65535), default=32, show_default=True, help="Of the memory, cycles.")
@click.option(
    "--stall", type=click.IntRange(0, 95), default=0, show_default=True, help="Percent of stalled handshakes."
)
@json_option
def replay_command(package: Path, rtl: Path, simulator: str, latency: int, stall: int, json_file: Path | None) -> None:
    """Simulate PACKAGE on the Verilog in --rtl with its own bench; Python only builds and starts the simulation."""
    from golden.package import opened, refuse_other_arch

    with opened(package) as one, progress_console().status("building the bench") as status:
        if one.manifest["level"] == "unit":
            raise InputError("is a unit package", where=str(package), hint="its README says how to play it")
        sidecar = (rtl if rtl.is_dir() else rtl.parent) / "esl_accel.json"
        if sidecar.is_file():
            refuse_other_arch(one, json.loads(sidecar.read_text())["arch_hash"], f"the RTL in {rtl}")
        if damaged := one.damaged():
            raise InputError(f"{len(damaged)} files are damaged, the first is {damaged[0]}", where=str(package),
                             hint="`esl-ref golden check` says where")  # fmt: skip
        bench = build(rtl, one.arch.axi_bytes, one.manifest["memory_bytes"], simulator)
        status.update(f"simulating with {simulator}")
        outcome = run_bench(bench, one.folder, f"+latency={latency}", f"+stall={stall}")
    rate = outcome.cycles / outcome.seconds if outcome.seconds else 0.0
    write_json(json_file, {"passed": outcome.passed, "cycles": outcome.cycles, "seconds": outcome.seconds,
                           "build_seconds": bench.seconds, "text": outcome.text})  # fmt: skip
    words = ("ok", "not ok", "FIRST", "MISMATCH", "DAMAGED", "STRAY", "REGISTER", "BUS", "HANG", "PASS", "FAIL")
    for line in outcome.lines(*words):
        output_console().print(line, soft_wrap=True, markup=False)
    if not outcome.passed:
        raise CheckFailed("the replay failed", where=str(package))
    output_console().print(f"{simulator}: {outcome.cycles} cycles in {outcome.seconds:.2f} s, {rate:,.0f} cycles/s")


@command.command("unit")
@click.argument("unit", type=click.Choice(["requantise", "window", "array"]))
@arch_option
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where the package goes.")
@json_option
def unit_command(unit: str, arch_name: str, out: Path, json_file: Path | None) -> None:
    """Export corner cases for one block alone: requantiser, line buffers and window, or array."""
    from esl_ref.arch import load as load_arch
    from golden.units import export_unit

    made = export_unit(unit, load_arch(arch_name), out)
    write_json(json_file, {"unit": unit, "package": out, "cycles": len(made.lines)})
    output_console().print(f"{out}: {len(made.lines)} cycles for the unit {unit}", soft_wrap=True)


def build(rtl: Path, data_bytes: int, memory_bytes: int, simulator: str) -> Bench:
    """The bench around the Verilog in `rtl`, kept for the next time."""
    from golden.simulators import Verilator
    from sim.build import build_root
    from sim.toolchain import find_toolchain

    sources = rtl_sources(rtl)
    if simulator == "icarus":
        return build_icarus(sources, data_bytes, memory_bytes, build_root())
    tools = find_toolchain()
    verilator = Verilator(tools.verilator, tools.environment())
    return build_verilator(sources, data_bytes, memory_bytes, build_root(), verilator)
