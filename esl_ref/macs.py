# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulates and parameters of operators, counted as the field does.

A MAC is one weight applied to one input element; padded taps count, pooling and elementwise operators do not.
Parameters are weights and biases.
"""

from __future__ import annotations

from esl_ref.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op

__all__ = ["macs", "parameters", "total_macs"]


def macs(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of one inference through `op`."""
    if isinstance(op, Conv2D | FullyConnected):
        per_output = int(op.weight[0].size)
    elif isinstance(op, DepthwiseConv2D):
        per_output = int(op.weight.shape[0] * op.weight.shape[1])
    else:
        return 0
    return graph.tensors[op.outputs[0]].elements * per_output


def parameters(op: Op) -> int:
    """Weights and biases of `op`."""
    if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
        return int(op.weight.size + op.bias.size)
    return 0


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(macs(op, graph) for op in graph.ops)
