# SPDX-License-Identifier: Apache-2.0
"""The verb `lint`: Verilator's warnings on the generated Verilog, alone and inside the simulation harness."""

from __future__ import annotations

from pathlib import Path

import click

from esl_ref.arch import PRESETS, Arch, load
from esl_ref.cli.common import json_option, output_console, progress_console, write_json
from esl_ref.errors import CheckFailed
from rtl.top import TOP
from sim.accelerator import generated_folder
from sim.lint import LintMessage, lint_verilog
from sim.runner import HARNESS, HARNESS_FILES

__all__ = ["command", "lint_arch"]

RTL_WAIVERS = Path(__file__).parents[1] / "rtl" / "waivers.vlt"


def lint_arch(arch: Arch) -> tuple[LintMessage, ...]:
    """Findings for the accelerator of `arch` by itself, then for the harness around it."""
    source = generated_folder(arch) / f"{TOP}.v"
    alone = lint_verilog(TOP, [source], waivers=RTL_WAIVERS)
    harness = [HARNESS / "waivers.vlt", *(HARNESS / name for name in HARNESS_FILES), source]
    around = lint_verilog("tb_top", harness, waivers=RTL_WAIVERS, args=[f"-GDATA_WIDTH={8 * arch.axi_bytes}"])
    return alone + tuple(message for message in around if message not in alone)


@click.command("lint")
@click.option("--arch", "names", multiple=True, help=f"Preset or TOML file; all of {', '.join(PRESETS)} if absent.")
@json_option
def command(names: tuple[str, ...], json_file: Path | None) -> None:
    """Lint the generated Verilog of every preset with Verilator, all warnings fatal.

    The exceptions, each with its reason, are in rtl/waivers.vlt and sim/harness/waivers.vlt.
    """
    findings: dict[str, list[str]] = {}
    for name in names or PRESETS:
        with progress_console().status(f"generating and linting {name}"):
            findings[name] = [str(message) for message in lint_arch(load(name))]
        output_console().print(f"{name}: {len(findings[name]) or 'no'} warnings", *findings[name], sep="\n  ")
    write_json(json_file, findings)
    total = sum(map(len, findings.values()))
    if total:
        raise CheckFailed(f"Verilator has {total} warnings")
