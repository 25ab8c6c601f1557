# SPDX-License-Identifier: Apache-2.0
"""`esl-ref bench`: the published tables, computed anew from the code."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import click

from esl_ref.cli.common import SECONDS, SEED, json_option, output_console, progress_console, show_table, write_json
from esl_ref.errors import InputError


class _Bench(click.Group):
    """`planner`, `memory`, and `rtl`: an entry point, which measures what this package may not import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), "rtl"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from esl_ref.cli import registered

        return registered("bench") if cmd_name == "rtl" else super().get_command(ctx, cmd_name)


@click.group("bench", cls=_Bench)
def command() -> None:
    """Regenerate benchmark tables: of the planning methods, and of what only runs on the RTL."""


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print(table: Any, seconds: float) -> None:
    from rich.table import Table as Grid

    console = output_console()
    grid = Grid(title=table.title, title_justify="left")
    for k, name in enumerate(table.columns):
        left = table.rows and isinstance(table.rows[0][k], str)
        grid.add_column(name, justify="left" if left else "right")
    for row in table.rows:
        grid.add_row(*map(_shown, row))
    show_table(console, grid)
    for name, value in table.summary.items():
        console.print(f"  {name}: {value}")
    for note in table.notes:
        console.print(f"  note: {note}")
    console.print(f"  {seconds:.1f} s in all\n")


def _made(name: str, settings: Any, say: Callable[[str], None] = lambda what: None) -> tuple[Any, float]:
    """A table and the seconds it took."""
    from esl_ref.tables import TABLES

    started = time.perf_counter()
    table = TABLES[name](settings, say)
    return table, round(time.perf_counter() - started, 2)


def _one_by_one(names: Sequence[str], settings: Callable[[str], Any]) -> Iterator[tuple[str, Any, float]]:
    """Tables in order; what is being worked on in the status line, or, in a log, line by line."""
    console = progress_console()
    for name in names:
        with console.status(name) as status:

            def say(what: str, name: str = name, status: Any = status) -> None:
                if console.is_terminal:
                    status.update(f"{name}: {what}")
                else:
                    console.print(f"{name}: {what}")

            yield (name, *_made(name, settings(name), say))


def _side_by_side(names: Sequence[str], settings: Any, jobs: int) -> Iterator[tuple[str, Any, float]]:
    """Tables in `jobs` processes, each as soon as it is done."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_silently) as pool:
        waiting = {pool.submit(_made, name, settings): name for name in names}
        try:
            with progress_console().status(f"{jobs} tables at a time: {', '.join(names)}") as status:
                for done in as_completed(tuple(waiting)):
                    name = waiting.pop(done)
                    yield (name, *done.result())
                    status.update(f"{jobs} tables at a time: {', '.join(waiting.values())}")
        except BaseException:
            for process in active_children():  # nobody waits for the tables that they are at
                process.terminate()
            raise


def _end_silently() -> None:
    """In a worker: Ctrl-C reaches every process of a terminal, and the first one says enough."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@command.command("planner")
@click.option("--table", "names", multiple=True, metavar="NAME", help="Only this table; may be given several times.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), envvar="ESL_REF_DATA",
              default=Path("../shared/data"), show_default=True, help="Folder of third-party instances.")  # fmt: skip
@click.option("--time", "seconds", type=SECONDS, default=60.0, show_default=True,
              help="Seconds that a single search may take.")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same plans.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="Tables that are made at the same time, each in a process of its own.")  # fmt: skip
@json_option
def planner(names: tuple[str, ...], data: Path, seconds: float, seed: int, jobs: int, json_file: Path | None) -> None:
    """Tables of the planning methods: allocation, arenas, restructuring, mdfi, mafat, fdt, ilp, front, and joint.

    With Programs: tiles, limits, programs, utilisation. FILE of --json is written anew after every row (with --jobs,
    after every table), so that what is done survives an interruption.
    """
    from esl_ref.tables import TABLES, Settings

    if unknown := [name for name in names if name not in TABLES]:
        raise InputError(f"no table '{unknown[0]}'", hint=f"there are: {', '.join(TABLES)}")
    wanted = names or tuple(TABLES)
    report: dict[str, Any] = {}

    def keep(name: str, row: tuple[Any, ...]) -> None:
        """A row of a table in the making, for what survives an interruption."""
        report.setdefault(name, {"unfinished": []})["unfinished"].append(row)
        if str(json_file) != "-":
            write_json(json_file, report)

    if jobs == 1:
        made = _one_by_one(wanted, lambda name: Settings(data, seconds, seed, partial(keep, name)))
    else:
        made = _side_by_side(wanted, Settings(data, seconds, seed), jobs)
    for name, table, elapsed in made:
        report[name] = {"title": table.title, "rows": table.records(), "summary": table.summary, "seconds": elapsed}
        if str(json_file) != "-":
            _print(table, elapsed)
            write_json(json_file, report)
    if str(json_file) == "-":
        write_json(json_file, report)


@command.command("memory")
@click.option("--only", "names", multiple=True, metavar="CFG", help="Only this network; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Also networks of more than 5 GMAC: minutes.")
@click.option("--repeat", type=click.IntRange(min=1), default=2, show_default=True, help="Processes of each, in turn.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), envvar="ESL_REF_DATA",
              default=Path("../shared/data"), show_default=True, help="Folder of third-party instances.")  # fmt: skip
@json_option
def memory(names: tuple[str, ...], everything: bool, repeat: int, data: Path, json_file: Path | None) -> None:
    """Peak memory of float inference over stock Darknet networks, layer by layer against everything at once."""
    from esl_ref.tables import Settings
    from esl_ref.tables.residency import make

    folder = Settings(data).folder("darknet", "cfg_pjreddie")
    started = time.perf_counter()
    with progress_console().status("") as status:
        table = make(folder, names, everything, repeat, status.update)
    elapsed = round(time.perf_counter() - started, 2)
    write_json(json_file, {"memory": {"title": table.title, "rows": table.records(), "summary": table.summary,
                                      "seconds": elapsed}})  # fmt: skip
    if str(json_file) != "-":
        _print(table, elapsed)
