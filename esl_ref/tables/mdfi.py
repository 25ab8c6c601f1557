# SPDX-License-Identifier: Apache-2.0
"""MDFI on every stock Darknet configuration that takes images, against both baselines and the joint planner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from esl_ref.errors import UnsupportedError
from esl_ref.frontends.darknet import read_network
from esl_ref.frontends.darknet.layers import Network
from esl_ref.frontends.darknet.shapes import shape_cfg
from esl_ref.planner.methods.blend import point
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.mdfi import compare
from esl_ref.tables.table import Settings, Table, mean, percent, timer

__all__ = ["make"]

_MIB = 2**20


def _stock(folder: Path) -> list[Network]:
    found = []
    for path in sorted(folder.glob("*.cfg")):
        try:
            found.append(read_network(path))
        except UnsupportedError:
            continue  # recurrent, or not on images
    return found


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Float32 bytes as Darknet counts them; the joint planner's are float32 too."""
    rows = settings.rows()
    for network in _stock(settings.folder("darknet", "cfg_pjreddie")):
        say(network.name)
        c = compare(network)
        graph = shape_cfg(network).graph.with_itemsize(4)
        weights = sum(node.weight_bytes for node in graph.nodes)
        with timer() as clock:
            once = point(fuse(graph, 1, settings.seconds / 20, settings.seed, most_weights=0), 0, "once")
            again = point(fuse(graph, 1, settings.seconds / 10, settings.seed), 0, "rows")
        rows.append((
            c.name, *(round(b / _MIB, 1) for b in (c.full, c.inference, c.resident)), percent(c.resident, c.full),
            percent(c.resident, c.inference), percent(c.executed, c.full), percent(c.streamed, c.full),
            percent(c.direct, c.full), percent(once.nbytes, c.full), round(once.external / weights, 2),
            percent(again.nbytes, c.full), round(again.external / weights, 2), clock.seconds,
        ))  # fmt: skip
    names = ("resident -% of full", "resident -% of inference", "streamed -%", "with im2col -%", "no workspace -%",
             "joint -%", "joint traffic x", "rows -%", "rows traffic x")  # fmt: skip
    return Table(
        "mdfi",
        "MDFI (ISOCC 2019): Darknet's float32 memory, MiB, and savings",
        ("cfg", "full", "inference", "resident", *names, "seconds"),
        tuple(rows),
        {f"mean {name}": mean([row[4 + k] for row in rows]) for k, name in enumerate(names)}
        | {f"median {name}": round(median([row[4 + k] for row in rows]), 2) for k, name in enumerate(names)},
        ("resident: freed at last use, all weights loaded, the running layer's im2col matrix",
         "streamed: what `esl-ref run` takes for a float network (bench memory measures it): only the running layer's"
         " weights, windows unfolded in 1 MiB, fully connected layers in parts",
         "with im2col: a whole layer's matrix instead, as Darknet has it; for vgg-conv and writing that is most of the"
         " memory; no workspace: as an accelerator convolves, but whole layers' weights",
         "all three read every weight once: traffic is 1 and the image and the result; joint: so does it, word by word",
         "rows: row-streamed groups, weights read again for every strip; traffic against reading all weights once"),
    )  # fmt: skip
