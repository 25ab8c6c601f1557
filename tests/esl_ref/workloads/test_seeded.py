# SPDX-License-Identifier: Apache-2.0
"""Built-in topologies with seeded weights: graphs that run, each tensor in the shape that it declares."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import executor
from esl_ref.errors import UnsupportedError
from esl_ref.workloads import workload
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind
from esl_ref.workloads.seeded import seeded


@pytest.mark.parametrize("name", ["kws", "resnet8", "cif", "mw"])
def test_topologies_run(name: str) -> None:
    graph = seeded(workload(name))
    values = executor.run(graph, executor.random_inputs(graph, 1), keep="all")
    for output in graph.outputs:
        assert values[output].shape == graph.tensors[output].shape
        assert np.unique(values[output]).size > 1


def test_functions_of_single_elements_take_the_shape_of_a_dense_result() -> None:
    b = Builder("t", (4, 4, 3))
    b.dense(6)
    b.table()
    b.table(kind=Kind.SOFTMAX)
    graph = seeded(b.build())
    assert {graph.tensors[op.outputs[0]].shape for op in graph.ops[1:]} == {(1, 6)}
    executor.run(graph, executor.random_inputs(graph, 1))


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (seeded(workload("kws"), seed) for seed in (3, 3, 4))
    weights = [[op.weight for op in g.ops if hasattr(op, "weight")] for g in (first, again, other)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_an_embedding_has_no_integer_operator() -> None:
    with pytest.raises(UnsupportedError, match="embed has no integer operator"):
        seeded(workload("txt"))
