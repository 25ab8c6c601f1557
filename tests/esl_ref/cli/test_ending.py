# SPDX-License-Identifier: Apache-2.0
"""SIGTERM ends a verb and all that it started, with one word, exit code 143, and no file half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from esl_ref.cli.ending import Terminated, unwound_by_sigterm
from esl_ref.models import embedded_path

PATIENCE = 300.0
"""Seconds within which a verb reaches the process that the test waits for, on a busy machine, too."""
GRACE = 5.0
"""Seconds for what was told to end, and for multiprocessing's tracker, which ends last."""


def commands(session: int) -> dict[int, str]:
    """Process -> command line, of everything that was started in a session and still runs."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            pass
    return found


def terminated(started: Callable[[str], bool], build: Path, *words: str) -> tuple[int, str, dict[int, str]]:
    """(exit code, standard error, what is left of its processes) of a verb that gets SIGTERM, alone of them all, when a
    command line of one of its processes is as `started` says."""
    call = [sys.executable, "-c", "from esl_ref.cli import main; main()", *words]
    verb = subprocess.Popen(
        call, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        env={**os.environ, "ESL_REF_BUILD": str(build)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not any(map(started, commands(verb.pid).values())):
            assert verb.poll() is None and time.monotonic() < deadline, "never came that far"
            time.sleep(0.02)
        verb.send_signal(signal.SIGTERM)
        _, said = verb.communicate(timeout=PATIENCE)
        deadline = time.monotonic() + GRACE
        while commands(verb.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        return verb.returncode, said, commands(verb.pid)
    finally:
        for process in (*commands(verb.pid), verb.pid):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass


def test_a_conversion_ends_with_the_verb(tmp_path: Path) -> None:
    words = ("rtl", "--sram", "64K", "--arch", "tiny", "--out", str(tmp_path / "out"))
    code, said, left = terminated(lambda line: "-m rtl.verilog" in line, tmp_path, *words)
    assert (code, said.strip(), left) == (143, "esl-ref: terminated", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.cosim
def test_a_build_ends_with_the_verb_and_leaves_no_scratch_folder(tmp_path: Path) -> None:
    words = ("sim", str(embedded_path()), "--arch", "tiny", "--out", str(tmp_path / "out"))
    code, said, left = terminated(lambda line: "cc1plus" in line or "clang" in line, tmp_path, *words)
    assert code == 143 and said.endswith("esl-ref: terminated\n") and "Traceback" not in said
    assert not left
    assert not list((tmp_path / "models").glob(".*"))


def test_the_deaf_are_ended_by_force() -> None:
    stubborn = "trap : TERM; echo; while :; do sleep 100; done"
    with subprocess.Popen(["sh", "-c", stubborn], stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout is not None and deaf.stdout.readline()
        with pytest.raises(Terminated), unwound_by_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
        assert deaf.wait(PATIENCE) == -signal.SIGKILL


def test_tables_side_by_side_end_with_the_verb(tmp_path: Path) -> None:
    """And multiprocessing's tracker does not complain of a sudden end."""
    words = ("bench", "planner", "--jobs", "2", "--table", "fdt", "--table", "arenas")
    code, said, left = terminated(lambda line: "spawn_main" in line, tmp_path, *words)
    assert code == 143 and said.endswith("esl-ref: terminated\n") and not left
    assert "Traceback" not in said and "tracker" not in said


def test_a_second_signal_does_not_break_off_the_cleaning_up() -> None:
    cleaned = False
    with pytest.raises(Terminated), unwound_by_sigterm():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned


def test_elsewhere_the_signal_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with unwound_by_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    within = []

    def thread() -> None:
        with unwound_by_sigterm():
            within.append(signal.getsignal(signal.SIGTERM))

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    assert within == [before]
