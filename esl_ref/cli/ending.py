# SPDX-License-Identifier: Apache-2.0
"""SIGTERM ends a verb as Ctrl-C does: files half written are removed, and the processes that it started end with it.

Ctrl-C reaches every process of a terminal. SIGTERM reaches one, whose compilers and simulators would go on alone.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

__all__ = ["Terminated", "unwound_by_sigterm"]

_PATIENCE = 3.0
"""Seconds within which processes end by themselves; make removes what it was at."""


class Terminated(BaseException):
    """SIGTERM came. No KeyboardInterrupt, which click prints a line for, and no SystemExit, which cocotb's runner
    raises for a failed build."""


@contextmanager
def unwound_by_sigterm() -> Iterator[None]:
    """`Terminated` inside the block where SIGTERM would end the process. Only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    # A second one, which `timeout` sends, must not break off the cleaning up. No SIG_IGN: children would inherit it.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    _end_descendants()
    raise Terminated


def _end_descendants() -> None:
    """All of them, and not only children, whose own would become orphans; by force those that do not hear."""
    told: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while True:
        parents = dict(_running())
        new = _below(os.getpid(), parents) - told
        _send(new, signal.SIGTERM)
        told |= new
        alive = told & parents.keys()
        if not alive or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    _send(alive, signal.SIGKILL)


def _send(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _below(ancestor: int, parents: Mapping[int, int]) -> set[int]:
    """Processes that `ancestor` started, or those did that it started, and so on."""
    found = {ancestor}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def _running() -> Iterator[tuple[int, int]]:
    """(process, its parent) as /proc tells, of all that SIGTERM can end; none on systems without it.

    Not those that have ended and wait to be asked how, nor those that ignore it: multiprocessing's tracker of resources
    has to outlive the clean-up, and ends after it.
    """
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            lines = status.read_text(errors="replace").splitlines()
            fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            deaf = int(fields.get("SigIgn", "0"), 16) >> (signal.SIGTERM - 1) & 1
            if fields["State"][0] not in "ZX" and not deaf:
                yield int(status.parent.name), int(fields["PPid"])
