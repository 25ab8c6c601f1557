# SPDX-License-Identifier: Apache-2.0
"""What the replay tests share: is a planted fault reported where it is?"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from golden.content import Content
from golden.package import opened
from golden.simulators import Bench, run_bench
from golden.surfaces import placed
from tests.golden.mutants import Mutant, flip_data_bit

__all__ = ["expect_file_flip", "expect_mutant"]

_PLACE = re.compile(r"run=(\S+) tensor=(\S+) y=(\d+) x=(\d+) channel=(\d+) expected=(-?\d+) actual=(-?\d+) cycle=(\d+)")


def _records(folder: Path) -> dict[str, Any]:
    with opened(folder) as package:
        manifest = package.manifest
    surfaces = {r["file"]: r for run in manifest["runs"] for r in (*run["inputs"], *run["expected"])}
    blocks = {b["file"]: b for p in manifest["programs"] for b in p["blocks"]}
    return surfaces | blocks


def expect_file_flip(bench: Bench, folder: Path, content: Content, rng: random.Random, pattern: str) -> None:
    """Flip a data bit of a random file that matches, replay, and demand the report; the file is put back."""
    records = _records(folder)
    name = rng.choice(sorted(n for n in records if re.search(pattern, n)))
    path, word = folder / name, content.arch.axi_bytes
    good = path.read_bytes()
    offset, bit = flip_data_bit(path, rng, word)
    outcome = run_bench(bench, folder, seconds=600)
    path.write_bytes(good)
    said = f"{name} byte {offset} bit {bit}:\n{outcome.text}"
    assert not outcome.passed and outcome.status != 0, said
    (damaged,) = {line for line in outcome.lines("DAMAGED") if f"file={name} " in line}
    assert f" address=0x{records[name]['address'] + offset:08x} bit={bit}" in damaged, said
    if "expected." not in name:
        return
    run, entry = name.split("/")[2], next(e for e in content.entries if e.name == name.split("/")[2])
    p = next(p for p in placed(entry.program, "out", "trace") if p.surface.name == records[name]["name"])
    assert p.place(offset) in damaged, said
    if "fill_byte" not in damaged:
        (line,) = [line for line in outcome.lines("FIRST DIVERGENCE") if f"run={run}." in line]
        assert f" {p.place(offset)} " in line, said


def expect_mutant(bench: Bench, folder: Path, content: Content, mutant: Mutant) -> None:
    """The report must name a byte of the mutant's lane, with golden's value as the expected one."""
    outcome = run_bench(bench, folder, f"+mutant={mutant.number}", seconds=600)
    said = f"{mutant}:\n{outcome.text}"
    assert not outcome.passed and outcome.status != 0, said
    matches = [_PLACE.search(line) for line in outcome.lines("FIRST DIVERGENCE")]
    assert matches and all(matches), said
    run, tensor, y, x, c, want, got, cycle = matches[-1].groups()  # type: ignore[union-attr]
    assert int(c) % content.arch.post_lanes == mutant.lane and want != got and int(cycle) > 0, said
    value = content.vectors[0].tensors[tensor].reshape(-1)
    p = next(p for e in content.entries if run.startswith(f"{e.name}.")
             for p in placed(e.program, "out", "trace") if p.surface.name == tensor)  # fmt: skip
    _, width, channels = p.map
    assert int(value[(int(y) * width + int(x)) * channels + int(c)]) == int(want), said
