# SPDX-License-Identifier: Apache-2.0
"""The example reader in C, compiled and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from golden.commands import run_machine
from golden.content import Content
from golden.simulators import BENCH


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("reader") / "reader"
    command = [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-o", str(out), str(BENCH / "reader.c")]
    subprocess.run(command, check=True)
    return out


def test_is_an_example_of_under_200_lines() -> None:
    assert len((BENCH / "reader.c").read_text().splitlines()) < 200


def test_reads_every_run_and_prints_a_tensor(reader: Path, embedded: Content, embedded_package: Path) -> None:
    done = subprocess.run([reader, embedded_package, "t0.v0", "pw3"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line == "  expects pw3, 1176 bytes" and "run t0.v0" in lines[:i])
    values = np.array([[int(v) for v in line.split()] for line in lines[at + 1 : at + 8]])
    assert np.array_equal(values, embedded.vectors[0].tensors["pw3"].reshape(7, -1))
    assert [line for line in lines if line.startswith("run")] == ["run p0.v0", "run t0.v0"]


@pytest.mark.parametrize("memory", ["act", "weight", "external"])
def test_prints_a_memory_as_a_command_leaves_it(
    memory: str, reader: Path, embedded: Content, embedded_package: Path
) -> None:
    entry, vector, writes = embedded.entries[0], embedded.vectors[0], []
    run_machine(entry, vector, lambda index, command, written: writes.append((index, written)))
    indices = [index for index, written in writes if written.memory == memory]
    for last in (indices[0], indices[len(indices) // 2], indices[-1]):
        want: dict[int, int] = {}
        for index, written in writes:
            if index <= last and written.memory == memory:
                want |= dict(zip(written.addresses.tolist(), written.data.astype(np.uint8).tolist(), strict=True))
        words = [reader, embedded_package, "p0.v0", memory, str(last)]
        found: dict[int, int] = {}
        for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines():
            address, raw = int(line.split()[0], 16), bytes.fromhex(line.split()[1])
            found |= dict(enumerate(raw, address))
        assert found == want


def test_refuses_a_damaged_file(reader: Path, head_package: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(head_package)
    path = folder / "programs/p0/constants.hex"
    path.write_text(path.read_text().replace("1", "2", 1))
    done = subprocess.run([reader, folder], capture_output=True, text=True)
    assert done.returncode == 1 and "constants.hex: " in done.stderr
