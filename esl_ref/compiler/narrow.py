# SPDX-License-Identifier: Apache-2.0
"""Maps one pixel wide, as sequences have them: run as one row, a kernel's bytes are one run and its window needs no
line buffers. One row cannot stream, though: `Graph.plain` names operators that keep their rows, where bytes are worth
more than the cycles, and maps of more pixels than a row can have keep them, too.
"""

from __future__ import annotations

from esl_ref.compiler.limits import LONGEST
from esl_ref.ir import Conv2D, DepthwiseConv2D, Graph, Op

__all__ = ["runs_as_one_row", "turned"]


def runs_as_one_row(graph: Graph, op: Op) -> bool:
    """Whether an operator's maps, one pixel wide and several high, are run as one row."""
    if not isinstance(op, Conv2D | DepthwiseConv2D) or op.name in graph.plain:
        return False
    ifm, ofm = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    columns = op.weight.shape[2 if isinstance(op, Conv2D) else 1]
    return ifm[-2] == ofm[-2] == columns == 1 and 1 < ifm[-3] <= LONGEST and op.padding.left == 0


def turned(graph: Graph) -> frozenset[str]:
    """Operators that run as one row: what leaving them as they stand would save bytes of."""
    return frozenset(op.name for op in graph.ops if runs_as_one_row(graph, op))
