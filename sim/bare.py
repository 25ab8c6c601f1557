# SPDX-License-Identifier: Apache-2.0
"""The same Verilated model driven by a bare C++ loop: the yardstick for what cocotb costs.

`bare_run` links `harness/bare_main.cpp` with the objects of an accelerator's cocotb build, so that both run exactly
the same model code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import CheckFailed, ToolError
from sim.build import COMPILER_FLAGS, Build
from sim.image import write_image
from sim.runner import HARNESS, Accelerator, Run
from sim.toolchain import find_toolchain, verilator_include

__all__ = ["BareResult", "bare_executable", "bare_run"]

_TIMEOUT_SECONDS = 3600


@dataclass(frozen=True)
class BareResult:
    """`cycles` from doorbell to interrupt as the harness counts them, `simulated` clock cycles in `seconds`."""

    cycles: int
    simulated: int
    seconds: float

    @property
    def cycles_per_second(self) -> float:
        """Simulated cycles over wall time."""
        return self.simulated / self.seconds


def bare_executable(build: Build) -> Path:
    """Link the bare loop with the model of `build` (made without waves); reused while its source is unchanged."""
    if build.waves:
        raise ToolError("the bare loop needs a model that was built without waves", where=str(build.path))
    source = HARNESS / "bare_main.cpp"
    final = build.path / f"bare-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if final.is_file():
        return final
    tools = find_toolchain()
    include = verilator_include(tools)
    objects = [str(path) for path in (build.path / "Vtop__ALL.a", *sorted(build.path.glob("verilated*.o")))]
    handle, scratch = tempfile.mkstemp(dir=build.path, prefix=".bare.")
    os.close(handle)
    command = [
        *shlex.split(tools.compiler), *COMPILER_FLAGS.split(), "-std=gnu++20", f"-I{build.path}", f"-I{include}",
        f"-I{include / 'vltstd'}", str(source), *objects, "-pthread", "-o", scratch,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        Path(scratch).unlink(missing_ok=True)
        raise ToolError("the bare C++ loop could not be compiled", hint=done.stderr[-2000:])
    os.chmod(scratch, 0o755)
    os.replace(scratch, final)
    return final


def bare_run(accelerator: Accelerator, run: Run, folder: Path) -> BareResult:
    """Carry out `run` (its image, memory timing and writes) with the bare loop; files go to `folder`."""
    executable = bare_executable(accelerator.build)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [str(run.timeout_cycles)]
    arguments += [f"{name}={value}" for name, value in run.memory.ports().items()]
    if run.image is not None:
        write_image(folder / "bare.load.0.hex", run.image, accelerator.word_bytes)
        arguments.append("load")
    arguments += [f"{address}:{value}" for address, value in run.writes]
    done = subprocess.run(
        [str(executable), *arguments, f"+memory={folder.resolve() / 'bare'}"],
        capture_output=True, text=True, timeout=_TIMEOUT_SECONDS,
    )  # fmt: skip
    if done.returncode == 3:
        raise CheckFailed(f"bare loop: no interrupt within {run.timeout_cycles} cycles")
    if done.returncode:
        raise ToolError("the bare loop failed", hint=(done.stderr or done.stdout)[-2000:])
    record = json.loads(done.stdout.strip().splitlines()[-1])
    return BareResult(record["cycles"], record["simulated"], record["seconds"])
