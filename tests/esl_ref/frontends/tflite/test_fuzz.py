# SPDX-License-Identifier: Apache-2.0
"""Damaged models: whatever bytes change, the front end answers with a graph that runs or with an EslError."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esl_ref.errors import EslError
from esl_ref.executor import random_inputs, run
from esl_ref.frontends.tflite import load_bytes
from tests.conftest import ROOT
from tests.helpers.tflite_cases import KINDS, make_case

EMBEDDED = (ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite").read_bytes()
SECONDS = 20.0

pytestmark = pytest.mark.usefixtures("bounded_memory")

WORDS = st.sampled_from(
    [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80", b"\0\0\1\0", b"\0\0\xc0\x7f"]
)
CHANGE = st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(WORDS, st.binary(min_size=1, max_size=4)))


def _try(data: bytes) -> None:
    started = time.monotonic()
    try:
        graph = load_bytes(data)
        if sum(t.nbytes for t in graph.activations()) < 4 << 20:
            run(graph, random_inputs(graph, 0))
    except EslError:
        pass
    assert time.monotonic() - started < SECONDS


def _changed(data: bytes, changes: list[tuple[float, bytes]]) -> bytes:
    result = bytearray(data)
    for place, new in changes:
        start = int(place * len(result))
        result[start : start + len(new)] = new
    return bytes(result[: len(data)])


@settings(max_examples=300)
@given(st.lists(CHANGE, min_size=1, max_size=6))
def test_changed_bytes_of_the_embedded_model(changes: list[tuple[float, bytes]]) -> None:
    _try(_changed(EMBEDDED, changes))


@settings(max_examples=60)
@given(st.integers(0, len(EMBEDDED)), st.binary(max_size=64))
@example(8, b"")
def test_truncated_or_overwritten_tails(size: int, tail: bytes) -> None:
    _try(EMBEDDED[:size] + tail)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(seed=st.integers(0, 50), changes=st.lists(CHANGE, min_size=1, max_size=3))
def test_changed_bytes_of_single_operators(kind: str, seed: int, changes: list[tuple[float, bytes]]) -> None:
    """Small files are nearly all structure, so that almost every change hits some."""
    _try(_changed(make_case(kind, seed).model, changes))


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_random_bytes_behind_the_identifier(data: bytes) -> None:
    _try(b"\x10\0\0\0TFL3" + data)
