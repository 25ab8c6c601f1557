# SPDX-License-Identifier: Apache-2.0
"""Keyword spotting in both of ONNX's quantised forms against ONNX Runtime, every tensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from esl_ref import inference
from esl_ref.executor import run
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.numerics import Profile
from esl_ref.ops import lookup
from esl_ref.stimulus import as_in_file, fit
from tests.helpers.onnx_cases import Array, run_onnx

INPUTS = 8


@dataclass
class Counts:
    """Elements equal, one apart, and further apart."""

    equal: int = 0
    one: int = 0
    worse: int = 0

    def add(self, a: Array, b: Array) -> None:
        apart = np.abs(a.astype(np.int64) - b.astype(np.int64))
        self.equal += int((apart == 0).sum())
        self.one += int((apart == 1).sum())
        self.worse += int((apart > 1).sum())


def network(data_dir: Path, form: str) -> tuple[Graph, bytes]:
    path = data_dir / "onnx" / f"micro_kws_m_static_{form}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return load(path), path.read_bytes()


def features(number: int) -> Array:
    rng = np.random.default_rng(number)
    return (rng.standard_normal((1, 1960)) * 2).astype(np.float32)


def counted(graph: Graph, data: bytes, *, forced: bool) -> dict[str, Counts]:
    """Per int8 tensor. `forced`: each operator reads ONNX Runtime's tensors, so that only its own rounding counts."""
    counts: dict[str, Counts] = {}
    for number in range(INPUTS):
        theirs = run_onnx(data, {graph.inputs[0]: features(number)}, every=True)
        values: dict[str, Array] = {name: t.data for name, t in graph.tensors.items() if t.data is not None}
        values[graph.inputs[0]] = features(number)
        for op in graph.ops:
            name = op.outputs[0]
            values[name] = lookup(op).fast(op, [values[n] for n in op.inputs], graph.tensors[name])
            if name in theirs and values[name].dtype == np.int8:
                ours = as_in_file(graph, {name: values[name]})[name]
                counts.setdefault(name, Counts()).add(ours, theirs[name])
                if forced:
                    values[name] = fit(theirs[name], graph.tensors[name], name)[0]
    return counts


def test_qoperator_is_equal_throughout(data_dir: Path) -> None:
    graph, data = network(data_dir, "qoperator")
    counts = counted(graph, data, forced=False)
    assert len(counts) == 15 and graph.profile is Profile.EVEN
    assert {name: c for name, c in counts.items() if c.one or c.worse} == {}


def test_qdq_differs_by_one_where_float_has_rounded(data_dir: Path) -> None:
    """In float, the mean of four bytes on the output's own scale is a tie that float32 may miss on either side: those
    two layers differ by one in less than 1 % of their elements, a convolution in one of half a million."""
    graph, data = network(data_dir, "qdq")
    counts = counted(graph, data, forced=True)
    assert len(counts) == 15 and all(c.worse == 0 for c in counts.values())
    apart = {name: c for name, c in counts.items() if c.one}
    pools = [name for name in apart if "AvgPool" in name]
    assert all(apart[name].one < 0.01 * apart[name].equal for name in pools)
    assert all(c.one < 1e-4 * c.equal for name, c in apart.items() if name not in pools)


def test_qdq_from_end_to_end(data_dir: Path) -> None:
    """What the means' ties do to the layers after them; the network's answer is the same."""
    graph, data = network(data_dir, "qdq")
    counts = counted(graph, data, forced=False)
    total = sum(c.equal + c.one + c.worse for c in counts.values())
    assert sum(c.one for c in counts.values()) < 2e-3 * total and sum(c.worse for c in counts.values()) < 2e-4 * total
    for number in range(INPUTS):
        x = {graph.inputs[0]: features(number)}
        (ours,), theirs = run(graph, x).values(), run_onnx(data, x)[graph.outputs[0]]
        assert ours.dtype == theirs.dtype == np.float32 and np.abs(ours - theirs).max() <= 1 / 255


@pytest.mark.parametrize("form", ["qdq", "qoperator"])
def test_the_machine_agrees(form: str, data_dir: Path) -> None:
    graph, _ = network(data_dir, form)
    x = {graph.inputs[0]: features(0)}
    golden, machine = run(graph, x, keep="all"), inference.run(graph, x, arch="base", keep="all")
    assert all(np.array_equal(machine[name], golden[name]) for name in machine if name in golden)
    assert "Transpose" not in {op.kind for op in graph.ops}
