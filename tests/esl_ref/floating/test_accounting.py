# SPDX-License-Identifier: Apache-2.0
"""Bytes of a small network counted by hand."""

from __future__ import annotations

import numpy as np

from esl_ref.floating import FloatGraph, Parameter
from esl_ref.floating.accounting import everything_bytes, layerwise_bytes, workspace_elements
from esl_ref.floating.graph import Add, Conv, Dense, Reshape
from esl_ref.ir import Padding


def network(part: bool) -> FloatGraph:
    """Two 3 x 3 convolutions of 4 x 4 maps around a shortcut, flattened into a fully connected layer of 3."""
    def weights(*shape: int, parts: bool = False) -> Parameter:
        values = np.ones(shape, np.float32)
        rows = (lambda step: iter([(0, values)])) if parts else None
        return Parameter(shape, lambda: values, parts=rows)

    pad = Padding(1, 1, 1, 1)
    shapes = {"x": (1, 4, 4, 2), "a": (1, 4, 4, 5), "b": (1, 4, 4, 5), "s": (1, 4, 4, 5), "f": (1, 80), "y": (1, 3)}
    return FloatGraph("net", shapes, (
        Conv("a", ("x",), "a", weights(5, 3, 3, 2), weights(5), padding=pad),
        Conv("b", ("a",), "b", weights(5, 3, 3, 5), weights(5), padding=pad),
        Add("s", ("a", "b"), "s"),
        Reshape("f", ("s",), "f"),
        Dense("y", ("f",), "y", weights(3, 80, parts=part), weights(3)),
    ), ("x",), ("y",))  # fmt: skip


def test_by_hand() -> None:
    x, a, flat = 32, 80, 80
    unfolded = [16 * 18, 16 * 45]
    conv, conv2, dense = 90 + 5, 225 + 5, 240 + 3
    for part in (False, True):
        graph = network(part)
        assert workspace_elements(graph) == unfolded[1]
        assert everything_bytes(graph) == 4 * (x + 3 * a + 3 + conv + conv2 + dense + unfolded[1])
        steps = (x + a + unfolded[0] + conv, 2 * a + unfolded[1] + conv2, 3 * a, flat + 3 + dense)
        assert layerwise_bytes(graph) == 4 * max(steps)


def test_layers_that_come_in_parts_count_one_part(monkeypatch) -> None:
    monkeypatch.setattr("esl_ref.floating.accounting.WORKSPACE", 80)
    whole, parts = (layerwise_bytes(network(part)) for part in (False, True))
    assert whole == parts == 4 * (2 * 80 + 180 + 230)  # the second convolution's, whose workspace is one row now
    last = FloatGraph("last", {"f": (1, 80), "y": (1, 3)}, (network(True).ops[-1],), ("f",), ("y",))
    assert layerwise_bytes(last) == 4 * (80 + 3 + 80 + 3)
