# SPDX-License-Identifier: Apache-2.0
"""Every operator's two forms give the same bytes. A failing seed repeats with `tests.helpers.small_ops.draw`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref.ir import Conv2D, Op
from esl_ref.ops import conv2d, float_finish, lookup, supported
from tests.helpers.small_ops import DRAWERS, draw


def test_every_registered_operator_is_drawn() -> None:
    assert set(supported()) == set(DRAWERS)


@pytest.mark.parametrize("kind", supported(), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32))
def test_forms_agree(kind: type[Op], seed: int) -> None:
    op, inputs, out = draw(kind, seed)
    before = [value.copy() for value in inputs]
    fast, naive = lookup(op).fast(op, inputs, out), lookup(op).naive(op, inputs, out)
    assert fast.dtype == naive.dtype == out.dtype and fast.shape == naive.shape == out.shape
    np.testing.assert_array_equal(fast, naive)
    for value, kept in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(value, kept)


@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32), block=st.integers(1, 60))
def test_convolutions_in_small_blocks(seed: int, block: int) -> None:
    """Blocks that end within a row, within an image, or before the last output; every second one in float."""
    op, inputs, out = draw(Conv2D, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv2d, "_BLOCK_ELEMENTS", block)
        patch.setattr(float_finish, "_FEW", seed % 2 << 20)
        np.testing.assert_array_equal(conv2d.fast(op, inputs, out), conv2d.naive(op, inputs, out))
