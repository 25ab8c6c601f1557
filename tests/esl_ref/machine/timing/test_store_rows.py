# SPDX-License-Identifier: Apache-2.0
"""Rows of stores: worked out once per state, they take what a walk through all vectors of all rows takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref.arch import load
from esl_ref.machine.engine_timing import EngineTiming
from esl_ref.machine.timing.control_timing import ControlTiming
from esl_ref.machine.timing.store_rows import StoreRows

ARCHS = {name: load(name) for name in ("tiny", "base", "wide")}


@pytest.mark.parametrize("name", ARCHS)
@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), row_bytes=st.integers(1, 200), start=st.integers(0, 50), late=st.integers(0, 60),
       pitch=st.integers(1, 4))  # fmt: skip
def test_known_rows_are_like_new_ones(name, rows, row_bytes, start, late, pitch):
    arch = ARCHS[name]
    control = ControlTiming.of(arch, EngineTiming.of(arch).store_read)
    moved = StoreRows(arch, control, pitch).move(rows, row_bytes, start, start + late)
    # Nothing is known of rows that are worked out one by one.
    beat, read = max(start + 1, start + late - 1), start
    places = [start] * control.vectors
    beats, per_vector = [], arch.lanes // arch.axi_bytes
    for _ in range(rows) if per_vector else ():
        left = -(-row_bytes // arch.axi_bytes)
        while left:
            read = max(read, places[-control.vectors]) + 1
            beat = max(beat, read + control.read_to_beat - pitch)
            for _ in range(min(per_vector, left)):
                beat += pitch
                beats.append(beat)
            left -= min(per_vector, left)
            places.append(beat)
    if per_vector:
        assert [moved.cycle(k) for k in range(len(beats))] == beats
        assert (moved.read, moved.beat) == (read, beat)
    assert moved.cycle(rows * -(-row_bytes // arch.axi_bytes) - 1) == moved.beat


def test_rows_are_worked_out_once_per_state(monkeypatch):
    arch, made = ARCHS["base"], []
    control = ControlTiming.of(arch, EngineTiming.of(arch).store_read)
    original = StoreRows._row
    monkeypatch.setattr(StoreRows, "_row", lambda self, *args: made.append(args) or original(self, *args))
    StoreRows(arch, control, 1).move(500, 608, 0, 0)
    assert len(made) < 10
