# SPDX-License-Identifier: Apache-2.0
"""Copies whose rows are taken as one row of full vectors: only where they lie the same way before and behind."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref import arch
from esl_ref.ir import Act, Graph, MaxPool, Pad, Padding, Tensor
from tests.helpers.networks import check


def _padded(*sides: tuple[int, int]) -> Graph:
    """A map of 4 x 11 x 4 with something around it that a pool does not take up; no group of channels is full."""
    shape = (1, 4, 11, 4)
    pads = ((0, 0), *sides, (0, 0))
    after = tuple(n + low + high for n, (low, high) in zip(shape, pads, strict=True))
    sizes = {"x": shape, "y": after, "z": (1, after[1] - 1, after[2] - 1, 4)}
    tensors = {name: Tensor(name, size, np.dtype(np.int8)) for name, size in sizes.items()}
    pool = MaxPool("pool", ("y",), ("z",), (2, 2), (1, 1), Padding(), Act(0, -128, 127))
    return Graph("padded", tensors, (Pad("pad", ("x",), ("y",), pads, -7), pool), ("x",), ("z",))


@pytest.mark.parametrize(
    "sides", [((0, 0), (0, 2)), ((0, 0), (0, 1)), ((0, 4), (0, 0)), ((0, 4), (0, 5)), ((4, 0), (1, 0))]
)
def test_rows_that_grow_are_not_taken_as_one(sides: tuple[tuple[int, int], tuple[int, int]]) -> None:
    check(_padded(*sides), arch.load("base"))
