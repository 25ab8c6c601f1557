# SPDX-License-Identifier: Apache-2.0
"""Memory of the stock Darknet networks, layer by layer against everything at once: reckoned, measured, and timed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from esl_ref.errors import InputError, UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.floating.accounting import everything_bytes, layerwise_bytes
from esl_ref.frontends.darknet import float_graph, open_weights, read_network, without_tree
from esl_ref.frontends.darknet.layers import Network
from esl_ref.frontends.darknet.shapes import shape_cfg
from esl_ref.frontends.darknet.weights import write_weights
from esl_ref.report.residency import MODES, Resident, measure
from esl_ref.tables.table import Table, mean, percent

__all__ = ["LIGHT", "make", "networks"]

LIGHT = 5_000_000_000
"""Multiply-accumulates up to which a network is measured without being asked for."""

_MIB = 2**20
_COLUMNS = ("cfg", "reckoned all", "by layer", "saved %", "measured all", "measured by layer", "measured saved %",
            "seconds all", "seconds by layer")  # fmt: skip


def networks(folder: Path, names: Sequence[str], everything: bool) -> Iterator[tuple[Path, Network]]:
    """Configurations on images, by name or those that are light."""
    paths = {path.stem: path for path in sorted(folder.glob("*.cfg"))}
    if unknown := [name for name in names if name not in paths]:
        raise InputError(f"no configuration '{unknown[0]}'", where=str(folder), hint=f"there are {', '.join(paths)}")
    for name in names or paths:
        try:
            network = read_network(paths[name])
        except UnsupportedError:
            if names:
                raise
            continue  # recurrent
        if names or everything or shape_cfg(network).graph.macs <= LIGHT:
            yield paths[name], without_tree(network)


def _row(path: Path, network: Network, weights: Path, repeat: int) -> tuple[Any, ...]:
    write_weights(weights, network, 1)
    graph: FloatGraph = float_graph(network, open_weights(weights, network))
    reckoned = (everything_bytes(graph), layerwise_bytes(graph))
    runs: dict[str, list[Resident]] = {mode: [] for mode in MODES}
    for _ in range(repeat):
        for mode in MODES:
            runs[mode].append(measure(path, weights, mode))
    every, layers = runs["everything"], runs["layerwise"]
    if {run.total for run in every} != {run.total for run in layers} and not _close(every[0].total, layers[0].total):
        raise AssertionError(f"{network.name} computes different results in the two modes")
    measured = (max(run.nbytes for run in every), max(run.nbytes for run in layers))
    seconds = (round(min(run.seconds for run in every), 3), round(min(run.seconds for run in layers), 3))
    shown = [round(nbytes / _MIB, 1) for nbytes in (*reckoned, *measured)]
    return (network.name, shown[0], shown[1], percent(reckoned[1], reckoned[0]), shown[2], shown[3],
            percent(measured[1], measured[0]), *seconds)  # fmt: skip


def _close(one: float, other: float) -> bool:
    """Fully connected layers in parts add in another order."""
    return abs(one - other) <= 1e-4 * max(1.0, abs(one))


def make(folder: Path, names: Sequence[str], everything: bool, repeat: int, say: Callable[[str], None]) -> Table:
    """The table; MiB of float32, and processor seconds, the least of `repeat` runs of each mode in turn."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for path, network in networks(folder, names, everything):
            say(network.name)
            weights = Path(scratch) / "seeded.weights"
            rows.append(_row(path, network, weights, repeat))
            weights.unlink()
    return Table(
        "memory", "Peak memory of float inference in MiB: all at once, and layer by layer", _COLUMNS, tuple(rows),
        {
            "mean reckoned -%": mean([row[3] for row in rows]), "mean measured -%": mean([row[6] for row in rows]),
            "seconds, all at once": round(sum(row[7] for row in rows), 1),
            "seconds, layer by layer": round(sum(row[8] for row in rows), 1),
        },
        ("all: weights and outputs of all layers, and a workspace for the largest unfolded map, as Darknet has for "
         "inference; weights are seeded",
         "measured: most resident bytes of a process above those before the run; processor seconds with reading and "
         "freeing, the least of all runs, short ones repeated for a second"),
    )  # fmt: skip
