# SPDX-License-Identifier: Apache-2.0
"""The file form of a Program: a zip of `program.json`, `commands.bin` and `constants.bin`.

Entries are stored, not compressed, with a fixed time stamp, so equal Programs are equal files on every machine
(compressed bytes would depend on the zlib version). The JSON carries the SHA-256 of both binaries.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from esl_ref.arch import Arch
from esl_ref.errors import ArchError, ProgramError
from esl_ref.numerics import Profile
from esl_ref.program.commands import pack, unpack
from esl_ref.program.image import CommandInfo, Program, SramBuffer, Surface

__all__ = ["SCHEMA", "dump", "load", "parse", "save"]

SCHEMA = "esl-ref program 2"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can carry
_BLOBS = ("commands", "constants")


def dump(program: Program) -> bytes:
    """Program -> bytes of the file."""
    blobs = {"commands": pack(program.commands), "constants": program.constants}
    meta = {
        "schema": SCHEMA,
        "name": program.name,
        "arch": program.arch.to_dict(),
        "arch_hash": f"{program.arch.hash():016x}",
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in blobs.items()},
        "scratch_bytes": program.scratch_bytes,
        "surfaces": [dataclasses.asdict(s) for s in program.surfaces],
        "debug": [dataclasses.asdict(d) for d in program.debug],
        "sram_map": [dataclasses.asdict(b) for b in program.sram_map],
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(meta, sort_keys=True, separators=(",", ":"))
        for name, data in (("program.json", text.encode()), *((f"{n}.bin", blobs[n]) for n in _BLOBS)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # the default depends on the operating system
            archive.writestr(entry, data)
    return buffer.getvalue()


def parse(data: bytes, arch: Arch | None = None, where: str = "program") -> Program:
    """Bytes of the file -> Program; ProgramError, with `where`, for anything that is not one."""
    meta, blobs = _read_entries(data, where)
    try:
        made_for = _read_arch(meta)
        program = Program(
            arch=made_for,
            commands=tuple(unpack(blobs["commands"])),
            constants=blobs["constants"],
            surfaces=tuple(Surface(**{**s, "shape": tuple(s["shape"])}) for s in meta["surfaces"]),
            scratch_bytes=int(meta["scratch_bytes"]),
            debug=tuple(CommandInfo(**{k: _tuples(v) for k, v in d.items()}) for d in meta["debug"]),
            sram_map=tuple(SramBuffer(**b) for b in meta["sram_map"]),
            name=str(meta["name"]),
        )
    except ProgramError as error:
        raise ProgramError(str(error), where=where) from error
    except (ArchError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProgramError(f"malformed description ({error!r})", where=where) from error
    _check_hashes(meta, program, arch, where)
    return program


def save(program: Program, path: str | Path) -> None:
    """Write one file; the same Program gives the same bytes."""
    Path(path).write_bytes(dump(program))


def load(path: str | Path, arch: Arch | None = None) -> Program:
    """Read it back. ProgramError for other schemas, damaged files, or another architecture than `arch`."""
    path = Path(path)
    if not path.is_file():
        raise ProgramError("no such file", where=str(path))
    return parse(path.read_bytes(), arch, where=str(path))


def _read_entries(data: bytes, where: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Metadata and binaries, whole and of the right schema."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            meta = json.loads(archive.read("program.json"))
            blobs = {name: archive.read(f"{name}.bin") for name in _BLOBS}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ProgramError(f"not a Program file, or a damaged one ({error})", where=where) from error
    schema = meta.get("schema") if isinstance(meta, dict) else None
    if schema != SCHEMA:
        raise ProgramError(
            f"schema {schema!r}, this version reads {SCHEMA!r}", where=where, hint="compile the model again"
        )
    for name, blob in blobs.items():
        if hashlib.sha256(blob).hexdigest() != meta.get("sha256", {}).get(name):
            raise ProgramError(f"{name}.bin does not match its checksum", where=where)
    return meta, blobs


def _read_arch(meta: dict[str, Any]) -> Arch:
    fields = dict(meta["arch"])
    fields["profile"] = Profile(fields["profile"])
    return Arch(**fields)


def _check_hashes(meta: dict[str, Any], program: Program, arch: Arch | None, where: str) -> None:
    """The stated hash, the description's own and the wanted one must be one and the same."""
    stated, own = str(meta.get("arch_hash")), f"{program.arch.hash():016x}"
    if stated != own:
        raise ProgramError(f"states architecture hash {stated}, its description hashes to {own}", where=where)
    if arch is not None and arch.hash() != program.arch.hash():
        raise ProgramError(
            f"built for architecture '{program.arch.name}' ({own}), not for '{arch.name}' ({arch.hash():016x})",
            where=where,
            hint="compile the model for this architecture",
        )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
