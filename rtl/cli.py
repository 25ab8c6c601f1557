# SPDX-License-Identifier: Apache-2.0
"""The verb `rtl`: generated Verilog for a model, or for an SRAM size."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click

from esl_ref.arch import Arch, load
from esl_ref.errors import InputError
from rtl.generate import Generated, generate, write

__all__ = ["command"]


@click.command("rtl")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--sram", type=int, metavar="BYTES", help="Activation SRAM, where no model says how much is needed.")
@click.option("--arch", "arch_name", default="base", show_default=True, help="Preset, or path of a TOML file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the sidecar here too.")
def command(model: Path | None, sram: int | None, arch_name: str, out: Path, json_file: Path | None) -> None:
    """Generate the accelerator as Verilog, with memories sized for MODEL.

    Writes esl_accel.v, its sidecar esl_accel.json (ports, parameters, memories), ports.vlt for fast simulation, and
    the register map as registers.md, esl_accel.h and esl_accel.rdl.
    """
    if (model is None) == (sram is None):
        raise InputError("give either a MODEL or --sram BYTES", hint="e.g. esl-ref rtl --sram 65536 --out build/rtl")
    base = load(arch_name)
    arch = base.with_depths(act_bytes=sram) if model is None else _planned(model, base)
    generated = generate(arch)
    write(generated, out)
    if json_file is not None:
        json_file.write_text(json.dumps(generated.sidecar(), indent=2) + "\n")
    _report(generated, out)


def _planned(model: Path, arch: Arch) -> Arch:
    """`arch` with the depths the model's plan needs."""
    # By name: the compiler is no dependency of the RTL, only of this verb.
    compiler = importlib.import_module("esl_ref.compiler")
    frontends = importlib.import_module("esl_ref.frontends")
    planned: Arch = compiler.compile_model(frontends.load(model), arch).arch
    return planned


def _report(generated: Generated, out: Path) -> None:
    arch = generated.arch
    click.echo(f"{out}: esl_accel for architecture {arch.name}, hash {arch.hash():016x}")
    for m in generated.memories:
        click.echo(f"  {m.name:<14}{m.copies:>4} x {m.depth:>6} x {m.width:>4} bits {m.nbytes:>9} bytes")
    total = sum(m.nbytes for m in generated.memories)
    click.echo(f"  {'on chip':<14}{'':>25}{total:>10} bytes")
