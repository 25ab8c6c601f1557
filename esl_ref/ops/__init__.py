# SPDX-License-Identifier: Apache-2.0
"""Golden operators: what each operator means, in integers, on whole tensors.

They are the specification; they know nothing of tiles, lanes or memories. One module per operator, each with
`naive` and `fast`; importing this package registers all of them.
"""

from __future__ import annotations

from esl_ref.ops import (  # noqa: F401  (importing a module registers its operator)
    add,
    average_pool,
    concat,
    conv2d,
    depthwise_conv2d,
    edge,
    extremum,
    fully_connected,
    max_pool,
    mean,
    mul,
    pad,
    reshape,
    resize_nearest,
    slice,
    softmax,
    table,
    transpose,
)
from esl_ref.ops.accumulators import AccumulatorBounds, accumulator_bounds, check_accumulators
from esl_ref.ops.registry import Kernel, Operator, lookup, supported

__all__ = [
    "AccumulatorBounds",
    "Kernel",
    "Operator",
    "accumulator_bounds",
    "check_accumulators",
    "lookup",
    "supported",
]
