# SPDX-License-Identifier: Apache-2.0
"""`esl-ref allocate`: the layout solver alone, on MiniMalloc's file format."""

from __future__ import annotations

import time
from pathlib import Path

import click

from esl_ref.cli.common import BYTES, SECONDS, SEED, json_option, output_console, progress_console, write_json
from esl_ref.errors import PlanError
from esl_ref.files import check_folder


@click.command("allocate")
@click.argument("instance", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--capacity", type=BYTES, help="Stop at the first layout within this size; without it, search the least.")
@click.option("--time", "seconds", type=SECONDS, default=60.0, show_default=True,
              help="Seconds after which the best layout so far is taken.")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same layout.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the layout as CSV with offsets.")
@json_option
def command(
    instance: Path, capacity: int | None, seconds: float, seed: int, out: Path | None, json_file: Path | None
) -> None:
    """Place the buffers of INSTANCE (CSV: id,lower,upper,size; lifetimes half-open) in the smallest arena found.

    \b
    Example: esl-ref allocate buffers.csv --capacity 1M --out offsets.csv
    """
    from esl_ref import layout

    for path, what in ((out, "layout"), (json_file, "JSON report")):
        check_folder(path, what)
    problem = layout.read_csv(instance, capacity)
    started = time.monotonic()
    with progress_console().status("heuristics") as status:
        found = layout.solve(problem, seconds, seed, lambda stage, height: status.update(f"{stage}, best {height}"))
    elapsed = time.monotonic() - started
    if violations := layout.validate(problem, found):
        raise PlanError(f"the solver's layout is illegal: {violations[0]}", where=str(instance))
    if out is not None:
        layout.write_csv(problem, found, out)
    write_json(json_file, {"instance": instance, "capacity": capacity, "seed": seed, "seconds": elapsed,
                           "gap": found.gap, **vars(found)})  # fmt: skip
    if str(json_file) == "-":
        return
    proof = "optimal" if found.proved_optimal else f"at most {100 * found.gap:.2f} % above the least"
    output_console().print(
        f"{len(problem.buffers)} buffers, height {found.height}, liveness bound {found.bound}, {proof}, {elapsed:.2f} s"
    )
