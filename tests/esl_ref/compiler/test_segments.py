# SPDX-License-Identifier: Apache-2.0
"""Which operators stay on the host because the accelerator's form of them computes something else."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import arch
from esl_ref.compiler.lower import lower
from esl_ref.compiler.model import HostStep
from esl_ref.compiler.segments import split
from esl_ref.ir import Act, Concat, Graph, MaxPool, Padding, ResizeNearest, Table, Tensor
from tests.helpers.networks import check

BASE = arch.load("base")


@pytest.mark.parametrize(
    ("rows", "columns", "host"),
    [
        ((0, 0, 1, 1, 2, 2, 3, 3), (0, 1, 2), False),
        ((0, 1, 2, 3), (0, 0, 0, 1, 1, 1, 2, 2, 2), False),
        ((0, 0, 1, 1), (0, 1, 2), True),  # the upper half, twice as large: as many rows as before
        ((0,), (0, 1, 2), True),
        ((0, 1, 2, 3), (0, 0, 1, 1, 2), True),
        ((1, 1, 2, 2), (0, 1, 2), True),
    ],
)
def test_only_resizes_of_the_whole_map_by_whole_factors(
    rows: tuple[int, ...], columns: tuple[int, ...], host: bool
) -> None:
    size = (1, len(rows), len(columns), 5)
    shapes = {"x": (1, 4, 3, 5), "y": size, "z": size}
    tensors = {name: Tensor(name, shape, np.dtype(np.int8)) for name, shape in shapes.items()}
    pool = MaxPool("pool", ("y",), ("z",), (1, 1), (1, 1), Padding(), Act(0, -100, 127))
    graph = Graph("resize", tensors, (ResizeNearest("resize", ("x",), ("y",), rows, columns), pool), ("x",), ("z",))
    compiled = check(graph, BASE)
    left = [op.name for step in compiled.steps if isinstance(step, HostStep) for op in step.segment.ops]
    assert left == ["resize"] * host


@pytest.mark.parametrize(
    ("small", "large", "copies"), [((1, 1), (9, 7), 1), ((1, 3), (4, 6), 2), ((3, 1), (6, 5), 2), ((2, 3), (4, 9), 6)]
)
def test_one_row_or_pixel_is_repeated_by_one_copy(
    small: tuple[int, int], large: tuple[int, int], copies: int
) -> None:
    """A pyramid's pooled vector beside a map: one copy per phase would be one per pixel of the map."""
    shapes = {"x": (1, *small, 5), "y": (1, *large, 5)}
    tensors = {name: Tensor(name, shape, np.dtype(np.int8)) for name, shape in shapes.items()}
    rows, columns = (tuple(i * a // b for i in range(b)) for a, b in zip(small, large, strict=True))
    graph = Graph("resize", tensors, (ResizeNearest("y", ("x",), ("y",), rows, columns),), ("x",), ("y",))
    check(graph, BASE)
    assert len(lower(graph, split(graph)[0], BASE).tasks) == copies


@pytest.mark.parametrize("small", [(1, 1), (4, 1), (1, 3), (4, 3)])
def test_what_is_repeated_may_lie_among_the_channels_of_others(small: tuple[int, int]) -> None:
    """Half of a concat's channels: no byte of its one pixel is padding."""
    shapes = {"x": (1, *small, 40), "a": (1, *small, 40), "b": (1, *small, 40), "ab": (1, *small, 80)}
    shapes["y"] = (1, 2 * small[0], 2 * small[1], 40)
    tensors = {name: Tensor(name, shape, np.dtype(np.int8)) for name, shape in shapes.items()}
    rows, columns = (tuple(i // 2 for i in range(2 * size)) for size in small)
    values = np.arange(-128, 128, dtype=np.int8)
    ops = (
        Table("a", ("x",), ("a",), values),
        Table("b", ("x",), ("b",), values[::-1]),
        Concat("ab", ("a", "b"), ("ab",), 3),
        ResizeNearest("y", ("b",), ("y",), rows, columns),
    )
    check(Graph("resize", tensors, ops, ("x",), ("ab", "y")), BASE)
