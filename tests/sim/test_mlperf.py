# SPDX-License-Identifier: Apache-2.0
"""The table of networks: anchors, bounds and what counts as good."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from esl_ref import arch
from sim.mlperf import NetworkRow, anchors, measure_networks, table_lines

ROW = NetworkRow("kws_dscnn_int8", True, 2_664_792, 17_000, 17_017, 1.5, 15_096, 2_752, 4_900, 0.6, 16_000, 57_329, 1e5)


def test_anchors_name_the_five_networks() -> None:
    assert len(anchors()) == 5
    assert all(set(figures) == {"vela_npu", "vela_total"} for figures in anchors().values())


def test_good_is_exact_and_not_slower_than_vela() -> None:
    assert ROW.good
    assert not dataclasses.replace(ROW, bit_exact=False).good
    assert not dataclasses.replace(ROW, cycles=57_330).good


def test_table() -> None:
    slow = dataclasses.replace(ROW, cycles=15_100, model="fast")
    title, first, second, legend, _ = table_lines([ROW, slow])
    assert first.endswith("*") and not second.endswith("*")
    assert "+0.10" in first and "12.6" in first
    assert len(title) == len(second)
    assert "the bounds" in legend


def test_absent_networks_are_left_out(tmp_path: Path) -> None:
    assert measure_networks(tmp_path, arch.load("base")) == []


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_no_network_is_slower_than_vela(data_dir: Path) -> None:
    rows = measure_networks(data_dir / "mlperf_tiny" / "models", arch.load("base"))
    assert len(rows) == 5
    for row in rows:
        assert row.good, row
        assert row.cycles == pytest.approx(row.predicted_cycles, rel=0.03)
        assert row.worst_layer_error_percent <= 10
