# SPDX-License-Identifier: Apache-2.0
"""Generated and Verilated accelerators, each made once: Verilog per architecture, model per Verilog."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import amaranth

import esl_ref
import rtl
from esl_ref.arch import Arch
from esl_ref.files import refusals
from rtl.generate import generate, write
from rtl.top import TOP
from sim.build import ELSEWHERE, build_root
from sim.runner import Accelerator, accelerator_build

__all__ = ["LEAST_BYTES_LOG2", "BuiltRtl", "build_rtl", "generated_folder", "generator_digest"]

LEAST_BYTES_LOG2 = 22
"""Harness memory of 4 MiB serves most networks, so that few models differ by it."""


@dataclass(frozen=True)
class BuiltRtl:
    """A simulation model, the folder with the generated files, what making them took, and the bytes of its memories."""

    accelerator: Accelerator
    folder: Path
    seconds: float
    cached: bool
    memory_bytes: int


@lru_cache(maxsize=1)
def generator_digest() -> str:
    """Hash of the sources that the Verilog depends on."""
    state = hashlib.sha256(amaranth.__version__.encode())
    package, gateware = Path(esl_ref.__file__).parent, Path(rtl.__file__).parent
    sources = [*gateware.rglob("*.py"), *(package / "program").glob("*.py")]
    sources += [package / name for name in ("arch.py", "numerics.py", "registers.py", "errors.py", "__init__.py")]
    for path in sorted(sources):
        state.update(path.name.encode() + b"\0" + path.read_bytes())
    return state.hexdigest()


def generated_folder(arch: Arch) -> Path:
    """Folder with everything the generator writes for `arch`; made if no run has made it before."""
    key = hashlib.sha256(f"{generator_digest()} {arch.to_dict()}".encode()).hexdigest()[:20]
    final = build_root() / f"rtl-{arch.name}-{key}"
    if (final / f"{TOP}.json").is_file():
        return final
    with refusals(final.parent, "generated files", ELSEWHERE):
        final.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".rtl.", dir=final.parent))
        start = time.monotonic()
        try:
            write(generate(arch), scratch)
            (scratch / "seconds").write_text(f"{time.monotonic() - start:.2f}")
            shutil.rmtree(final, ignore_errors=True)
            scratch.rename(final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return final


def build_rtl(arch: Arch, memory_bytes: int, *, waves: bool = False) -> BuiltRtl:
    """Generate and Verilate `arch` with at least `memory_bytes` of external memory beside it; cached by content."""
    folder = generated_folder(arch)
    sidecar = json.loads((folder / f"{TOP}.json").read_text())
    accelerator = accelerator_build(
        (folder / f"{TOP}.v").read_text(),
        data_width=8 * arch.axi_bytes,
        bytes_log2=max(LEAST_BYTES_LOG2, (memory_bytes - 1).bit_length()),
        waves=waves,
    )
    seconds = float((folder / "seconds").read_text()) + accelerator.build.seconds
    return BuiltRtl(accelerator, folder, seconds, accelerator.build.cached, sidecar["memory_bytes"])
