# SPDX-License-Identifier: Apache-2.0
"""Quantised Darknet networks, whole, on the RTL of `base`. Minutes per build and network: not an everyday run."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import arch, executor
from esl_ref.floating.graph import FloatGraph
from esl_ref.frontends import load_model
from esl_ref.quantiser import quantise
from esl_ref.quantiser.data import from_path
from sim.cosim import Options, cosimulate
from tests.sim.test_cosim import check, check_prediction

pytestmark = [pytest.mark.cosim, pytest.mark.slow]


@pytest.mark.parametrize("name", ["yoloface-50k", "MobileNetV2-YOLO-Fastest-voc", "yolo-fastest-1.1"])
def test_base(name: str, data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "darknet"
    graph = load_model(folder / "weights" / f"{name}.cfg", folder / "weights" / f"{name}.weights")
    assert isinstance(graph, FloatGraph)
    integer = quantise(graph, from_path(graph, folder / "data")).graph
    outcome = cosimulate(integer, executor.random_inputs(integer, 1), Options(arch.load("base"), tmp_path))
    check(outcome)
    check_prediction(outcome)
