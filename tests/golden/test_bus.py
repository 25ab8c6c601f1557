# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from esl_ref.arch import Arch
from esl_ref.program.fields import Opcode
from golden.bus import bursts, lite_lines, read_lines
from golden.content import Content


@given(st.integers(0, 1 << 16), st.integers(1, 1 << 12), st.sampled_from([8, 16]), st.integers(1, 64))
def test_bursts_cover_a_transfer_within_the_rules(start: int, beats: int, word: int, longest: int) -> None:
    arch = Arch(axi_bytes=word, lanes=16, burst_beats=longest)
    start *= word
    at = start
    for address, count in bursts(start, beats * word, arch):
        assert address == at and 1 <= count <= longest
        assert address // 4096 == (address + count * word - 1) // 4096
        at += count * word
    assert at == start + beats * word


def test_every_command_is_fetched_once_and_every_load_read(head: Content) -> None:
    entry = head.entries[0]
    beats = sum(int(line.split()[2], 16) + 1 for line in read_lines(entry, "fetch"))
    assert beats * 8 == 96 * len(entry.program.commands)
    tables = sum(c.opcode is Opcode.LOAD_WEIGHTS for c in entry.program.commands)
    assert len(list(read_lines(entry, "load"))) >= tables


def test_registers_end_with_the_doorbell_then_the_interrupt(head: Content) -> None:
    lines = [line.split()[0] + (line.split()[-1] if line != "IRQ" else "") for line in lite_lines(head.entries[0])]
    assert lines[-5:] == ["WCTRL", "IRQ", "RSTATUS", "RERROR_CODE", "WIRQ_STATUS"]


def test_store_lists_agree_with_the_expected_tensors(head_package: Path) -> None:
    data = [line.split() for line in (head_package / "bus/p0.v0.wdata.txt").read_text().splitlines()]
    addresses = [line.split() for line in (head_package / "bus/p0.v0.store.txt").read_text().splitlines()]
    assert len(data) == sum(int(a[2], 16) + 1 for a in addresses)
    assert sum(int(d[3]) for d in data) == len(addresses)
    expected = (head_package / "vectors/v0/p0/expected.fc6.hex").read_text().split()
    assert data[0][1] == expected[1]
