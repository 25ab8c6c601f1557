# SPDX-License-Identifier: Apache-2.0
"""The verb `fuzz`: random layers on the ESL machine and the RTL."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from esl_ref.cli.common import arch_option, json_option, output_console, progress_console, write_json

__all__ = ["command"]


@click.command("fuzz")
@arch_option
@click.option("--layers", type=click.IntRange(min=1), default=100, show_default=True, help="How many random layers.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the first layer.")
@click.option("--stall", type=click.FloatRange(0, 0.95), default=0.0, show_default=True, metavar="P",
              help="Withhold every AXI handshake with this probability.")  # fmt: skip
@click.option("--executor", type=click.Choice(["rtl", "machine"]), default="rtl", show_default=True,
              help="machine: only the ESL machine; needs no simulator.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("build/fuzz"), show_default=True,
              help="Folder for the simulation's files.")  # fmt: skip
@json_option
def command(
    arch_name: str, layers: int, seed: int, stall: float, executor: str, out: Path, json_file: Path | None
) -> None:
    """Compare random layers on golden, ESL machine and RTL.

    Layer n has seed SEED + n: shape, stride, padding, dilation, groups, zero points, clamps, and weights, biases and
    multipliers up to their extremes all follow from it. One accelerator is built, as ARCH describes it, and runs all
    layers without reset. The first that fails is made as small as it can be. Exit code 1 if any fails.

    \b
    Examples:
      esl-ref fuzz --layers 500
      esl-ref fuzz --layers 1 --seed 1234      one layer again
    """
    from esl_ref.arch import load
    from sim.fuzz import fuzz

    arch = load(arch_name)
    with Progress(console=progress_console(), transient=True) as bar:
        task = bar.add_task("layers", total=layers)
        result = fuzz(
            arch, layers, seed, out, stall=stall, rtl=executor == "rtl",
            progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip
    repeats = [
        f"esl-ref fuzz --arch {arch_name} --layers 1 --seed {f.spec.seed} --stall {stall} --executor {executor}"
        for f in result.failures
    ]
    write_json(json_file, {
        "arch": arch_name, "seed": seed, "stall": stall, "executor": executor, "layers": result.layers,
        "left_out": result.left_out, "failures": result.failures, "repeat_commands": repeats,
    })  # fmt: skip
    if str(json_file) != "-":
        console = output_console()
        for failure, repeat in zip(result.failures, repeats, strict=True):
            console.print(f"[red]{failure.backend}[/]: {failure.what}", soft_wrap=True)
            for what, value in (("layer", failure.spec), ("smallest", failure.smallest), ("repeat", repeat)):
                console.print(f"  {what:<9}{value}", soft_wrap=True)
        left = f", {result.left_out} refused by golden or compiler" if result.left_out else ""
        console.print(f"{result.layers} layers compared on {arch_name}{left}, {len(result.failures)} failures")
    if result.failures:
        raise click.exceptions.Exit(1)
