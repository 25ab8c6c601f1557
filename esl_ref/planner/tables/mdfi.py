# SPDX-License-Identifier: Apache-2.0
"""MDFI on every stock Darknet configuration that takes images, against both baselines and the joint planner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from esl_ref.errors import UnsupportedError
from esl_ref.frontends.darknet import Cfg, read_cfg
from esl_ref.planner.methods.blend import point
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.mdfi import compare
from esl_ref.planner.tables.table import Settings, Table, mean, percent, timer

__all__ = ["make"]

_MIB = 2**20


def _stock(folder: Path) -> list[Cfg]:
    found = []
    for path in sorted(folder.glob("*.cfg")):
        try:
            found.append(read_cfg(path))
        except UnsupportedError:
            continue  # recurrent, or not on images
    return found


def make(settings: Settings, say: Callable[[str], None]) -> Table:
    """Float32 bytes as Darknet counts them; the joint planner's are float32 too."""
    rows: list[tuple[Any, ...]] = []
    for cfg in _stock(settings.folder("darknet", "cfg_pjreddie")):
        say(cfg.graph.name)
        c = compare(cfg)
        graph = cfg.graph.with_itemsize(4)
        weights = sum(node.weight_bytes for node in graph.nodes)
        with timer() as clock:
            once = point(fuse(graph, 1, settings.seconds / 20, settings.seed, most_weights=0), 0, "once")
            again = point(fuse(graph, 1, settings.seconds / 10, settings.seed), 0, "rows")
        rows.append((
            c.name, *(round(b / _MIB, 1) for b in (c.full, c.inference, c.resident)), percent(c.resident, c.full),
            percent(c.resident, c.inference), percent(c.streamed, c.full), percent(c.direct, c.full),
            percent(once.nbytes, c.full), round(once.external / weights, 2),
            percent(again.nbytes, c.full), round(again.external / weights, 2), clock.seconds,
        ))  # fmt: skip
    names = ("resident -% of full", "resident -% of inference", "streamed -%", "direct -%", "joint -%",
             "joint traffic x", "rows -%", "rows traffic x")  # fmt: skip
    return Table(
        "mdfi",
        "MDFI (ISOCC 2019): Darknet's float32 memory, MiB, and savings",
        ("cfg", "full", "inference", "resident", *names, "seconds"),
        tuple(rows),
        {f"mean {name}": mean([row[4 + k] for row in rows]) for k, name in enumerate(names)}
        | {f"median {name}": median([row[4 + k] for row in rows]) for k, name in enumerate(names)},
        ("resident: freed at last use, all weights loaded; streamed: only the running layer's, and its im2col matrix",
         "direct: streamed without im2col, as hardware convolves; joint: each weight read once, word by word",
         "streamed and direct read every weight once: traffic is 1 and the image and the result; streamed is low where"
         " one layer's im2col matrix is most of the memory (vgg-conv, writing), which no accelerator here has",
         "rows: row-streamed groups, weights read again for every strip; traffic against reading all weights once"),
    )  # fmt: skip
