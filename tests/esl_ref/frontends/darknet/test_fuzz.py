# SPDX-License-Identifier: Apache-2.0
"""Files that nobody wrote: read, run, or refused by a typed error, with little memory whatever they ask for."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esl_ref.errors import EslError
from esl_ref.floating import FloatGraph
from esl_ref.floating.executor import run
from esl_ref.frontends.darknet import load_file, read_cfg, read_network
from esl_ref.frontends.darknet.keys import _USED, KINDS
from esl_ref.frontends.darknet.weights import write_weights
from tests.esl_ref.frontends.darknet.nets import CASES

MEMORY = 64 << 20
SMALL = 1 << 18
"""Elements and weights up to which a network is also run."""
RELAXED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.one_of(st.integers(-4, 12), st.sampled_from([0, 1, 2, 3, 10**9, 2**31 - 1, 2**31, -(2**40), 10**30]))
values = st.one_of(
    numbers.map(str),
    st.lists(st.integers(-6, 6), max_size=4).map(lambda items: ",".join(map(str, items))),
    st.sampled_from(["leaky", "linear", "relu", "", ".5", "1e400", "nan", "9" * 5000, "x", "-1,", "0x3"]),
)


@st.composite
def options(draw: st.DrawFn, kind: str) -> str:
    keys = draw(st.lists(st.sampled_from(sorted(_USED[kind]) or ["activation"]), unique=True, max_size=5))
    return "".join(f"{key}={draw(values)}\n" for key in keys)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """Known sections with options they know, whose values may be anything; inputs mostly sensible."""
    sides = draw(st.one_of(st.tuples(*[st.integers(1, 12)] * 3), st.tuples(numbers, numbers, numbers)))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS - {"net"})), min_size=1, max_size=6))
    body = "".join(f"[{kind}]\n{draw(options(kind))}" for kind in kinds)
    return "[net]\nheight={}\nwidth={}\nchannels={}\n".format(*sides) + body


def read_and_run(text: bytes, folder: Path) -> None:
    """Nothing but typed errors; what is small enough is run with seeded weights."""
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_bytes(text)
    try:
        network = read_network(cfg)
        read_cfg(cfg)
        assert isinstance(load_file(cfg), FloatGraph)
    except EslError as error:
        assert str(cfg) in str(error) or "graph 'net'" in str(error)
        return
    work = sum(layer.elements for layer in network.layers) + network.floats + int(np.prod(network.shape))
    if work > SMALL or any(getattr(layer, "size", 1) > 64 for layer in network.layers):
        return
    write_weights(weights, network, 1)
    graph = load_file(cfg, weights)
    with np.errstate(all="ignore"):
        made = run(graph, {"input": np.zeros(graph.shapes["input"])})
    assert {name: value.shape for name, value in made.items()} == {name: graph.shapes[name] for name in graph.outputs}


@given(text=configurations())
@RELAXED
def test_configurations(text: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        read_and_run(text.encode(), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


@given(case=st.sampled_from(sorted(CASES)), data=st.data())
@RELAXED
def test_damaged_configurations(case: str, data: st.DataObject, tmp_path: Path) -> None:
    text = bytearray(CASES[case].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read_and_run(bytes(text), tmp_path)


@given(content=st.binary(max_size=200), version=st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3))
@RELAXED
def test_weights(content: bytes, version: tuple[int, int, int], tmp_path: Path) -> None:
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(CASES["avgpool"].replace("[avgpool]", "[convolutional]\nbatch_normalize=1\nfilters=2"))
    weights.write_bytes(struct.pack("<3i", *version) + content)
    try:
        graph = load_file(cfg, weights)
        run(graph, {"input": np.ones(graph.shapes["input"])})
    except EslError as error:
        assert "net.weights" in str(error)


def test_many_layers_take_no_more_than_seconds(tmp_path: Path) -> None:
    layers = "[convolutional]\n[shortcut]\nfrom=-1\n" * 1000
    read_and_run(f"[net]\nheight=8\nwidth=8\nchannels=3\n{layers}".encode(), tmp_path)
