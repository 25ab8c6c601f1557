# SPDX-License-Identifier: Apache-2.0
"""Dense weights: what is laid is spread again, byte by byte as the page says, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from esl_ref.arch import HEADER_BYTES, Arch, load
from esl_ref.machine.transfers import transfer_of
from esl_ref.machine.validate import check_command
from esl_ref.program.dense import WordPattern, lay, load_command, nbytes, spread
from esl_ref.program.fields import ErrorCode
from tests.helpers.dense import whole_words

MACHINES = tuple(load(name) for name in ("tiny", "base", "wide"))


@st.composite
def patterns(draw: st.DrawFn) -> tuple[Arch, WordPattern, int]:
    arch = draw(st.sampled_from(MACHINES))
    size = st.integers(1, arch.lanes)
    group = draw(st.integers(1, 8))
    pattern = WordPattern(group, draw(st.integers(0, group)), draw(st.integers(1, 9)), *(draw(size) for _ in range(3)))
    return arch, pattern, draw(st.integers(1, 20))


def walk(arch: Arch, p: WordPattern, words: int) -> list[tuple[int, int, int]]:
    """(word, lane, byte) of every byte in memory: the page's sentences as loops."""
    order = []
    for word in range(words):
        place = word % p.group_words
        if place < p.record_words:
            count = min(arch.lanes, HEADER_BYTES - arch.lanes * (place % arch.header_words))
        else:
            count = p.last_bytes if (place - p.record_words) % p.run_words == p.run_words - 1 else p.inner_bytes
        in_last = word - place + p.group_words >= words
        order += [(word, lane, i) for lane in range(p.last_lanes if in_last else arch.lanes) for i in range(count)]
    return order


@given(patterns())
def test_spreading_follows_the_page(case: tuple[Arch, WordPattern, int]) -> None:
    arch, pattern, words = case
    order = walk(arch, pattern, words)
    assert nbytes(words, pattern, arch) == len(order)
    raw = np.random.default_rng(1).integers(0, 256, len(order) + 15, np.uint8).tobytes()
    expected = np.zeros((words, arch.lanes, arch.lanes), np.uint8)
    written = np.zeros((words, arch.lanes), np.bool_)
    for value, (word, lane, i) in zip(raw, order, strict=False):
        expected[word, lane, i], written[word, lane] = value, True
    cube, lanes = spread(raw, words, pattern, arch)
    assert np.array_equal(cube, expected) and np.array_equal(lanes, written)
    assert lay(cube, pattern, arch)[: len(order)] == raw[: len(order)]
    assert len(lay(cube, pattern, arch)) % 16 == 0


def test_bytes_left_out_must_be_zero() -> None:
    arch = MACHINES[1]
    words = np.zeros((2, 16, 16), np.uint8)
    words[1, 3, 9] = 1
    lay(words, replace(whole_words(arch), last_bytes=10), arch)
    with pytest.raises(ValueError, match="leaves out"):
        lay(words, replace(whole_words(arch), last_bytes=9), arch)
    lay(words, replace(whole_words(arch), last_bytes=9, last_lanes=3), arch)  # lanes that are not loaded hold anything


def test_a_load_reads_no_bus_word_too_many() -> None:
    for arch in MACHINES:
        command = load_command(5, WordPattern(3, 1, 2, arch.lanes, 3, 2), arch)
        assert 0 <= transfer_of(command, arch).nbytes - command["size"] < arch.axi_bytes


@pytest.mark.parametrize("change", [
    {"words": 0}, {"group_words": 0}, {"record_words": 4}, {"run_words": 0}, {"inner_bytes": 0}, {"inner_bytes": 17},
    {"last_bytes": 0}, {"last_bytes": 17}, {"last_lanes": 0}, {"last_lanes": 17}, {"size": 1}, {"words": 4},
])  # fmt: skip
def test_impossible_patterns_are_refused(change: dict[str, int]) -> None:
    arch = MACHINES[1]
    good = load_command(3, WordPattern(3, 1, 2, 16, 3, 2), arch)
    assert check_command(good, arch) is None
    verdict = check_command(good.replace(**change), arch)
    assert verdict and verdict[0] is ErrorCode.BAD_PATTERN
