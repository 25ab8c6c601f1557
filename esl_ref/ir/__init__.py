# SPDX-License-Identifier: Apache-2.0
"""The integer graph: what every front end produces and every executor consumes.

Tensors are NHWC with batch 1 (or any lower rank for dense data), int8 unless said otherwise. Each operator is a frozen
dataclass that carries its integer parameters, computed once at import; after that there is no float anywhere, except
in operators marked `host`.
"""

from __future__ import annotations

from esl_ref.ir.graph import Graph
from esl_ref.ir.operators import (
    Add,
    AveragePool,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    Maximum,
    MaxPool,
    Mean,
    Minimum,
    Mul,
    Op,
    Pad,
    Quantize,
    Reshape,
    ResizeNearest,
    Slice,
    Softmax,
    Sub,
    Table,
    Transpose,
)
from esl_ref.ir.tensor import Act, Padding, Quant, Tensor

__all__ = [
    "Act",
    "Add",
    "AveragePool",
    "Concat",
    "Conv2D",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "Graph",
    "MaxPool",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Op",
    "Pad",
    "Padding",
    "Quant",
    "Quantize",
    "Reshape",
    "ResizeNearest",
    "Slice",
    "Softmax",
    "Sub",
    "Table",
    "Tensor",
    "Transpose",
]
