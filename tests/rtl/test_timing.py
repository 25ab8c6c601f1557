# SPDX-License-Identifier: Apache-2.0
"""rtl.timing: the constants agree with each other and with the units, in every preset."""

from __future__ import annotations

import pytest

from esl_ref.arch import PRESETS, load
from rtl import timing


@pytest.mark.parametrize("preset", PRESETS)
def test_units_are_as_long_as_the_array(preset):
    """Pool and eltwise can be padded to the array's latency, so that results come in the order of issue."""
    arch = load(preset)
    assert timing.mac_latency(arch) >= max(timing.ELTWISE_LATENCY, timing.POOL_LATENCY)
    assert timing.header_gap(arch) >= timing.mac_latency(arch)


@pytest.mark.parametrize("preset", PRESETS)
def test_done_comes_with_the_last_slice(preset):
    arch = load(preset)
    assert timing.done_latency(arch) - timing.post_latency(arch) == arch.lanes // arch.post_lanes - 1


def test_tree_levels_fit_their_stages():
    """No stage of the adder tree has more than two adders in a row, up to the widest array."""
    from rtl.mac_array import _levels_per_stage

    for lanes in (4, 8, 16, 32, 64):
        levels = _levels_per_stage(lanes)
        assert 1 << sum(levels) == lanes and max(levels) <= 2
