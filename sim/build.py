# SPDX-License-Identifier: Apache-2.0
"""Builds Verilated models for cocotb: one folder per content hash, complete or absent, never half-written.

cocotb's Verilator runner makes every signal of the design public (`--public-flat-rw`), which costs most of the speed.
Here that is taken back (`--no-public-flat-rw`), and a generated control file (`public.vlt`) makes only the ports of the
top module public. cocotb does not document this, so `tests/sim/test_build.py` guards it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from esl_ref.errors import ToolError
from esl_ref.files import refusals
from sim.toolchain import Toolchain, find_toolchain
from sim.waves import wave_args

__all__ = [
    "COMPILER_FLAGS",
    "ELSEWHERE",
    "Build",
    "BuildSpec",
    "build_model",
    "build_root",
    "process_environment",
    "public_ports_vlt",
]

_MODEL_ARGS = (
    "-Wno-fatal",  # warnings are fatal in `sim.lint`, not while somebody debugs a change
    "--x-assign", "fast",
    "--x-initial", "fast",
    "--noassert",
    "-O3",
)  # fmt: skip
COMPILER_FLAGS = "-O1 -march=native"
"""Half the compile time of -O3 on the accelerator, where compiling takes longer than simulating a network."""
ELSEWHERE = "ESL_REF_BUILD names another folder for builds"
"""What to do about a disk that has no room for them."""
_TIMESCALE = ("1ns", "1ps")
_TAIL_LINES = 15


@dataclass(frozen=True)
class BuildSpec:
    """What to Verilate.

    `sources` are files in order, `texts` are further Verilog files given as name → text (a generator's output), `top`
    is the top module, `ports` its ports that cocotb may see, `parameters` override the top's. `public` names signals
    inside that it may see, too: module -> signals. `public_all` leaves every signal public: slow, for benches that look
    inside and for measuring what it costs.
    """

    top: str
    ports: tuple[str, ...]
    sources: tuple[Path, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    waves: bool = False
    public: Mapping[str, Sequence[str]] = field(default_factory=dict)
    public_all: bool = False
    args: tuple[str, ...] = ()

    def digest(self, tools: Toolchain) -> str:
        """Hash of everything that the executable depends on."""
        state = hashlib.sha256()
        options = {
            "top": self.top, "ports": self.ports, "parameters": sorted(self.parameters.items()), "waves": self.waves,
            "public_all": self.public_all, "args": self.args, "tools": tools.describe(), "flags": COMPILER_FLAGS,
            "model": _MODEL_ARGS, "python": sys.version, "executable": sys.prefix, "cocotb": version("cocotb"),
            "machine": _cpu_model(),
        }  # fmt: skip
        if self.public:  # only then: the others' builds keep their names
            options["public"] = sorted((module, list(signals)) for module, signals in self.public.items())
        state.update(json.dumps(options).encode())
        for path in self.sources:
            state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        for name, text in self.texts.items():
            state.update(name.encode() + b"\0" + text.encode() + b"\0")
        return state.hexdigest()[:20]


@dataclass(frozen=True)
class Build:
    """A finished model: `path` holds the executable named as `top`, the objects, `build.log` and `build.json`."""

    path: Path
    top: str
    waves: bool
    seconds: float
    """What building took; the recorded time if the folder was already there."""
    cached: bool

    @property
    def executable(self) -> Path:
        """The simulation to start."""
        return self.path / self.top


def build_root() -> Path:
    """Folder of all builds: $ESL_REF_BUILD, else `build/` of the source tree.

    GNU make cannot build in a folder with spaces; then the builds go to the temporary folder.
    """
    given = os.environ.get("ESL_REF_BUILD")
    root = Path(given).resolve() if given else Path(__file__).resolve().parents[1] / "build"
    if re.search(r"\s", str(root)):
        root = Path(tempfile.gettempdir()) / f"esl-ref-build-{os.getuid()}"
    return root / "models"


def build_model(spec: BuildSpec) -> Build:
    """Return the model of `spec`, building it if no folder of its hash exists; raises `ToolError` with the log's tail.

    The build runs in a temporary folder that is renamed when it is complete, under a lock so that parallel tests build
    each model once.
    """
    tools = find_toolchain()
    final = build_root() / f"{spec.top}-{spec.digest(tools)}"
    with refusals(final.parent, "simulation model", ELSEWHERE):
        final.parent.mkdir(parents=True, exist_ok=True)
        return _built_once(final, spec, tools)


def _built_once(final: Path, spec: BuildSpec, tools: Toolchain) -> Build:
    with _locked(final.with_suffix(".lock")):
        if (final / "build.json").is_file():
            record = json.loads((final / "build.json").read_text())
            return Build(final, spec.top, spec.waves, record["seconds"], cached=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            built = _build_in(scratch, spec, tools)
            shutil.rmtree(final, ignore_errors=True)  # an older folder without its record: something deleted by hand
            scratch.rename(final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return replace(built, path=final)


def public_ports_vlt(top: str, ports: Sequence[str]) -> str:
    """Verilator control file that makes `ports` of module `top` visible to the simulator interface."""
    lines = ["`verilator_config"]
    lines += [f'public_flat_rw -module "{top}" -var "{port}"' for port in ports]
    return "\n".join(lines) + "\n"


def _build_in(folder: Path, spec: BuildSpec, tools: Toolchain) -> Build:
    from cocotb_tools.runner import get_runner

    start = time.monotonic()
    log = folder / "build.log"
    sources = [*spec.sources, *_write_texts(folder, spec.texts)]
    args = [*_MODEL_ARGS, "-CFLAGS", COMPILER_FLAGS, *spec.args]
    if spec.waves:
        args += wave_args(folder, tools)
    if not spec.public_all:
        control = folder / "public.vlt"
        visible = {spec.top: spec.ports, **spec.public}
        control.write_text("".join(public_ports_vlt(module, signals) for module, signals in visible.items()))
        sources.insert(0, control)
        args.append("--no-public-flat-rw")
    runtime = _runtime_folder(folder.parent, spec, tools)
    _take_runtime(runtime, folder)
    try:
        with process_environment(_build_environment(tools)):
            get_runner("verilator").build(
                sources=sources, hdl_toplevel=spec.top, build_dir=folder, build_args=args, parameters=spec.parameters,
                waves=spec.waves, timescale=_TIMESCALE, log_file=log,
            )  # fmt: skip
    except (RuntimeError, SystemExit) as error:
        raise ToolError(f"Verilator could not build {spec.top}", hint=_keep_log(folder, log)) from error
    _keep_runtime(runtime, folder)
    for header in folder.glob("*.gch"):
        header.unlink()  # precompiled headers are a hundred times the size of the model, and done with
    seconds = round(time.monotonic() - start, 2)
    (folder / "build.json").write_text(json.dumps({"top": spec.top, "seconds": seconds, "tools": tools.describe()}))
    return Build(folder, spec.top, spec.waves, seconds, cached=False)


def _build_environment(tools: Toolchain) -> dict[str, str]:
    """One compiler run for the whole model: in parts, the precompiled headers would cost more than the parts gain."""
    env = tools.environment()
    env["MAKEFLAGS"] = env.get("MAKEFLAGS", "--") + " VM_PARALLEL_BUILDS=0"
    return env


def _write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    written = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        written.append(path)
    return written


def _runtime_folder(parent: Path, spec: BuildSpec, tools: Toolchain) -> Path:
    """Where the objects of Verilator's own run-time library are kept, which is most of the work of a small model."""
    key = json.dumps([tools.describe(), str(tools.root), COMPILER_FLAGS, spec.waves, spec.args, _cpu_model()])
    return parent / f"runtime-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def _take_runtime(runtime: Path, folder: Path) -> None:
    """Put the kept objects where make finds them, dated later than the `Vtop.mk` still to be made, which they need."""
    later = time.time() + 86400
    for item in runtime.glob("verilated*.o") if runtime.is_dir() else ():
        shutil.copy(item, folder / item.name)
        os.utime(folder / item.name, (later, later))


def _keep_runtime(runtime: Path, folder: Path) -> None:
    """Keep the run-time objects of a good build; a rename makes them appear all at once, and losing a race is fine."""
    if runtime.exists():
        return
    scratch = Path(tempfile.mkdtemp(prefix=".runtime.", dir=runtime.parent))
    for item in folder.glob("verilated*.o"):
        shutil.copy(item, scratch / item.name)
    try:
        scratch.rename(runtime)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)


def _keep_log(folder: Path, log: Path) -> str:
    """Copy the log out of the folder that is about to go, and return its last lines and its place."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    kept = folder.parent / "last-failure.log"
    kept.write_text(text)
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return "\n".join([f"the whole log is in {kept}", *(errors or lines)[:_TAIL_LINES]])


@contextmanager
def process_environment(env: Mapping[str, str]) -> Iterator[None]:
    """Replace this process's environment, because cocotb's runner builds with exactly that."""
    before = dict(os.environ)
    # WAVES and GUI would override the runner's arguments behind the content hash.
    wanted = {name: value for name, value in env.items() if name not in ("WAVES", "GUI")}
    try:
        os.environ.clear()
        os.environ.update(wanted)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@lru_cache(maxsize=1)
def _cpu_model() -> str:
    """The processor, because `-march=native` code must not be taken over by another one."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "flags")):
                return hashlib.sha256(line.encode()).hexdigest()[:12]
    except OSError:
        pass
    return os.uname().machine
