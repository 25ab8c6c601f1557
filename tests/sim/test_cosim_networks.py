# SPDX-License-Identifier: Apache-2.0
"""Whole public networks on the RTL, each on memories of the planned size. Minutes per build: not an everyday run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from esl_ref import arch, executor
from esl_ref.arch import Arch
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.models import embedded_path
from sim.cosim import Options, Outcome, cosimulate
from sim.runner import BusMemory
from tests.sim.test_cosim import check, check_prediction

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

NETWORKS = (
    "mlperf_tiny/models/ad_toycar_int8", "mlperf_tiny/models/ic_resnet8_int8", "mlperf_tiny/models/kws_dscnn_int8",
    "mlperf_tiny/models/strww_int8", "mlperf_tiny/models/vww_mnv1_025_96_int8", "tflite/tflm_person_detect",
    "tflite/mlonmcu_micro_kws_m", "tflite/nxp_yolo_face_detect",
)  # fmt: skip
OTHERS = (
    "cfu_mobilenet_v2_035_160", "coral_mobilenet_v1_025_128_u8", "coralnpu_mnv1_partial", "mcunet_320kb_1mb_imagenet",
    "mlonmcu_catdog", "mlonmcu_qnn_model", "tflm_micro_speech", "tinyengine_detection_fpn", "tinyengine_vww_mcunet",
    "tinymaix_cifar10", "tinymaix_mbnet128_025", "tinymaix_mnist_dw", "tinymaix_mnist_resnet", "tinymaix_mnist_valid",
)  # fmt: skip


def stalled(graph: Graph, machine: Arch, between: list[Graph], folder: Path) -> Outcome:
    options = Options(machine, folder, memory=BusMemory(stall=0.3, seed=7), repeat=2, between=between, fixed=True)
    return cosimulate(graph, executor.random_inputs(graph, 2), options)


@pytest.mark.parametrize("name", NETWORKS, ids=lambda n: Path(n).name)
def test_base(name: str, data_dir: Path, tmp_path: Path) -> None:
    graph = load(data_dir / f"{name}.tflite")
    outcome = cosimulate(graph, executor.random_inputs(graph, 1), Options(arch.load("base"), tmp_path))
    check(outcome)
    check_prediction(outcome)


@pytest.mark.parametrize("name", NETWORKS, ids=lambda n: Path(n).name)
def test_stalled_with_another_network_between(name: str, data_dir: Path, tmp_path: Path, roomy: Arch) -> None:
    """Stalls on every channel, twice without reset; one machine for all, so that it is built once."""
    check(stalled(load(data_dir / f"{name}.tflite"), roomy, [load(embedded_path())], tmp_path))


@pytest.mark.parametrize("name", ["embedded", "mlperf_tiny/models/kws_dscnn_int8"], ids=lambda n: Path(n).name)
@pytest.mark.parametrize("preset", ["tiny", "wide"])
def test_other_arrays(preset: str, name: str, data_dir: Path, tmp_path: Path) -> None:
    """With and without stalls, twice without reset with another network between."""
    graph = load(embedded_path() if name == "embedded" else data_dir / f"{name}.tflite")
    other = load(data_dir / "mlperf_tiny" / "models" / "ad_toycar_int8.tflite")
    machine = arch.load(preset)
    outcome = cosimulate(graph, executor.random_inputs(graph, 1), Options(machine, tmp_path, fixed=True))
    check(outcome)
    check_prediction(outcome)
    check(stalled(graph, machine, [other], tmp_path))


@pytest.mark.parametrize("name", OTHERS)
def test_all_other_networks_on_one_machine(name: str, data_dir: Path, tmp_path: Path, roomy: Arch) -> None:
    graph = load(data_dir / "tflite" / f"{name}.tflite")
    machine = dataclasses.replace(roomy, weight_words=256, line_depth=256)
    outcome = cosimulate(graph, executor.random_inputs(graph, 1), Options(machine, tmp_path, fixed=True))
    print(f"{outcome.cycles} cycles, utilisation {100 * outcome.utilisation:.1f} %, {len(outcome.compared)} tensors")
    check(outcome)
    check_prediction(outcome)


def test_mobilenet_v2_on_memories_of_the_planned_size(data_dir: Path, tmp_path: Path) -> None:
    graph = load(data_dir / "tflite" / "cfu_mobilenet_v2_035_160.tflite")
    outcome = cosimulate(graph, executor.random_inputs(graph, 1), Options(arch.load("base"), tmp_path))
    check(outcome)
    check_prediction(outcome)
