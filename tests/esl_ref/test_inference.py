# SPDX-License-Identifier: Apache-2.0
"""Whole models: the machine's tensors equal the golden executor's, on every preset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import esl_ref
from esl_ref import executor, frontends, inference
from esl_ref.arch import PRESETS

EMBEDDED = Path(esl_ref.__file__).parent / "models" / "embedded" / "embedded.tflite"
DATA = Path(os.environ.get("ESL_REF_DATA", Path(esl_ref.__file__).parents[2] / "shared" / "data"))
NETWORKS = (
    "mlperf_tiny/models/ad_toycar_int8.tflite",
    "mlperf_tiny/models/ic_resnet8_int8.tflite",
    "mlperf_tiny/models/kws_dscnn_int8.tflite",
    "mlperf_tiny/models/strww_int8.tflite",
    "mlperf_tiny/models/vww_mnv1_025_96_int8.tflite",
    "tflite/mlonmcu_micro_kws_m.tflite",
    "tflite/nxp_yolo_face_detect.tflite",
    "tflite/tflm_person_detect.tflite",
)


def assert_equals_golden(path: Path, arch: str) -> None:
    graph = frontends.load(path)
    inputs = executor.random_inputs(graph, 7)
    golden = executor.run(graph, inputs, keep="all")
    tensors = inference.run(graph, inputs, arch=arch, keep="all")
    assert set(graph.outputs) <= tensors.keys()
    for name, value in tensors.items():
        if name in golden:
            assert np.array_equal(value, golden[name]), f"{path.name} on {arch}: tensor '{name}' differs"


@pytest.mark.parametrize("arch", PRESETS)
def test_embedded_model(arch):
    assert_equals_golden(EMBEDDED, arch)


def test_outputs_only():
    graph = frontends.load(EMBEDDED)
    inputs = executor.random_inputs(graph, 3)
    outputs = inference.run(graph, inputs)
    assert list(outputs) == list(graph.outputs)
    assert all(np.array_equal(v, executor.run(graph, inputs)[n]) for n, v in outputs.items())


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: Path(n).stem)
def test_real_networks(network):
    if not (DATA / network).is_file():
        pytest.skip(f"no {network} in ESL_REF_DATA ({DATA})")
    assert_equals_golden(DATA / network, "base")
