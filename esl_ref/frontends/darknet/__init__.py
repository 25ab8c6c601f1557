# SPDX-License-Identifier: Apache-2.0
"""Darknet networks: configuration and weights files in; float graphs, or shapes for planning, out."""

from __future__ import annotations

from pathlib import Path

from esl_ref.floating import FloatGraph
from esl_ref.frontends.darknet.float_graph import float_graph, without_tree
from esl_ref.frontends.darknet.parse import read_network
from esl_ref.frontends.darknet.shapes import Cfg, read_cfg
from esl_ref.frontends.darknet.weights import open_weights

__all__ = ["Cfg", "float_graph", "load_file", "open_weights", "read_cfg", "read_network",
           "without_tree"]  # fmt: skip


def load_file(cfg: Path, weights: Path | None = None) -> FloatGraph:
    """The float graph of a `.cfg` with its `.weights`; without weights it has shapes, and cannot be run.

    ModelError and UnsupportedError name file, section and line.
    """
    network = read_network(cfg)
    return float_graph(network, open_weights(weights, network) if weights else None)
