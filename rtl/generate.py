# SPDX-License-Identifier: Apache-2.0
"""Generates all that a user of the RTL needs, from one architecture: Verilog, sidecar, register map in three forms."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth import __version__ as amaranth_version
from amaranth.hdl import Shape
from amaranth.lib.wiring import Flow

from esl_ref import __version__
from esl_ref.arch import Arch, Memory
from esl_ref.errors import InputError
from rtl.memories import check_memories
from rtl.top import TOP, Accelerator
from rtl.verilog import convert_reproducibly
from rtl.views.c_header import register_map_c
from rtl.views.markdown import register_map_markdown
from rtl.views.systemrdl import register_map_rdl

__all__ = ["Generated", "Port", "generate", "ports", "write"]


@dataclass(frozen=True)
class Port:
    """A port of the Verilog module."""

    name: str
    direction: str
    width: int


@dataclass(frozen=True)
class Generated:
    """Text of one accelerator, and the memories counted in it."""

    arch: Arch
    verilog: str
    ports: tuple[Port, ...]
    memories: tuple[Memory, ...]

    def sidecar(self) -> dict[str, Any]:
        """What tools want to know without reading Verilog."""
        return {
            "module": TOP,
            "arch": self.arch.to_dict(),
            "arch_hash": f"{self.arch.hash():016x}",
            "ports": [dataclasses.asdict(p) for p in self.ports],
            "memories": [{**dataclasses.asdict(m), "bytes": m.nbytes} for m in self.memories],
            "memory_bytes": sum(m.nbytes for m in self.memories),
            "verilog_sha256": hashlib.sha256(self.verilog.encode()).hexdigest(),
            "generator": {"esl-ref": __version__, "amaranth": amaranth_version},
        }

    def files(self) -> Mapping[str, str]:
        """File name -> content."""
        return {
            f"{TOP}.v": self.verilog,
            f"{TOP}.json": json.dumps(self.sidecar(), indent=2) + "\n",
            "ports.vlt": ports_vlt(self.ports),
            "registers.md": register_map_markdown(self.arch),
            "esl_accel.h": register_map_c(self.arch),
            "esl_accel.rdl": register_map_rdl(self.arch),
        }


def ports(arch: Arch) -> tuple[Port, ...]:
    """Ports of the module: clock and reset, then those of `Accelerator`."""
    directions = {Flow.In: "input", Flow.Out: "output"}
    members = Accelerator(arch).signature.members
    return (
        Port("clk", "input", 1),
        Port("rst", "input", 1),
        *(Port(name, directions[m.flow], Shape.cast(m.shape).width) for name, m in members.items()),
    )


def ports_vlt(of: tuple[Port, ...]) -> str:
    """Verilator control file that makes only the top's ports public, for a build with --no-public-flat-rw."""
    lines = [f'public_flat_rw -module "{TOP}" -var "{p.name}"' for p in of]
    return "\n".join(["`verilator_config", *lines]) + "\n"


def generate(arch: Arch) -> Generated:
    """Convert in a fresh process and count the memories. CheckFailed if they are not those of `arch.memories()`."""
    verilog = convert_reproducibly(arch)
    return Generated(arch, verilog, ports(arch), check_memories(arch, verilog))


def write(generated: Generated, folder: Path) -> None:
    """Write all files into `folder`, or none: they are complete beside their places before the first one is renamed,
    the sidecar, which names their hash, last. InputError, with the folder as it was, if they do not fit the disk."""
    files, new = generated.files(), not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
            for name, text in files.items():
                (Path(scratch) / name).write_text(text)
            _put_in_place(Path(scratch), folder, sorted(files, key=lambda n: (n.endswith(".json"), n)))
    except BaseException as error:
        if new:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise InputError(f"cannot write the Verilog: {error.strerror or error}", where=str(folder)) from error
        raise


def _put_in_place(scratch: Path, folder: Path, names: Sequence[str]) -> None:
    """Rename all, after a look at what a rename would stop at."""
    for name in names:
        if (folder / name).is_dir():
            raise InputError("is a folder in the place of a file to write", where=str(folder / name))
    for name in names:
        os.replace(scratch / name, folder / name)
