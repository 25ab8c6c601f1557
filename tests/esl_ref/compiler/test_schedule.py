# SPDX-License-Identifier: Apache-2.0
"""Long networks are scheduled in time that grows with their length: a task is not compared with all others."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from esl_ref import arch
from esl_ref.compiler import parking
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import build, layerwise_groups
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.ir import Graph

TASKS = 60


def chain() -> Graph:
    """One table after the other, all of them outputs, so that every step has rows to store."""
    w = TFLiteWriter()
    names = [w.add_tensor(f"t{k}", (1, 2, 2, 2), "int8", scale=0.5) for k in range(TASKS + 1)]
    for a, b in zip(names, names[1:], strict=False):
        w.add_op("RELU", [a], [b])
    return load_bytes(w.finish(names[:1], names[1:]))


def test_steps_do_not_ask_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str, original: Any) -> Any:
        def function(*given: Any) -> Any:
            calls[name] += 1
            return original(*given)

        return function

    monkeypatch.setattr(parking, "_reads", counted("reads", parking._reads))
    monkeypatch.setattr(parking.Leaving, "_writes", counted("writes", parking.Leaving._writes))
    _, machine, _, lowered = prepare(chain(), arch.load("base"))
    build(lowered[0], layerwise_groups(lowered[0]), machine)
    assert calls["writes"] <= TASKS and calls["reads"] == 0
