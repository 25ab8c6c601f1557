# SPDX-License-Identifier: Apache-2.0
"""Weights files: both headers, transposed matrices, sizes that do not fit, numbers that are none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import ModelError
from esl_ref.floating.executor import run
from esl_ref.frontends.darknet import load_file, read_network
from esl_ref.frontends.darknet.weights import open_weights
from tests.esl_ref.frontends.darknet.nets import CASES, image, made, net

MIXED = net(5, 4, 3, "convolutional filters=4 size=3 pad=1 batch_normalize=1 activation=leaky;"
            "connected output=7 batch_normalize=1 activation=linear; connected output=2 activation=linear")  # fmt: skip
HEADER = 20


def floats(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes()[HEADER:], "<f4").copy()


def result(cfg: Path, weights: Path) -> np.ndarray:
    graph = load_file(cfg, weights)
    return run(graph, {"input": image(read_network(cfg))[None]})[graph.outputs[-1]]


def test_layers_by_hand(tmp_path: Path) -> None:
    """The file's records taken apart here, in loops, against the graph's layout and folding."""
    network, cfg, weights, graph = made(tmp_path, MIXED)
    data, picture = floats(weights), image(network)
    conv = {name: data[k : k + 4] for k, name in ((0, "bias"), (4, "scale"), (8, "mean"), (12, "var"))}
    kernel, at = data[16:124].reshape(4, 3, 3, 3), 124
    padded = np.pad(picture.transpose(2, 0, 1), ((0, 0), (1, 1), (1, 1)))
    made_map = np.zeros((4, 5, 4))
    for o, y, x in np.ndindex(4, 5, 4):
        total = (kernel[o] * padded[:, y : y + 3, x : x + 3]).sum()
        value = (total - conv["mean"][o]) / (np.sqrt(conv["var"][o]) + 1e-6) * conv["scale"][o] + conv["bias"][o]
        made_map[o, y, x] = value if value > 0 else 0.1 * value
    bias, matrix = data[at : at + 7], data[at + 7 : at + 567].reshape(7, 80)
    scale, mean, var = data[at + 567 : at + 588].reshape(3, 7)
    hidden = (matrix @ made_map.reshape(-1) - mean) / (np.sqrt(var) + 1e-6) * scale + bias
    last = data[at + 590 :].reshape(2, 7) @ hidden + data[at + 588 : at + 590]
    assert network.floats == len(data) == at + 604
    np.testing.assert_allclose(result(cfg, weights)[0], last, rtol=1e-4, atol=1e-5)


def test_both_headers_and_transposed_matrices(tmp_path: Path) -> None:
    network, cfg, weights, _ = made(tmp_path, MIXED)
    body, want = weights.read_bytes()[HEADER:], result(cfg, weights)
    old = tmp_path / "old.weights"
    old.write_bytes(struct.pack("<4i", 0, 1, 0, 64) + body)
    np.testing.assert_array_equal(result(cfg, old), want)
    values = floats(weights)
    for first, (units, inputs) in ((124 + 7, (7, 80)), (124 + 590, (2, 7))):
        part = values[first : first + units * inputs]
        part[:] = part.reshape(units, inputs).T.reshape(-1)
    transposed = tmp_path / "transposed.weights"
    transposed.write_bytes(struct.pack("<4i", 1001, 0, 0, 64) + values.tobytes())
    np.testing.assert_allclose(result(cfg, transposed), want, rtol=1e-6)
    assert open_weights(transposed, network).transposed and not open_weights(old, network).transposed


def test_blocks_of_rows_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in ("strided", "groups", "connected", "local"):
        _, cfg, weights, graph = made(tmp_path, CASES[case])
        whole = [op.weight.load() for op in graph.ops if hasattr(op, "weight")]
        with monkeypatch.context() as patch:
            patch.setattr("esl_ref.frontends.darknet.parameters._BLOCK", 50)
            again = [op.weight.load() for op in load_file(cfg, weights).ops if hasattr(op, "weight")]
        for a, b in zip(whole, again, strict=True):
            np.testing.assert_array_equal(a, b)


def test_sizes_that_do_not_fit(tmp_path: Path) -> None:
    network, cfg, weights, _ = made(tmp_path, MIXED)
    data, bad = weights.read_bytes(), tmp_path / "bad.weights"
    for content, match in (
        (b"", "has 0 bytes, too few for a header"),
        (data[:-4], r"holds 727 floats, .*net.cfg needs 728: it ends in .*net.cfg, layer 2 \[connected\] at line 18"),
        (data[:100], r"holds 20 floats, .*: it ends in .*layer 0 \[convolutional\]"),
        (data[:-1], r"holds 727.75 floats"),
        (data + bytes(8), "holds 730 floats, .* needs 728; these are another network's weights"),
        (b"PK\x03\x04" + bytes(20) + data, "does not begin with a version"),
    ):
        bad.write_bytes(content)
        with pytest.raises(ModelError, match=match):
            load_file(cfg, bad)
    with pytest.raises(ModelError, match="none.weights: cannot be read"):
        load_file(cfg, tmp_path / "none.weights")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (20, np.nan, r"weights of .*net.cfg, layer 0 \[convolutional\] at line 6: number 4 is nan"),
        (0, np.inf, "biases of .*layer 0 .*: number 0 is inf"),
        (13, -1.0, r"layer 0 \[convolutional\] at line 6: rolling_variance 1 is negative"),
        (124 + 8, -np.inf, r"weights of .*layer 1 \[connected\].*: number 1 is -inf"),
    ],
)
def test_damaged_numbers_are_refused_by_name(place: int, value: float, match: str, tmp_path: Path) -> None:
    _, cfg, weights, _ = made(tmp_path, MIXED)
    values = floats(weights)
    values[place] = value
    weights.write_bytes(weights.read_bytes()[:HEADER] + values.tobytes())
    with pytest.raises(ModelError, match=match):
        result(cfg, weights)


def test_a_file_that_shrinks_meanwhile(tmp_path: Path) -> None:
    _, cfg, weights, graph = made(tmp_path, MIXED)
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match="has become shorter"):
        run(graph, {"input": np.zeros(graph.shapes["input"])})


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    _, cfg, weights, _ = made(tmp_path, MIXED)
    graph = load_file(cfg, weights)
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        graph.ops[0].weight.load()
    unread = load_file(cfg)
    assert unread.shapes == graph.shapes
    with pytest.raises(ModelError, match="layer 0 .* has no weights; give the .weights file"):
        run(unread, {"input": np.zeros(graph.shapes["input"])})


def test_parts_are_rows_of_the_whole(tmp_path: Path) -> None:
    for case in ("connected", "local"):
        _, _, _, graph = made(tmp_path, CASES[case])
        weights = [op.weight for op in graph.ops if hasattr(op, "weight") and op.weight.parts]
        assert weights
        for weight in weights:
            parts = [(first, part.copy()) for first, part in weight.parts(2)]  # each is read over the one before
            assert [first for first, _ in parts] == list(range(0, weight.shape[0], 2))
            np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), weight.load())
