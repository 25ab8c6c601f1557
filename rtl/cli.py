# SPDX-License-Identifier: Apache-2.0
"""The verb `rtl`: generated Verilog for a model, or for an SRAM size.

The only module of this package that knows the compiler and the command line; the RTL itself needs neither.
"""

from __future__ import annotations

from pathlib import Path

import click

from esl_ref.arch import Arch, load
from esl_ref.cli.common import (
    SRAM,
    arch_option,
    json_option,
    output_console,
    plan_option,
    progress_console,
    write_json,
)
from esl_ref.cli.network import NetworkOptions, integer_graph, network_options
from esl_ref.errors import InputError
from esl_ref.files import check_place
from rtl.generate import Generated, generate, write
from rtl.top import TOP

__all__ = ["command"]


@click.command("rtl")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--sram", type=SRAM, metavar="BYTES", help="Activation SRAM; with a MODEL, what it has to fit into.")
@arch_option
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder to write to.")
@network_options
@plan_option
@json_option
def command(
    model: Path | None, sram: int | None, arch_name: str, out: Path, network: NetworkOptions, plan_file: str | None,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Generate the accelerator as Verilog, with memories sized for MODEL (.tflite, .onnx, .cfg).

    Writes esl_accel.v, its sidecar esl_accel.json (ports, parameters, memories), ports.vlt for fast simulation, and
    the register map as registers.md, esl_accel.h and esl_accel.rdl.
    """
    if model is None and sram is None:
        raise InputError("give a MODEL or --sram BYTES", hint="e.g. esl-ref rtl --sram 64K --out build/rtl")
    if model is None and plan_file:
        raise InputError("--plan goes with a MODEL")
    check_place(out)
    base = load(arch_name)
    arch = base.with_depths(act_bytes=sram) if model is None else _planned(model, network, base, sram, plan_file)
    with progress_console().status(f"converting {TOP} of architecture {arch.name} to Verilog"):
        generated = generate(arch)
    write(generated, out)
    write_json(json_file, generated.sidecar())
    _report(generated, out)


def _planned(model: Path, network: NetworkOptions, arch: Arch, sram: int | None, plan_file: str | None) -> Arch:
    """`arch` with the depths the model's plan needs."""
    # Here, so that generating for a size does not import the compiler.
    from esl_ref.pipeline import compile_model
    from esl_ref.planner import saved

    graph = integer_graph(model, network)
    choices = saved.read(plan_file, graph, arch) if plan_file else None
    with progress_console().status(f"planning {graph.name}"):
        return compile_model(graph, arch, sram=saved.budget(plan_file, sram), choices=choices).arch


def _report(generated: Generated, out: Path) -> None:
    arch, console = generated.arch, output_console()
    console.print(f"{out}: {TOP} for architecture {arch.name}, hash {arch.hash():016x}", soft_wrap=True)
    for m in generated.memories:
        console.print(f"  {m.name:<14}{m.copies:>4} x {m.depth:>6} x {m.width:>4} bits {m.nbytes:>9} bytes")
    total = sum(m.nbytes for m in generated.memories)
    console.print(f"  {'on chip':<14}{'':>24}{total:>10} bytes")
