# SPDX-License-Identifier: Apache-2.0
"""Maps with more rows than a command can count run in strips; those beyond all commands are refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from esl_ref import arch, executor, inference
from esl_ref.compiler.limits import LONGEST
from esl_ref.errors import LimitError
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.ir import Graph
from esl_ref.pipeline import plan_model
from esl_ref.program import commands

HIGH = LONGEST + 600


def network(code: str, shape: tuple[int, ...], out: tuple[int, ...], kernel: tuple[int, ...] = (), **options: int
) -> Graph:  # fmt: skip
    """One operator over the input (twice, for ADD), with random weights where it has a kernel."""
    w, rng = TFLiteWriter(), np.random.default_rng(1)
    x = w.add_tensor("x", shape, "int8", scale=0.5)
    inputs = [x, x] if code == "ADD" else [x]
    if kernel:
        data = rng.integers(-127, 128, kernel).astype(np.int8)
        inputs.append(w.add_tensor("w", kernel, "int8", scale=0.01, data=data))
    y = w.add_tensor("y", out, "int8", scale=1.0 if kernel or code == "ADD" else 0.5)
    w.add_op(code, inputs, [y], **options)
    return load_bytes(w.finish([x], [y]))


WINDOW = {"stride_h": 1, "stride_w": 1}


@pytest.mark.parametrize("graph", [
    network("CONV_2D", (1, HIGH, 1, 2), (1, HIGH, 1, 3), (3, 9, 1, 2), **WINDOW),
    network("CONV_2D", (1, HIGH, 1, 2), (1, HIGH // 2 + HIGH % 2, 1, 2), (2, 3, 1, 2), stride_h=2, stride_w=1),
    network("DEPTHWISE_CONV_2D", (1, HIGH, 2, 2), (1, HIGH, 2, 2), (1, 3, 3, 2), depth_multiplier=1, **WINDOW),
    network("MAX_POOL_2D", (1, HIGH, 1, 2), (1, HIGH, 1, 2), filter_height=3, filter_width=1, **WINDOW),
    network("ADD", (1, HIGH, 1, 3), (1, HIGH, 1, 3)),
], ids=["conv", "strided", "depthwise", "pool", "add"])  # fmt: skip
def test_high_maps_run_in_strips(graph: Graph) -> None:
    inputs = executor.random_inputs(graph, 3)
    assert np.array_equal(inference.run(graph, inputs)["y"], executor.run(graph, inputs)["y"])


def test_wide_maps_are_refused_by_name() -> None:
    graph = network("CONV_2D", (1, 1, HIGH, 1), (1, 1, HIGH, 1), (1, 1, 3, 1), **WINDOW)
    with pytest.raises(LimitError, match=rf"operator 'y': .*ox_count = {HIGH} .*output columns.*up to {LONGEST} col"):
        plan_model(graph, arch.load("base"))


@pytest.mark.parametrize("budget", [None, 6000])
def test_maps_that_are_too_large_to_be_whole_stream(monkeypatch: pytest.MonkeyPatch, budget: int | None) -> None:
    """With buffers of up to 8191 bytes, since to time tens of MiB takes minutes."""
    short = {
        opcode: tuple(replace(f, width=13) if f.name in ("ifm_wrap", "ofm_wrap") else f for f in layout)
        for opcode, layout in commands.LAYOUTS.items()
    }
    monkeypatch.setattr(commands, "LAYOUTS", short)
    shape = (1, 40, 16, 16)
    assert plan_model(network("RELU", shape, shape), arch.load("base"), sram=budget).height <= 6000
