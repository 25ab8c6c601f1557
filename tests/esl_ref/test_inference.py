# SPDX-License-Identifier: Apache-2.0
"""Whole models: the machine's tensors equal the golden executor's, on every preset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import esl_ref
from esl_ref import executor, frontends, inference
from esl_ref.arch import PRESETS
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter

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


@pytest.mark.parametrize("keep", ["outputs", "all"])
def test_a_constant_is_an_output(keep: Literal["outputs", "all"]) -> None:
    w = TFLiteWriter()
    x, y = (w.add_tensor(name, (1, 3, 3, 2), "int8", scale=0.5) for name in "xy")
    constant = w.add_tensor("c", (1, 3), "int8", scale=0.5, data=np.array([[1, 2, 3]], np.int8))
    w.add_op("RELU", [x], [y])
    graph = load_bytes(w.finish([x], [y, constant]))
    inputs = executor.random_inputs(graph, 1)
    golden, machine = executor.run(graph, inputs, keep=keep), inference.run(graph, inputs, keep=keep)
    assert golden["c"].tolist() == machine["c"].tolist() == [[1, 2, 3]]
    assert np.array_equal(golden["y"], machine["y"])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: Path(n).stem)
def test_real_networks(network):
    if not (DATA / network).is_file():
        pytest.skip(f"no {network} in ESL_REF_DATA ({DATA})")
    assert_equals_golden(DATA / network, "base")
