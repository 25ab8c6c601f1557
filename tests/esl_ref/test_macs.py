# SPDX-License-Identifier: Apache-2.0
"""Work and size of real models against the figures published with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref.frontends import load
from esl_ref.ir import Conv2D, DepthwiseConv2D, FullyConnected
from esl_ref.macs import macs, parameters, total_macs


@pytest.mark.parametrize(
    "model, params, mmacs",
    [
        ("mlperf_tiny/models/ad_toycar_int8", 265_864, 0.26),
        ("mlperf_tiny/models/ic_resnet8_int8", 77_706, 12.50),
        ("mlperf_tiny/models/kws_dscnn_int8", 22_604, 2.66),
        ("mlperf_tiny/models/strww_int8", 46_883, 0.83),
        ("mlperf_tiny/models/vww_mnv1_025_96_int8", 210_850, 7.49),
        ("tflite/mcunet_320kb_1mb_imagenet", 729_720, 81.79),
        ("tflite/tflm_micro_speech", 16_652, 0.34),
        ("tflite/nxp_yolo_face_detect", 180_678, 30.60),
        ("tflite/coral_mobilenet_v1_025_128_u8", 467_593, 13.57),
    ],
)
def test_published_figures(model: str, params: int, mmacs: float, data_dir: Path) -> None:
    graph = load(data_dir / f"{model}.tflite")
    assert sum(map(parameters, graph.ops)) == params
    assert total_macs(graph) / 1e6 == pytest.approx(mmacs, abs=0.011)


def test_by_hand(data_dir: Path) -> None:
    graph = load(data_dir / "mlperf_tiny" / "models" / "kws_dscnn_int8.tflite")
    conv = next(op for op in graph.ops if isinstance(op, Conv2D))
    depthwise = next(op for op in graph.ops if isinstance(op, DepthwiseConv2D))
    dense = next(op for op in graph.ops if isinstance(op, FullyConnected))
    assert macs(conv, graph) == 25 * 5 * 64 * 10 * 4 and parameters(conv) == 64 * 40 + 64
    assert macs(depthwise, graph) == 25 * 5 * 64 * 9 and parameters(depthwise) == 64 * 9 + 64
    assert macs(dense, graph) == 64 * 12 and parameters(dense) == 64 * 12 + 12
    assert macs(graph.ops[-1], graph) == parameters(graph.ops[-1]) == 0
