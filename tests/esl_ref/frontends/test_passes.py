# SPDX-License-Identifier: Apache-2.0
"""Passes on fresh graphs: what changes, and that bytes do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref.errors import NumericError
from esl_ref.executor import random_inputs, run
from esl_ref.frontends.passes import constant_operand_to_table, join_moves, remove_unused, run_passes
from esl_ref.ir import (
    Add,
    FullyConnected,
    Graph,
    Maximum,
    Minimum,
    Mul,
    Op,
    Reshape,
    ResizeNearest,
    Sub,
    Table,
    Tensor,
)
from tests.helpers.small_ops import draw

INT8 = np.dtype(np.int8)


def with_constant(op: Op, position: int, constant: np.ndarray, shape: tuple[int, ...]) -> Graph:
    """The binary operator with one operand constant."""
    names = ["x", "c"] if position == 1 else ["c", "x"]
    tensors = {
        "x": Tensor("x", shape, INT8),
        "y": Tensor("y", shape, INT8),
        "c": Tensor("c", constant.shape, INT8, data=constant),
    }
    return Graph("g", tensors, (dataclasses.replace(op, inputs=tuple(names), outputs=("y",)),), ("x",), ("y",))


@pytest.mark.parametrize("kind", [Add, Sub, Mul, Maximum, Minimum])
@settings(max_examples=30)
@given(seed=st.integers(0, 1 << 32), position=st.integers(0, 1), value=st.integers(-128, 127))
def test_a_constant_byte_makes_a_table_of_equal_bytes(kind: type[Op], seed: int, position: int, value: int) -> None:
    """Over all 256 inputs, so the table is proven equal, on either side and for any rank of the constant."""
    op, _, _ = draw(kind, seed)
    shape = [(), (1,), (1, 1, 1, 1)][seed % 3]
    graph = with_constant(op, position, np.full(shape, value, np.int8), (1, 16, 16, 1))
    folded = constant_operand_to_table(graph)
    assert isinstance(folded.ops[0], Table) and folded.ops[0].inputs == ("x",)
    every = {"x": np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)}
    for form in ("fast", "naive"):
        np.testing.assert_array_equal(run(folded, every)["y"], run(graph, every, ops=form)["y"])  # type: ignore[arg-type]


def test_a_constant_vector_stays_an_operator() -> None:
    op, _, _ = draw(Add, 1)
    graph = with_constant(op, 1, np.arange(4, dtype=np.int8), (1, 2, 2, 4))
    assert constant_operand_to_table(graph).ops == graph.ops


def test_a_constant_that_raises_the_rank_stays_an_operator() -> None:
    op, _, _ = draw(Mul, 1)
    graph = with_constant(op, 1, np.full((1, 1, 1), 3, np.int8), (4,))
    tensors = dict(graph.tensors) | {"y": Tensor("y", (1, 1, 4), INT8)}
    wider = graph.replace(tensors=tensors)
    assert constant_operand_to_table(wider).ops == wider.ops


def _upsampling() -> Graph:
    """Rows twice, then columns three times, with reshapes between, of a [1, 2, 3, 2] map; `c` is a plain reshape."""
    shapes = {"x": (1, 2, 3, 2), "a": (1, 4, 3, 2), "b": (1, 12, 1, 2), "c": (1, 4, 3, 2), "y": (1, 4, 9, 2)}
    ops = (
        ResizeNearest("a", ("x",), ("a",), (0, 0, 1, 1), (0, 1, 2)), Reshape("b", ("a",), ("b",)),
        Reshape("c", ("b",), ("c",)), ResizeNearest("y", ("c",), ("y",), (0, 1, 2, 3), (0, 0, 0, 1, 1, 1, 2, 2, 2)),
    )  # fmt: skip
    return Graph("g", {n: Tensor(n, s, INT8) for n, s in shapes.items()}, ops, ("x",), ("y",))


def test_resizes_with_reshapes_between_are_one() -> None:
    graph = _upsampling()
    joined = remove_unused(join_moves(graph))
    assert [type(op) for op in joined.ops] == [ResizeNearest]
    inputs = random_inputs(graph, 0)
    np.testing.assert_array_equal(run(joined, inputs)["y"], run(graph, inputs)["y"])


def test_resizes_of_another_shape_of_the_same_bytes_stay_apart() -> None:
    """Between them lies a reshape that makes other rows."""
    graph = _upsampling()
    shapes = dict(graph.tensors) | {"c": Tensor("c", (1, 2, 6, 2), INT8)}
    last = ResizeNearest("y", ("c",), ("y",), (0, 0, 1, 1), (0, 0, 1, 2, 2, 3, 4, 4, 5))
    graph = graph.replace(tensors=shapes, ops=(*graph.ops[:3], last))
    joined = remove_unused(join_moves(graph))
    assert [type(op) for op in joined.ops] == [ResizeNearest, Reshape, ResizeNearest]
    inputs = random_inputs(graph, 0)
    np.testing.assert_array_equal(run(joined, inputs)["y"], run(graph, inputs)["y"])


def test_unread_operators_and_tensors_go() -> None:
    shape = (1, 4)
    tensors = {n: Tensor(n, shape, INT8) for n in "abcdz"}
    table = np.arange(-128, 128, dtype=np.int8)
    ops = tuple(Table(f"op{y}", (x,), (y,), table) for x, y in ("ab", "bc", "bd"))
    graph = remove_unused(Graph("g", tensors, ops, ("a",), ("c",)))
    assert [op.name for op in graph.ops] == ["opb", "opc"]
    assert set(graph.tensors) == {"a", "b", "c"}
    inputs = random_inputs(graph, 0)
    assert run(graph, inputs)["c"].tolist() == inputs["a"].tolist()


def test_overflowing_layers_are_refused() -> None:
    op, _, out = draw(FullyConnected, 3)
    assert isinstance(op, FullyConnected)
    op = dataclasses.replace(op, bias=np.full(op.bias.shape, (1 << 31) - 1, np.int64))
    tensors = {"in": Tensor("in", (out.shape[0], op.weight.shape[1]), INT8), "out": out}
    with pytest.raises(NumericError, match="int32 cannot hold"):
        run_passes(Graph("g", tensors, (op,), ("in",), ("out",)))
