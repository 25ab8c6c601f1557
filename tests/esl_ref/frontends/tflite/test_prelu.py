# SPDX-License-Identifier: Apache-2.0
"""PRELU and REDUCE_MAX on the accelerator: no operator of theirs is left to the host, and the bytes stay."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import inference
from esl_ref.compiler.segments import host_reason
from esl_ref.errors import UnsupportedError
from esl_ref.executor import run
from esl_ref.frontends.tflite import load_bytes
from tests.helpers.one_operator import Net
from tests.helpers.tflite_cases import make_case


@pytest.mark.parametrize("kind", ["prelu", "reduce_max"])
def test_the_accelerator_takes_all_of_it(kind: str) -> None:
    for seed in range(8):
        case = make_case(kind, seed)
        graph = load_bytes(case.model)
        assert not any(host_reason(op, graph) for op in graph.ops), case
        inputs = dict(zip(graph.inputs, case.inputs, strict=True))
        result, expected = inference.run(graph, inputs), run(graph, inputs)
        np.testing.assert_array_equal(result[graph.outputs[0]], expected[graph.outputs[0]], err_msg=str(case))


def test_slopes_must_be_constant() -> None:
    n = Net()
    y = n.y((1, 3, 4, 2))
    n.w.add_op("PRELU", [n.x(), n.x((1, 1, 2))], [y])
    with pytest.raises(UnsupportedError, match="PRELU: slopes 'x1' are not constant"):
        load_bytes(n.w.finish(n.inputs, [y]))


def test_a_maximum_over_axes_apart_is_refused() -> None:
    n = Net()
    y = n.y((1, 4))
    n.w.add_op("REDUCE_MAX", [n.x(), n.ints(1, 3)], [y])
    with pytest.raises(UnsupportedError, match=r"REDUCE_MAX: a maximum over axes \(1, 3\); axes that follow one"):
        load_bytes(n.w.finish(n.inputs, [y]))
