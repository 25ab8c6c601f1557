# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import InputError
from golden.hexfile import parse_hex, sums, to_hex

MASK = (1 << 64) - 1


def test_bytes_come_last_first_after_the_word_address() -> None:
    assert to_hex(bytes(range(1, 11)), 32, 8) == b"@00000004\n0807060504030201\n0000000000000a09\n"


@given(st.binary(min_size=1, max_size=200), st.sampled_from([8, 16]))
def test_reads_back(data: bytes, word: int) -> None:
    address, raw = parse_hex(to_hex(data, 5 * word, word), word, "x")
    assert (address, raw[: len(data)]) == (5 * word, data) and not any(raw[len(data) :])


@pytest.mark.parametrize("text", [b"", b"0011\n", b"@0\n00\n", b"@0\nzz00000000000000\n", b"@0\n\xff000000000000000\n"])
def test_refuses_what_is_no_such_file(text: bytes) -> None:
    with pytest.raises(InputError, match="x: is no"):
        parse_hex(text, 8, "x")


@given(st.binary(min_size=1, max_size=400), st.data())
def test_sums_tell_where_a_bit_flipped(data: bytes, draw: st.DataObject) -> None:
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    before, after = sums(data, 8), sums(bytes(changed), 8)
    plain, weighted = ((b - a) & MASK for a, b in zip(before, after, strict=True))
    if plain >> 63:
        plain, weighted = -plain & MASK, -weighted & MASK
    assert plain == 1 << bit % 32 and weighted // plain - 1 == bit // 32
