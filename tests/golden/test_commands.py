# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import CheckFailed
from esl_ref.machine import WriteSet
from golden.commands import change_lines, check_outputs, run_machine
from golden.content import Content


def _write(addresses: list[int], data: list[int]) -> WriteSet:
    return WriteSet("act", np.array(addresses, np.int64), np.array(data, np.int8), (len(data),))


def test_addresses_that_follow_each_other_are_one_record() -> None:
    lines = list(change_lines(_write([18, 16, 17, 40], [3, 1, 2, -1])))
    assert lines == ["act 10 010203", "act 28 ff"]
    assert list(change_lines(_write([], []))) == []


def test_records_replayed_give_what_golden_expects(embedded: Content, embedded_package: Path) -> None:
    """Whoever applies the records command by command sees every tensor, and the outputs in external memory."""
    entry, vector = embedded.entries[1], embedded.vectors[0]
    memory, seen = {}, Counter()
    for line in (embedded_package / "commands/t0.v0.txt").read_text().splitlines():
        words = line.split()
        if words[0] == "command":
            seen[words[2]] += 1
            assert int(words[1]) < len(entry.program.commands)
            continue
        raw = bytes.fromhex(words[2])
        for i, value in enumerate(raw):
            memory[words[0], int(words[1], 16) + i] = value
    external = run_machine(entry, vector)
    assert seen["STORE_ROWS"] and seen["CONV"] and seen["LOAD_WEIGHTS"]
    stored = {a: v for (where, a), v in memory.items() if where == "external"}
    assert stored and all(external[a] == v for a, v in stored.items())


def test_a_machine_that_departs_from_golden_is_no_package(head: Content) -> None:
    entry, vector = next(head.runs())
    memory = run_machine(entry, vector)
    check_outputs(entry, vector, memory)
    at = next(s for s in entry.program.surfaces_of("out"))
    from golden.surfaces import placed

    where = next(p for p in placed(entry.program, "out") if p.surface.name == at.name)
    memory[where.address + 3] ^= 1
    with pytest.raises(CheckFailed, match="channel=3"):
        check_outputs(entry, vector, memory)
