# SPDX-License-Identifier: Apache-2.0
"""Graph-to-graph rewriting that trades memory for work or order: every remaining tensor keeps its bytes.

`tile` recomputes halos in spatial tiles, `split_channels` cuts a path along channels, `upright` turns sequences so that
their rows can stream. All give an ordinary graph, so
whatever runs a graph (golden, compiler, ESL machine, RTL) runs the rewritten one and can be compared with it.
"""

from esl_ref.rewrite.boxes import Box, grid
from esl_ref.rewrite.channels import split_channels
from esl_ref.rewrite.steps import Ordered, Plain, Rewriting, Split, Tile, Upright, rewritten
from esl_ref.rewrite.tile import tile
from esl_ref.rewrite.upright import lying, upright

__all__ = [
    "Box", "Ordered", "Plain", "Rewriting", "Split", "Tile", "Upright", "grid", "lying", "rewritten", "split_channels",
    "tile", "upright",
]  # fmt: skip
