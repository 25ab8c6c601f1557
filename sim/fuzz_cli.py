# SPDX-License-Identifier: Apache-2.0
"""The verb `fuzz`: random layers or networks on the ESL machine and the RTL."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from esl_ref.cli.common import arch_option, json_option, output_console, progress_console, write_json
from esl_ref.errors import CheckFailed
from esl_ref.files import check_place

__all__ = ["command"]


@click.command("fuzz")
@arch_option
@click.option("--layers", type=click.IntRange(min=1), default=100, show_default=True, help="How many random layers.")
@click.option("--networks", type=click.IntRange(min=0), default=0, show_default=True,
              help="How many random networks, instead of layers.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the first one.")
@click.option("--stall", type=click.FloatRange(0, 0.95), default=0.0, show_default=True, metavar="P",
              help="Withhold every AXI handshake with this probability.")  # fmt: skip
@click.option("--executor", type=click.Choice(["rtl", "machine"]), default="rtl", show_default=True,
              help="machine: only the ESL machine; needs no simulator.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("build/fuzz"), show_default=True,
              help="Folder for the simulation's files.")  # fmt: skip
@json_option
def command(
    arch_name: str, layers: int, networks: int, seed: int, stall: float, executor: str, out: Path,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Compare random layers, or networks under random plans, on golden, ESL machine and RTL.

    Layer n has seed SEED + n: shape, stride, padding, dilation, groups, zero points, clamps, and weights, biases and
    multipliers up to their extremes all follow from it. A network's seed gives 3 to 9 layers with branches, and a plan
    for them: groups that stream, heights of their strips, maps parked in external memory, how weights are cut. One
    accelerator is built, as ARCH describes it, and runs all of them without reset. The first that fails is made as
    small as it can be. Exit code 1 if any fails, or none could be compared.

    \b
    Examples:
      esl-ref fuzz --layers 500
      esl-ref fuzz --networks 100
      esl-ref fuzz --layers 1 --seed 1234      one layer again
    """
    from esl_ref.arch import load
    from sim.fuzz import fuzz
    from sim.random_layers import random_spec
    from sim.random_networks import random_network

    check_place(out)
    arch, kind, count = load(arch_name), "networks" if networks else "layers", networks or layers
    with Progress(console=progress_console(), transient=True) as bar:
        task = bar.add_task(kind, total=count)
        result = fuzz(
            arch, count, seed, out, draw=random_network if networks else random_spec, stall=stall,
            rtl=executor == "rtl", progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip
    repeats = [
        f"esl-ref fuzz --arch {arch_name} --{kind} 1 --seed {f.spec.seed} --stall {stall} --executor {executor}"
        for f in result.failures
    ]
    write_json(json_file, {
        "arch": arch_name, "seed": seed, "stall": stall, "executor": executor, kind: result.compared,
        "left_out": result.left_out, "failures": result.failures, "repeat_commands": repeats,
    })  # fmt: skip
    if str(json_file) != "-":
        console = output_console()
        for failure, repeat in zip(result.failures, repeats, strict=True):
            console.print(f"[red]{failure.backend}[/]: {failure.what}", soft_wrap=True)
            for what, value in ((kind[:-1], failure.spec), ("smallest", failure.smallest), ("repeat", repeat)):
                console.print(f"  {what:<9}{value}", soft_wrap=True)
        left = f", {result.left_out} refused by golden or compiler" if result.left_out else ""
        console.print(f"{result.compared} {kind} compared on {arch_name}{left}, {len(result.failures)} failures")
    if not result.compared:
        raise CheckFailed(
            f"nothing was compared: golden or compiler refused all {result.left_out} {kind}",
            where=arch_name, hint="give a larger architecture, or another --seed",
        )  # fmt: skip
    if result.failures:
        raise click.exceptions.Exit(1)
