# SPDX-License-Identifier: Apache-2.0
"""Constant operands that lack the batch axis: right-aligned, on the ESL machine as in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.compiler.segments import host_reason
from tests.helpers.one_operator import Net


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize(
    ("shape", "constant"),
    [
        ((1, 3, 4, 5), (3, 4, 5)), ((1, 3, 4, 5), (4, 5)), ((1, 3, 4, 5), (3, 1, 5)), ((1, 3, 4, 5), (1, 4, 5)),
        ((1, 6, 5), (6, 5)), ((1, 6, 5), (1, 5)), ((1, 6, 5), (5,)), ((1, 7), (7,)),
    ],
)  # fmt: skip
def test_constants_without_a_batch(code: str, shape: tuple[int, ...], constant: tuple[int, ...]) -> None:
    """Slopes of PRELU and embeddings of positions come so: [H, W, C] beside a map, [L, C] beside a sequence."""
    n = Net()
    data = np.random.default_rng(1).integers(-128, 128, constant, dtype=np.int8)
    c = n.w.add_tensor("c", constant, "int8", data=data, scale=0.3, zero_point=-7)
    y = n.y(shape, scale=9.0)
    n.w.add_op(code, [n.x(shape), c], [y])
    graph = n.check([y], machine=True)
    assert not any(host_reason(op, graph) for op in graph.ops)
