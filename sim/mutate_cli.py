# SPDX-License-Identifier: Apache-2.0
"""The verb `mutate`: how many defects in the RTL the co-simulation sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import Progress

from esl_ref.cli.common import arch_option, json_option, output_console, progress_console, write_json

__all__ = ["command"]


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal; elsewhere a line per stage, so that a log shows what takes minutes."""
    console = progress_console()
    said = ""

    def line(stage: str, done: int, of: int) -> None:
        nonlocal said
        if stage != said:
            console.print(f"{stage}: {of} mutants" if of else stage)
            said = stage

    if not console.is_terminal:
        yield line
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda stage, done, of: bar.update(task, description=stage, completed=done, total=of or None)


@click.command("mutate")
@arch_option
@click.option("--mutants", type=click.IntRange(1, 60_000), default=200, show_default=True, help="How many defects.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of mutants and stimuli.")
@click.option("--layers", type=click.IntRange(min=0), default=60, show_default=True,
              help="Random layers for mutants that the directed runs leave alive.")  # fmt: skip
@click.option("--coverage/--no-coverage", default=False, show_default=True,
              help="Measure branch coverage of the same runs, too (a second build).")  # fmt: skip
@click.option("--least", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit code 1 below this score.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("build/mutate"),
              show_default=True, help="Folder for the simulation's files.")  # fmt: skip
@json_option
def command(
    arch_name: str, mutants: int, seed: int, layers: int, coverage: bool, least: float | None, out: Path,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Plant defects in the RTL, one at a time, and see whether the co-simulation notices.

    Each mutant is the accelerator with one change: an operator or constant replaced, a condition negated, an assignment
    dropped, a bit stuck or inverted, a wrong reset value, anywhere in the design. One build holds all of them. Every
    mutant runs the embedded model, register accesses, broken Programs and random layers until a check fails: then it
    is killed. A survivor is either equivalent to the design or shows a gap in stimuli or checks. The design itself
    runs the same, and must pass.

    \b
    Examples:
      esl-ref mutate --arch tiny
      esl-ref mutate --arch base --mutants 400 --coverage --least 80 --json mutants.json
    """
    from esl_ref.arch import load
    from sim.mutation.campaign import run_campaign
    from sim.mutation.coverage import measure
    from sim.mutation.design import build_mutants, design_of
    from sim.mutation.report import as_record, show
    from sim.mutation.stimuli import stages

    arch = load(arch_name)
    with _progress() as progress:
        progress("generating", 0, 0)
        design, runs = design_of(arch), list(stages(arch, layers, seed))
        if coverage:
            progress("Verilating for coverage, and measuring it", 0, 0)
        covered = measure(design, runs, out / "coverage") if coverage else {}
        progress("Verilating with mutants", 0, 0)
        mutated = build_mutants(design, mutants, seed)
        campaign = run_campaign(mutated, runs, out / "run", progress)
    write_json(json_file, {
        "arch": arch_name, "seed": seed, "layers": layers, "places": mutated.places, "sites": mutated.sites,
        **as_record(campaign, covered),
    })  # fmt: skip
    if str(json_file) != "-":
        console = output_console()
        drawn = f"{mutated.places} places in the source ({mutated.sites} in the design)"
        console.print(f"{len(mutated.mutants)} mutants on {arch_name}, drawn from {drawn}", soft_wrap=True)
        show(campaign, covered, console)
    if least is not None and campaign.score < least:
        output_console().print(f"[red]below the least score of {least} %[/]")
        raise click.exceptions.Exit(1)
