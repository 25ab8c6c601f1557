# SPDX-License-Identifier: Apache-2.0
"""Cycles of the MLPerf Tiny networks, counted by the RTL, beside bounds on paper and other people's estimates."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from esl_ref.arch import Arch
from esl_ref.executor import random_inputs
from esl_ref.frontends import load
from sim.cosim import Options, cosimulate

__all__ = ["NetworkRow", "anchors", "measure_networks", "table_lines"]

_TARGET_ABOVE_BOUND = 0.10


@dataclass(frozen=True)
class NetworkRow:
    """One network. Cycles from doorbell to done, on a memory of one bus beat per cycle and 32 cycles latency.

    lanes, weights: the bounds; read_beats: beats that the bus brought, weights with their records, commands and
    the network's input; vela_npu: Vela's estimate.
    """

    model: str
    bit_exact: bool
    macs: int
    cycles: int
    predicted_cycles: int
    worst_layer_error_percent: float
    lanes: int
    weights: int
    read_beats: int
    utilisation: float
    sram_bytes: int
    vela_npu: int
    sim_cycles_per_second: float

    @property
    def bound(self) -> int:
        """The larger of the bounds."""
        return max(self.lanes, self.weights)

    @property
    def above_bound(self) -> float:
        """Cycles above the bound, as a fraction of it."""
        return self.cycles / self.bound - 1

    @property
    def good(self) -> bool:
        """Bit exact, and not slower than Vela's estimate."""
        return self.bit_exact and self.cycles <= self.vela_npu


def anchors() -> Mapping[str, Mapping[str, int]]:
    """Model name -> other tools' cycles."""
    return tomllib.loads((Path(__file__).parent / "anchors.toml").read_text())


def measure_networks(
    folder: Path, arch: Arch, progress: Callable[[str], None] = lambda name: None, *, fixed: bool = True
) -> list[NetworkRow]:
    """Co-simulate every network of `anchors` found in `folder` as NAME.tflite.

    All run on one accelerator, built with the memories that `arch` describes; with `fixed` off, each on one whose
    memories its plan sizes.
    """
    rows = []
    for name, figures in anchors().items():
        path = folder / f"{name}.tflite"
        if not path.is_file():
            continue
        progress(name)
        rows.append(_measure(path, arch, figures, fixed))
    return rows


def _measure(path: Path, arch: Arch, figures: Mapping[str, int], fixed: bool) -> NetworkRow:
    graph = load(path)
    with tempfile.TemporaryDirectory(prefix="esl-ref-bench-") as scratch:
        found = cosimulate(graph, random_inputs(graph, 1), Options(arch, Path(scratch), fixed=fixed))
    errors = [abs(x.predicted_cycles / x.cycles - 1) for x in found.layers if x.cycles]
    return NetworkRow(
        path.stem, found.bit_exact, found.macs, found.cycles, found.predicted_cycles, 100 * max(errors, default=0.0),
        found.bound.lanes, found.bound.weights, found.counters["READ_BEATS"], found.utilisation,
        found.sram.with_input, figures["vela_npu"], found.sim_cycles_per_second,
    )  # fmt: skip


def table_lines(rows: Sequence[NetworkRow]) -> Iterator[str]:
    """The rows as text of fixed columns."""
    yield (
        f"{'network':<22}{'exact':>6}{'cycles':>9}{'predicted':>10}{'off %':>7}{'layer %':>8}{'lanes':>8}{'weights':>8}"
        f"{'beats':>8}{'above %':>8}{'util %':>7}{'Vela NPU':>9}{'ratio':>6}{'arena B':>9}"
    )
    for r in rows:
        off = 100 * (r.predicted_cycles / r.cycles - 1)
        mark = "" if r.above_bound <= _TARGET_ABOVE_BOUND else " *"
        yield (
            f"{r.model:<22}{'yes' if r.bit_exact else 'NO':>6}{r.cycles:>9}{r.predicted_cycles:>10}{off:>+7.2f}"
            f"{r.worst_layer_error_percent:>8.2f}{r.lanes:>8}{r.weights:>8}{r.read_beats:>8}{100 * r.above_bound:>8.1f}"
            f"{100 * r.utilisation:>7.1f}{r.vela_npu:>9}{r.cycles / r.vela_npu:>6.2f}{r.sram_bytes:>9}{mark}"
        )
    yield "lanes, weights: the bounds; above: over the larger one (* more than 10 %); layer: worst layer's prediction"
    yield "beats: cycles in which the bus brought weights with their records, commands and the network's input"
