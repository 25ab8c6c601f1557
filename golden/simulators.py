# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the bench with Verilator (`--binary`) or Icarus Verilog. No Python is in the simulation.

The tool chain itself is the business of `sim.toolchain`. To keep this package free of `sim`, callers hand in how
Verilator is started (`Verilator`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esl_ref.errors import InputError, ToolError

__all__ = ["BENCH", "Bench", "Outcome", "SIMULATORS", "Verilator", "build_icarus", "build_verilator", "run_bench"]

BENCH = Path(__file__).parent / "bench"
SOURCES = ("esl_golden_tb.sv", "esl_golden_memory.sv", "esl_golden_bus.sv")
SIMULATORS = ("verilator", "icarus")
TOP = "esl_golden_tb"
_LEAST_LOG2 = 20
_VERILATOR_ARGS = (
    "--binary", "--timing", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-lint",
    "-Wno-style", "-j", "2", "--top-module", TOP, "-CFLAGS", "-O3 -march=native", "-o", "bench",
)  # fmt: skip
_TIMEOUT = 3600


@dataclass(frozen=True)
class Verilator:
    """How to start Verilator: its command, and the environment it needs."""

    command: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Bench:
    """A built simulation: the command that runs it, and what making it took."""

    command: tuple[str, ...]
    seconds: float
    simulator: str
    log2: int


@dataclass(frozen=True)
class Outcome:
    """What a replay printed. `cycles` between doorbells and interrupts of all runs, and the `seconds` they took."""

    passed: bool
    status: int
    text: str
    cycles: int
    seconds: float

    def lines(self, *starts: str) -> list[str]:
        """Lines that begin with one of the words."""
        return [line for line in self.text.splitlines() if line.startswith(starts)]


def parameters(data_bytes: int, memory_bytes: int) -> dict[str, int]:
    """Parameters of the bench for a bus and a package."""
    return {"DATA_WIDTH": 8 * data_bytes, "BYTES_LOG2": max(_LEAST_LOG2, (memory_bytes - 1).bit_length())}


def rtl_sources(folder: Path) -> list[Path]:
    """The Verilog of the design under test; InputError if there is none."""
    if folder.is_file():
        return [folder]
    found = sorted(p for suffix in ("*.v", "*.sv") for p in folder.glob(suffix)) if folder.is_dir() else []
    if not found:
        raise InputError("holds no Verilog", where=str(folder), hint="make some with `esl-ref rtl MODEL --out DIR`")
    return found


def _key(sources: Sequence[Path], extra: str) -> str:
    state = hashlib.sha256(extra.encode())
    for path in sources:
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()[:20]


def _run(command: Sequence[str], environment: Mapping[str, str] | None, what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=_TIMEOUT)
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if "rror" in line] or [done.stderr[-500:]]
        raise ToolError(f"{what} could not build the bench", hint="\n".join(errors[:10]))


def build_verilator(
    rtl: Sequence[Path], data_bytes: int, memory_bytes: int, cache: Path, verilator: Verilator,
    bench: Sequence[Path] = (),
) -> Bench:  # fmt: skip
    """An executable of its own; kept in `cache` by content. ToolError with Verilator's first errors."""
    values = parameters(data_bytes, memory_bytes)
    sources = [*rtl, *(bench or [BENCH / name for name in SOURCES])]
    folder = cache / f"golden-{_key(sources, repr((values, _VERILATOR_ARGS, str(verilator.command))))}"
    start = time.monotonic()
    if not (folder / "bench").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=cache, prefix=".golden-"))
        try:
            command = [str(verilator.command), *_VERILATOR_ARGS, "--Mdir", str(scratch)]
            command += [f"-G{name}={value}" for name, value in values.items()]
            _run([*command, *map(str, sources)], verilator.environment, "Verilator")
            for path in scratch.iterdir():
                if path.name != "bench":
                    path.unlink() if path.is_file() else shutil.rmtree(path)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return Bench((str(folder / "bench"),), time.monotonic() - start, "verilator", values["BYTES_LOG2"])


def build_icarus(
    rtl: Sequence[Path], data_bytes: int, memory_bytes: int, cache: Path, bench: Sequence[Path] = (),
    standard: int = 2005,
) -> Bench:  # fmt: skip
    """Compiled for `vvp`, .v files by the `standard` of that year. ToolError if Icarus Verilog is not there."""
    compiler, runtime = shutil.which("iverilog"), shutil.which("vvp")
    if compiler is None or runtime is None:
        raise ToolError("Icarus Verilog was not found on PATH", hint="install it (Debian: iverilog), or take verilator")
    values = parameters(data_bytes, memory_bytes)
    sources = [*rtl, *(bench or [BENCH / name for name in SOURCES])]
    final = cache / f"golden-{_key(sources, repr((values, standard)))}.vvp"
    start = time.monotonic()
    if not final.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        scratch = final.with_suffix(f".{os.getpid()}")
        # This RTL starts by either standard, Amaranth's own Verilog only by that of 2005, whose initialised variables
        # are events. Files .sv are SystemVerilog whatever the switch says.
        command = [compiler, f"-g{standard}", "-o", str(scratch), "-s", TOP]
        command += [f"-P{TOP}.{name}={value}" for name, value in values.items()]
        _run([*command, *map(str, sources)], None, "Icarus Verilog")
        os.replace(scratch, final)
    return Bench((runtime, "-n", str(final)), time.monotonic() - start, "icarus", values["BYTES_LOG2"])


def run_bench(bench: Bench, package: Path, *plusargs: str, seconds: int = _TIMEOUT) -> Outcome:
    """Replay a package. The exit status must agree with the last word; ToolError if it took longer than `seconds`."""
    command = [*bench.command, f"+package={package.resolve()}", *plusargs]
    text, simulating, late = [], 0.0, threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, **pipes) as process:
        timer = threading.Timer(seconds, give_up)
        timer.start()
        for line in process.stdout or ():
            if line.startswith("started run="):
                simulating -= time.perf_counter()
            elif line.startswith(("interrupt run=", "HANG run=")):
                simulating += time.perf_counter()
            text.append(line)
        status = process.wait()
        timer.cancel()
    if late.is_set():
        raise ToolError(f"the simulation did not end within {seconds} s", where=str(package))
    passed = re.search(r"^PASS runs=\d+ bytes=\d+ cycles=(\d+)$", "".join(text), re.MULTILINE)
    return Outcome(bool(passed) and status == 0, status, "".join(text), int(passed[1]) if passed else 0, simulating)
