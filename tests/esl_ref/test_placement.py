# SPDX-License-Identifier: Apache-2.0
"""Places of operators, and the survey that shows them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from esl_ref.frontends import load
from esl_ref.ir import AveragePool, Softmax, Transpose
from esl_ref.placement import Where, placement
from esl_ref.survey import survey
from tests.conftest import ROOT

EMBEDDED = ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite"


def test_host_operators_say_why() -> None:
    graph = load(EMBEDDED)
    for op in graph.ops:
        place = placement(op, graph)
        assert (place.where is Where.HOST) == bool(place.reason) == isinstance(op, Softmax), op.name


def test_transpose_is_host_work_and_unsigned_means_are_not(data_dir: Path) -> None:
    graph = load(data_dir / "tflite" / "tinyengine_vww_mcunet.tflite")
    assert all(placement(op, graph).where is Where.HOST for op in graph.ops if isinstance(op, Transpose))
    legacy = load(data_dir / "tflite" / "coral_mobilenet_v1_025_128_u8.tflite")
    (pool,) = (op for op in legacy.ops if isinstance(op, AveragePool))
    assert placement(pool, legacy).where is Where.ACCELERATOR
    odd = dataclasses.replace(pool, zero_in=-5, act=dataclasses.replace(pool.act, zero_point=-5))
    assert placement(odd, legacy).reason == "average pooling about a zero point of -5"


def test_the_survey_adds_up() -> None:
    graph = load(EMBEDDED)
    result = survey(graph)
    assert [o.kind for o in result.operators] == [op.kind for op in graph.ops]
    assert result.macs == sum(o.macs for o in result.operators) == 873_432
    assert result.largest_activation_bytes == 28 * 28 * 16
    assert "3x3 stride 2,2 pad 0,1,0,1" in [o.details for o in result.operators]
