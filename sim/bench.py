# SPDX-License-Identifier: Apache-2.0
"""Runs cocotb benches on built models and turns their result files into Python values."""

from __future__ import annotations

import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import CheckFailed, ToolError
from sim.build import Build, process_environment
from sim.toolchain import find_toolchain

__all__ = ["BenchResult", "run_bench"]

DEFAULT_TIMEOUT_SECONDS = 1800
_LOG_TAIL = 25


@dataclass(frozen=True)
class BenchResult:
    """Names of the tests that ran, and a message for each that failed."""

    tests: tuple[str, ...]
    failures: Mapping[str, str]
    log: Path
    waves: Path | None

    def check(self) -> BenchResult:
        """Return self if every test passed, else raise `CheckFailed` with the messages."""
        if self.failures:
            text = "; ".join(f"{name}: {message}" for name, message in self.failures.items())
            raise CheckFailed(f"{len(self.failures)} of {len(self.tests)} benches failed: {text}", where=str(self.log))
        return self


def run_bench(
    build: Build,
    module: str,
    folder: Path,
    *,
    testcase: str | None = None,
    env: Mapping[str, str] | None = None,
    plusargs: Sequence[str] = (),
    seed: int = 1,
    waves: bool = False,
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS,
) -> BenchResult:
    """Run the cocotb tests of Python module `module` on `build` inside `folder`, which is made if absent.

    The simulator is killed after `timeout_seconds`. Raises `ToolError` if it died without writing results.
    """
    from cocotb_tools.runner import get_runner

    folder.mkdir(parents=True, exist_ok=True)
    results, log, wave_file = folder / "results.xml", folder / "sim.log", folder / "waves.fst"
    test_args = ["--trace-file", str(wave_file)] if waves else []
    with process_environment(_bounded(find_toolchain().environment(), timeout_seconds)):
        try:
            get_runner("verilator").test(
                test_module=module, hdl_toplevel=build.top, hdl_toplevel_lang="verilog", build_dir=build.path,
                test_dir=folder, results_xml=str(results), testcase=testcase, extra_env=dict(env or {}), seed=seed,
                plusargs=list(plusargs), waves=waves, test_args=test_args, log_file=log,
            )  # fmt: skip
        except (SystemExit, RuntimeError):
            pass  # the result file says more than the exit code
    if not results.is_file():
        raise ToolError(
            f"the simulation of {build.top} ended without results (time limit {timeout_seconds} s)",
            where=str(log), hint=_tail(log),
        )  # fmt: skip
    tests, failures = _read_results(results)
    if not tests:
        raise ToolError(f"no cocotb test named {testcase or '*'} ran in {module}", where=str(log), hint=_tail(log))
    return BenchResult(tests, failures, log, wave_file if waves else None)


def _bounded(env: Mapping[str, str], seconds: int) -> dict[str, str]:
    """cocotb's runner has no time limit of its own but takes a command prefix."""
    bounded = dict(env)
    if shutil.which("timeout", path=env.get("PATH")):
        bounded["SIM_CMD_PREFIX"] = f"timeout -k 5 {seconds}"
    bounded.setdefault("COCOTB_ANSI_OUTPUT", "0")
    bounded.setdefault("PYTHONPATH", sys.path[0])
    return bounded


def _read_results(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    names: list[str] = []
    failures: dict[str, str] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = case.get("name", "?")
        names.append(name)
        for bad in (*case.findall("failure"), *case.findall("error")):
            failures[name] = bad.get("error_msg") or bad.get("message") or (bad.text or "failed").strip()
    return tuple(names), failures


def _tail(log: Path) -> str:
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
