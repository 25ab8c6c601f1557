# SPDX-License-Identifier: Apache-2.0
"""Fused groups at given places."""

from __future__ import annotations

from esl_ref.planner.methods.fuse import Cuts, Fusion
from esl_ref.workloads import ShapeGraph

__all__ = ["fuse_at"]


def fuse_at(graph: ShapeGraph, cuts: tuple[int, ...], strip: int = 1) -> Fusion:
    """Groups between the node positions `cuts`."""
    return Cuts(graph, strip).fusion((0, *cuts, len(graph.nodes)), 10.0, 0, 400)
