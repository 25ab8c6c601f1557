# SPDX-License-Identifier: Apache-2.0
"""The header compiles, and its numbers are the table's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from esl_ref.arch import load
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import REGISTERS
from rtl.views.c_header import register_map_c


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_numbers_survive_the_compiler(tmp_path: Path) -> None:
    arch = load("base")
    (tmp_path / "esl_accel.h").write_text(register_map_c(arch))
    checks = [f"ESL_{r.name} == {r.offset}" for r in REGISTERS]
    checks += [f"ESL_ERROR_{code.name} == {code.value}" for code in ErrorCode]
    checks += ["ESL_STATUS_REFUSED == 8", "ESL_CTRL_START == 1", f"ESL_ARCH_HASH == {arch.hash()}ull"]
    source = '#include "esl_accel.h"\n' + "".join(f'_Static_assert({c}, "{c}");\n' for c in checks)
    (tmp_path / "check.c").write_text(source + "int main(void) { return 0; }\n")
    done = subprocess.run(
        ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "check.c"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
