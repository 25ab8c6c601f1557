# SPDX-License-Identifier: Apache-2.0
"""Bounds against sums done by hand, and against the figures published for the MLPerf Tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import arch
from esl_ref.cycle_bounds import Bound, network_bound, op_bound
from esl_ref.frontends import load
from esl_ref.macs import total_macs
from esl_ref.models import embedded_path
from esl_ref.rewrite import tile
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded


def test_layers_of_the_embedded_model() -> None:
    graph, base = load(embedded_path()), arch.load("base")
    by_name = {op.name: op_bound(op, graph, base) for op in graph.ops}
    # 28 x 28 pixels, 3 rows of 3 x 1 bytes each in one access, one group of 16.
    assert by_name["conv1"].lanes == 28 * 28 * 3
    assert by_name["conv1"].weights == 16 * 9 // 8
    # 14 x 14 pixels, 9 taps of 16 channels: all multipliers busy.
    assert by_name["conv2"].lanes == by_name["conv2"].ideal == 14 * 14 * 9
    # A 3 x 3 depthwise window is one array cycle per pixel and group.
    assert by_name["dw4"].lanes == 7 * 7 * 2
    assert by_name["add4"].lanes == 7 * 7 * 2
    assert by_name["pool1"].cycles == by_name["flatten"].cycles == 0


def test_wider_arrays_have_lower_bounds() -> None:
    graph = load(embedded_path())
    tiny, base, wide = (network_bound(graph, arch.load(name)).lanes for name in arch.PRESETS)
    assert tiny > base > wide
    assert network_bound(graph, arch.load("base")).ideal >= total_macs(graph) / 256


# Lane-quantised and weight-traffic bounds on paper at 256 MAC/cycle and 8 bytes/cycle, fully connected layers apart.
PUBLISHED = {
    "ic_resnet8_int8": (52_052, None),
    "vww_mnv1_025_96_int8": (39_032, 26_014),
    "kws_dscnn_int8": (15_100, None),
    "strww_int8": (3_600, 5_755),
    "ad_toycar_int8": (33_024, 33_024),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_mlperf_tiny(name: str, data_dir: Path) -> None:
    bound = network_bound(load(data_dir / "mlperf_tiny" / "models" / f"{name}.tflite"), arch.load("base"))
    lanes, weights = PUBLISHED[name]
    assert bound.lanes == pytest.approx(lanes, rel=1e-3)
    assert weights in (None, bound.weights)


def test_tiles_of_a_layer_read_its_weights_once() -> None:
    b = Builder("t", (16, 16, 8))
    b.conv(24, 3)
    graph = seeded(b.build())
    tiled = tile(graph, ("conv1",), 4, 2)
    assert len([op for op in tiled.ops if op.kind == "Conv2D"]) == 8
    assert network_bound(tiled, arch.load("base")).weights == network_bound(graph, arch.load("base")).weights == 216


def test_where_cycles_lie_beside_the_bounds() -> None:
    bound = Bound(10, 100, 50)
    assert bound.beside(108, "both") == "8.0 % above the larger of both"
    assert bound.beside(75, "both").startswith("25.0 % below the larger of both: lanes ")
    assert Bound(0, 0, 0).beside(5, "both") == "0.0 % above the larger of both"
