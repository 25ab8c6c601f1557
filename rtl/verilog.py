# SPDX-License-Identifier: Apache-2.0
"""Amaranth design to Verilog text, the same bytes every time.

`python -m rtl.verilog` reads an architecture as JSON and writes Verilog (or RTLIL): `rtl.generate` runs it as a process
of its own, because the order of Python's sets, and with it of generated names, depends on a hash seed fixed at start.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from amaranth.back import rtlil, verilog

from esl_ref.arch import Arch
from esl_ref.errors import ToolError
from esl_ref.numerics import Profile
from rtl.top import TOP, Accelerator

__all__ = ["convert", "convert_reproducibly", "rtlil_reproducibly", "verilog_of"]

_MEMORY = re.compile(r"^  reg \[\d+:0\] (\S+) \[\d+:0\];$")
_AWAKE = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+ )\s*= 0;$")
_INITIAL = "  initial begin"
_END = "  end"
_ALONE = "  always @*"


def convert(arch: Arch) -> str:
    """Verilog of the accelerator, converted in this process."""
    text = verilog.convert(Accelerator(arch), name=TOP, emit_src=False, strip_internal_attrs=True)
    banner = (
        "// SPDX-License-Identifier: Apache-2.0\n"
        f"// {TOP}, architecture {arch.name}, hash {arch.hash():016x}. Generated: do not edit.\n"
    )
    return banner + _awake(_without_memory_contents(text))


def verilog_of(text: str, *, sources: bool = False) -> str:
    """Verilog of RTLIL by the back end that `convert` uses. `sources` keeps the attributes that name source lines."""
    # Amaranth offers this step to nobody else; tests/rtl/test_verilog.py holds it to what `convert` gives.
    return _awake(_without_memory_contents(verilog._convert_rtlil_text(text, strip_internal_attrs=not sources)))


def _without_memory_contents(text: str) -> str:
    """Drop the zeros that Amaranth gives every memory: RAM macros have none, and nothing may rely on them."""
    lines, kept = text.splitlines(), []
    memory, dropping = "", False
    for number, line in enumerate(lines):
        if match := _MEMORY.match(line):
            memory = match[1]
        if line == _INITIAL and memory and lines[number + 1].startswith(f"    {memory}["):
            dropping = True
        if not dropping:
            kept.append(line)
        if line == _END:
            dropping = False
    return "\n".join(kept) + "\n"


def _awake(text: str) -> str:
    """Give every `always @*` an event at the start. Yosys lets most of them read a register that is set when it is
    declared: an event in Verilog, none in SystemVerilog, where declarations come before all processes and logic whose
    inputs do not change would stay unknown. Those of one statement read none."""
    lines: list[str] = []
    alone = 0
    for line in text.splitlines():
        if lines and lines[-1] == _ALONE:
            name = f"\\$awake${(alone := alone + 1)} "
            lines[-1:] = [f"  reg {name} = 0;", f"  initial {name}<= 1'h1;", f"{_ALONE} begin"]
            lines += [f"    if ({name}) begin end", line, _END]
            continue
        lines.append(line)
        if match := _AWAKE.match(line):
            lines.append(f"  initial {match[1]}<= 1'h1;")
    return "\n".join(lines) + "\n"


def convert_reproducibly(arch: Arch) -> str:
    """`convert` in a fresh process with a fixed hash seed. ToolError if that process fails."""
    return _in_fresh_process(arch, "verilog")


def rtlil_reproducibly(arch: Arch) -> str:
    """RTLIL, the form between Amaranth and Verilog, with the line of the source that each thing comes from."""
    return _in_fresh_process(arch, "rtlil")


def _in_fresh_process(arch: Arch, form: str) -> str:
    command = [sys.executable, "-m", "rtl.verilog", form]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        command, input=json.dumps(arch.to_dict()), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ToolError(f"conversion to Verilog failed ({last[0]})", where=f"architecture '{arch.name}'")
    return done.stdout


def main() -> None:
    """The process that converts: the description on standard input, Verilog (or RTLIL) on standard output."""
    fields = json.load(sys.stdin)
    arch = Arch(**{**fields, "profile": Profile(fields["profile"])})
    if sys.argv[1:] == ["rtlil"]:
        sys.stdout.write(rtlil.convert(Accelerator(arch), name=TOP))
    else:
        sys.stdout.write(convert(arch))


if __name__ == "__main__":
    main()
