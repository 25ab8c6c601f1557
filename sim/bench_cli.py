# SPDX-License-Identifier: Apache-2.0
"""The verb `bench rtl`: speed of golden operators and of the co-simulation, and public networks' cycles on the RTL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from esl_ref.cli.common import arch_option, json_option, output_console, progress_console, write_json

__all__ = ["command"]

GOLDEN_AT_LEAST, SIMULATION_AT_LEAST, REPLAY_AT_LEAST = 0.30, 0.50, 0.80


@click.command("rtl")
@click.argument("model", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@arch_option
@click.option("--repeats", default=25, show_default=True, type=click.IntRange(1, 100), help="Runs; the best counts.")
@click.option("--only", type=click.Choice(["golden", "simulation", "networks"]), help="Measure just this.")
@json_option
def command(model: Path | None, arch_name: str, repeats: int, only: str | None, json_file: Path | None) -> None:
    """Measure speeds on this machine; MODEL defaults to the embedded one.

    \b
    golden      a 3x3x64x64 convolution of the reference against this machine's float32 GEMM rate
    simulation  MODEL on the RTL through cocotb, and replayed from a golden-vector package by the bench that comes with
                it, both against a bare C++ loop around the same Verilated model
    networks    cycles of the MLPerf Tiny networks on the RTL against paper bounds and Vela's estimates; they are
                looked for in the folder that ESL_REF_DATA names (default ../shared/data)

    Exit code 1 if golden is below 0.30, the simulation below 0.50 or the replay below 0.80 of its yardstick, or if a
    network is not bit exact or slower than Vela's estimate.
    """
    found: dict[str, Any] = {}
    with progress_console().status("") as status:
        if only in (None, "golden"):
            status.update("measuring the golden operators")
            found["golden"] = _golden(repeats)
        if only in (None, "simulation"):
            status.update("generating, Verilating and measuring the simulation")
            found["simulation"] = _simulation(model, arch_name, repeats)
        if only in (None, "networks"):
            found["networks"] = _networks(arch_name, lambda name: status.update(f"co-simulating {name}"))
    write_json(json_file, found)
    if str(json_file) != "-":
        for line in _lines(found):
            output_console().print(line, soft_wrap=True)
    _check(found)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if "golden" in found:
        yield _golden_line(found["golden"])
    if "simulation" in found:
        yield from _simulation_lines(found["simulation"])
    if "networks" in found:
        from sim.mlperf import table_lines

        yield from table_lines(found["networks"]) if found["networks"] else ["networks    none found; set ESL_REF_DATA"]


def _golden_line(found: dict[str, Any]) -> str:
    return f"golden      {found['macs_per_second'] / 1e9:6.2f} GMAC/s, {found['fraction']:.2f} of float32 GEMM"


def _simulation_lines(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"simulation  {found['cocotb'] / 1e3:6.1f} kcycles/s through cocotb, {found['fraction']:.2f} of a bare C++ loop"
        f" ({found['model']} on {found['arch']}, {found['cycles']} cycles)"
    )
    rate, fraction = found["replay"] / 1e3, found["replay_fraction"]
    yield f"replay      {rate:6.1f} kcycles/s as a package without Python, {fraction:.2f} of the same loop"


def _golden(repeats: int) -> dict[str, Any]:
    from esl_ref.ops.benchmark import measure_golden_rate

    rate = measure_golden_rate(repeats=10 * repeats)
    return {
        "macs_per_second": rate.layer_rate, "gemm_macs_per_second": rate.gemm_rate, "fraction": rate.fraction,
    }  # fmt: skip


def _simulation(model: Path | None, arch_name: str, repeats: int) -> dict[str, Any]:
    from esl_ref.arch import load as load_arch
    from esl_ref.cli.common import to_plain
    from esl_ref.frontends import load
    from esl_ref.models import embedded_path
    from sim.speed import measure_simulation_speed

    speed = measure_simulation_speed(load(model or embedded_path()), load_arch(arch_name), repeats)
    plain: dict[str, Any] = to_plain(speed)
    return {**plain, "fraction": speed.fraction, "replay_fraction": speed.replay_fraction}


def _networks(arch_name: str, progress: Callable[[str], None]) -> list[Any]:
    from esl_ref.arch import load as load_arch
    from sim.mlperf import measure_networks

    root = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("ESL_REF_DATA", root.parent / "shared" / "data"))
    rows: list[Any] = measure_networks(data / "mlperf_tiny" / "models", load_arch(arch_name), progress)
    return rows


def _check(found: dict[str, Any]) -> None:
    from esl_ref.errors import CheckFailed

    for name, part, key, least, yardstick in (
        ("golden", "golden", "fraction", GOLDEN_AT_LEAST, "float32 GEMM"),
        ("simulation", "simulation", "fraction", SIMULATION_AT_LEAST, "the bare loop"),
        ("replay", "simulation", "replay_fraction", REPLAY_AT_LEAST, "the bare loop"),
    ):
        if part in found and found[part][key] < least:
            raise CheckFailed(f"{name} runs at {found[part][key]:.2f} of {yardstick}, {least} is asked for")
    bad = [row.model for row in found.get("networks", []) if not row.good]
    if bad:
        raise CheckFailed(f"not bit exact, or slower than Vela's estimate: {', '.join(bad)}")
