# SPDX-License-Identifier: Apache-2.0
"""Golden against tflite-micro, byte for byte: random single-operator models, and the embedded model.

The command that repeats a failing case: `python -m pytest tests/esl_ref/test_executor_against_oracle.py -k KIND`;
the message names kind and seed, and `tests.helpers.tflite_cases.make_case(kind, seed)` builds it again.
"""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.executor import run
from esl_ref.frontends.tflite import load_bytes, load_file
from esl_ref.models import embedded_inputs, embedded_labels, embedded_metadata, embedded_path
from tests.helpers.oracles import run_micro
from tests.helpers.tflite_cases import KINDS, make_case


def _assert_golden_equals_micro(kind: str, seed: int) -> None:
    case = make_case(kind, seed)
    graph = load_bytes(case.model, f"{kind}-{seed}.tflite")
    values = run(graph, dict(zip(graph.inputs, case.inputs, strict=True)))
    for name, expected in zip(graph.outputs, run_micro(case.model, case.inputs), strict=True):
        np.testing.assert_array_equal(values[name], expected, err_msg=str(case))


@pytest.mark.parametrize("kind", KINDS)
def test_random_layers(kind: str) -> None:
    for seed in range(25):
        _assert_golden_equals_micro(kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_layers(kind: str) -> None:
    for seed in range(25, 1000):
        _assert_golden_equals_micro(kind, seed)


def test_embedded_model_scores_its_published_accuracy() -> None:
    """Equal accuracy over the whole test set, and equal bytes on a part of it."""
    graph, model = load_file(embedded_path()), embedded_path().read_bytes()
    outputs = [run(graph, {graph.inputs[0]: image[None]})[graph.outputs[0]] for image in embedded_inputs()]
    right = [int(out.argmax()) == label for out, label in zip(outputs, embedded_labels(), strict=True)]
    assert np.mean(right) == embedded_metadata()["accuracy"]["int8"]
    for index in range(0, len(outputs), 25):
        np.testing.assert_array_equal(outputs[index], run_micro(model, [embedded_inputs()[index][None]])[0])
