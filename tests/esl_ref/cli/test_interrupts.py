# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends a verb at once, with one word, exit code 130, and no file half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from esl_ref.layout import Layout, Problem, write_csv
from tests.helpers.packings import guillotine

PATIENCE = 15.0
"""Seconds within which an interrupted verb has to be gone, on a busy machine, too."""


def interrupted(after: float, *words: str) -> tuple[int, str]:
    """(exit code, standard error) of a verb whose whole process group gets the signal that a terminal would send."""
    call = [sys.executable, "-c", "from esl_ref.cli import main; main()", *words]
    # A test runner in the background of a shell hands on that the signal is ignored.
    verb = subprocess.Popen(
        call, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    time.sleep(after)
    os.killpg(verb.pid, signal.SIGINT)
    try:
        return verb.wait(PATIENCE), verb.stderr.read() if verb.stderr else ""
    finally:
        verb.kill()


@pytest.fixture
def hard(tmp_path: Path) -> Path:
    """An instance that keeps CP-SAT busy for minutes: very many ways to fill few moments."""
    buffers = guillotine(500, 60, 1 << 20, 22, 1024)
    path = tmp_path / "hard.csv"
    write_csv(Problem(buffers), Layout({b.id: 0 for b in buffers}, 0, 0, False), path)
    return path


def test_a_search_by_cp_sat_ends_with_the_command(hard: Path, tmp_path: Path) -> None:
    """CP-SAT took the signal for itself, and the next of the searches began."""
    out = tmp_path / "out.csv"
    code, said = interrupted(8.0, "allocate", str(hard), "--capacity", "1M", "--out", str(out), "--json", f"{out}.json")
    assert (code, said.strip()) == (130, "esl-ref: interrupted")
    assert [p.name for p in tmp_path.iterdir()] == ["hard.csv"]


def test_tables_side_by_side_end_without_tracebacks(tmp_path: Path) -> None:
    tables = ("--table", "fdt", "--table", "arenas")
    code, said = interrupted(6.0, "bench", "planner", "--jobs", "2", *tables, "--json", str(tmp_path / "b.json"))
    assert code == 130 and said.strip().endswith("esl-ref: interrupted") and "Traceback" not in said
