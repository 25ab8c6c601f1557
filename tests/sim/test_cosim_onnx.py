# SPDX-License-Identifier: Apache-2.0
"""ONNX networks whole on the RTL, each generated with the rounding profile of its model. Minutes per build."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import arch, executor
from esl_ref.errors import ArchError
from esl_ref.frontends import load
from esl_ref.numerics import Profile
from esl_ref.stimulus import read_inputs
from sim.cosim import Options, cosimulate
from sim.runner import BusMemory
from tests.sim.test_cosim import check, check_prediction

MINI = ("deeploy/Models/miniMobileNet", "deeploy/Models/miniMobileNetv2")
SCALED = ("micro_kws_m_static_qoperator", "micro_kws_m_static_qdq")


@pytest.mark.cosim
@pytest.mark.slow
@pytest.mark.parametrize("name", [*MINI, "deeploy/Models/MLPerf/ImageClassification"], ids=lambda n: Path(n).name)
def test_requant_shift(name: str, data_dir: Path, tmp_path: Path) -> None:
    """On the shipped input, with stalls, twice."""
    folder = data_dir / "onnx" / name
    graph = load(folder / "network.onnx")
    inputs, _ = read_inputs(graph, folder / "inputs.npz")
    outcome = cosimulate(graph, inputs, Options(arch.load("base"), tmp_path))
    assert outcome.arch.profile is Profile.MUL_ADD_SHIFT
    check(outcome)
    check_prediction(outcome)
    check(cosimulate(graph, inputs, Options(arch.load("base"), tmp_path, memory=BusMemory(stall=0.3), repeat=2)))


@pytest.mark.cosim
@pytest.mark.slow
@pytest.mark.parametrize("name", SCALED)
def test_scales(name: str, data_dir: Path, tmp_path: Path) -> None:
    graph = load(data_dir / "onnx" / f"{name}.onnx")
    outcome = cosimulate(graph, executor.random_inputs(graph, 1), Options(arch.load("base"), tmp_path))
    assert outcome.arch.profile is Profile.EVEN
    check(outcome)
    check_prediction(outcome)


def test_a_machine_of_another_profile_is_refused(data_dir: Path, tmp_path: Path) -> None:
    graph = load(data_dir / "onnx" / MINI[0] / "network.onnx")
    options = Options(arch.load("base"), tmp_path, rtl=False, fixed=True)
    with pytest.raises(ArchError, match="rounds by profile tflite, the model by mul_add_shift"):
        cosimulate(graph, executor.random_inputs(graph, 1), options)
