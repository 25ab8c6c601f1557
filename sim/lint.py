# SPDX-License-Identifier: Apache-2.0
"""Verilator as a linter: every warning is fatal unless a waiver file names it with its reason."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import ToolError
from sim.toolchain import find_toolchain

__all__ = ["LintMessage", "lint_verilog"]

_MESSAGE = re.compile(r"^%(?:Warning|Error)-?(\w*): (?:([^:\s]+):(\d+):(?:\d+:)? )?(.*)$", re.MULTILINE)
_SUMMARY = ("Exiting due to", "Command Failed")
_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class LintMessage:
    """One finding: Verilator's rule (empty for plain errors), file name, line (0 if it names none) and text."""

    rule: str
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule or 'error'}: {self.text}"


def lint_verilog(
    top: str, sources: Sequence[Path], *, waivers: Path | None = None, args: Sequence[str] = ()
) -> tuple[LintMessage, ...]:
    """All that `verilator --lint-only -Wall` says about `sources` under `waivers`; empty if they are clean.

    Raises `ToolError` if Verilator fails without saying anything that can be read.
    """
    tools = find_toolchain()
    files = [str(path) for path in ([waivers] if waivers else []) + list(sources)]
    command = [str(tools.verilator), "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top, *args, *files]
    done = subprocess.run(command, capture_output=True, text=True, env=tools.environment(), timeout=_TIMEOUT_SECONDS)
    messages = tuple(
        LintMessage(rule, Path(file).name, int(line or 0), text)
        for rule, file, line, text in _MESSAGE.findall(done.stderr)
        if not text.startswith(_SUMMARY)
    )
    if done.returncode and not messages:
        raise ToolError(f"Verilator could not lint {top}", hint=done.stderr[-2000:])
    return messages
