# SPDX-License-Identifier: Apache-2.0
"""Networks as weight-less shape graphs: built-in topologies, and imported models seen as one."""

from esl_ref.workloads.catalogue import NAMES, named, workload
from esl_ref.workloads.graph import Kind, Node, Rows, Shape, ShapeGraph

__all__ = ["NAMES", "Kind", "Node", "Rows", "Shape", "ShapeGraph", "named", "workload"]
