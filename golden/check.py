# SPDX-License-Identifier: Apache-2.0
"""Verifies a package: hashes, then everything re-derived from its Programs and inputs on the ESL machine."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import EslError
from esl_ref.program.archive import parse
from esl_ref.program.commands import decode
from esl_ref.program.fields import COMMAND_BYTES
from esl_ref.program.image import Program
from golden import export as exporter
from golden.bus import write_bus
from golden.cheaders import write_headers
from golden.commands import run_machine, write_commands
from golden.content import Content, Entry, Vector
from golden.hexfile import parse_hex
from golden.locate import difference, field_at
from golden.package import Package, Problem
from golden.readme import readme
from golden.script import replay_script
from golden.surfaces import inputs_of, placed, run_bases
from golden.writer import PackageWriter

__all__ = ["check", "compare_packages", "rederived"]

Array = npt.NDArray[Any]
Progress = Callable[[str], None]


def check(package: Package, progress: Progress = lambda what: None) -> list[Problem]:
    """Everything wrong with the package, in the order of its files; empty if it is sound."""
    package.arch  # noqa: B018  raises for an inconsistent description
    problems = {n: Problem(n, "is missing") for n in package.files if not (package.folder / n).is_file()}
    for name in package.damaged():
        problems.setdefault(name, Problem(name, "is not what was exported (SHA-256 differs)"))
    problems |= {name: Problem(name, "is not part of the package") for name in package.strangers()}
    progress("re-deriving on the ESL machine")
    problems |= _from_programs(package, problems, progress)
    return [problems[name] for name in sorted(problems)]


def _from_programs(package: Package, known: dict[str, Problem], progress: Progress) -> dict[str, Problem]:
    """What re-derivation finds, and places for what the hashes found."""
    found: dict[str, Problem] = {}
    entries = [e for r in package.manifest["programs"] if (e := _entry(package, r, known, found)) is not None]
    vectors = [v for r in package.manifest["vectors"] if (v := _vector(package, r["name"], entries, found)) is not None]
    if not entries or not vectors:
        return found
    whole = len(entries) == len(package.manifest["programs"]) and len(vectors) == len(package.manifest["vectors"])
    with (
        tempfile.TemporaryDirectory(prefix="esl-golden-check-") as scratch,
        PackageWriter(Path(scratch) / "p") as writer,
    ):
        try:
            rederived(package, writer, entries, vectors, whole, progress)
        except EslError as error:
            found["programs"] = Problem("programs", f"do not run on the ESL machine ({error})")
            return found
        for name in writer.files:
            if name in package.files and (package.folder / name).is_file():
                place = difference(name, (writer._folder / name).read_bytes(), package.read(name), package.manifest)
                if place:
                    what = known[name].what if name in known else "is not what its Program and inputs give"
                    found[name] = Problem(name, what, _with_field(place, name, package, entries))
    found |= _tensors(package, vectors, known)
    return found


def _with_field(place: str, name: str, package: Package, entries: list[Entry]) -> str:
    """Adds the fields of a command's byte."""
    match = re.match(r"command (\d+) byte (\d+)", place)
    entry = next((e for e in entries if name.startswith(f"programs/{e.name}/")), None)
    if not match or entry is None:
        return place
    command = entry.program.commands[int(match[1])]
    return f"{place} ({command.opcode.name}: {field_at(command, int(match[2]))})"


def rederived(
    package: Package,
    writer: PackageWriter,
    entries: list[Entry],
    vectors: list[Vector],
    whole: bool,
    progress: Progress,
) -> None:
    """Write every file that follows from Programs and inputs."""
    manifest = package.manifest
    content = Content(None, package.arch, tuple(entries), tuple(vectors), "", (0, 0), 0)  # type: ignore[arg-type]
    exporter.write_program(writer, content)
    exporter.write_vectors(writer, content)
    if "c" in manifest["formats"]:
        write_headers(writer, content)
    if whole:
        writer.write("replay.txt", replay_script(content, bus=manifest["level"] == "bus"))
        writer.write("README.md", readme(manifest))
    if manifest["level"] in ("command", "bus"):
        write_commands(writer, content, progress)
    if manifest["level"] == "bus":
        write_bus(writer, content, progress)


def _entry(
    package: Package, record: dict[str, Any], known: dict[str, Problem], found: dict[str, Problem]
) -> Entry | None:
    """The Program; if its file is damaged, where."""
    name = record["archive"]
    if not (package.folder / name).is_file():
        return None
    try:
        if name not in known:
            program = parse(package.read(name), package.arch, where=name)
            return Entry(record["name"], record["kind"], record["segment"], program)
    except EslError as error:
        found[name] = Problem(name, f"cannot be read ({error})")
        return None
    found[name] = Problem(name, known[name].what, _archive_place(package, record))
    return None


def _archive_place(package: Package, record: dict[str, Any]) -> str:
    """Where a damaged Program file departs from the blocks beside it; 'its description' if only there."""
    raw = package.read(record["archive"])
    for block in record["blocks"]:
        if not package.intact(block["file"]):
            continue
        data = parse_hex(package.read(block["file"]), package.arch.axi_bytes, block["file"])[1][: block["bytes"]]
        marker = f"{block['name']}.bin".encode()
        start = raw.find(marker) + len(marker)
        stored = raw[start : start + len(data)]
        if start >= len(marker) and stored != data:
            at = next((i for i, (a, b) in enumerate(zip(data, stored, strict=False)) if a != b), len(stored))
            if block["name"] != "commands":
                return f"constants byte {at}"
            index, byte = divmod(at, COMMAND_BYTES)
            command = decode(data[index * COMMAND_BYTES : (index + 1) * COMMAND_BYTES], index)
            return f"command {index} byte {byte} ({command.opcode.name}: {field_at(command, byte)})"
    return "its description"


def _vector(package: Package, name: str, entries: list[Entry], found: dict[str, Problem]) -> Vector | None:
    """Inputs from intact files, everything else from the ESL machine."""
    values: dict[str, Array] = {}
    records = [(r["program"], i) for r in package.manifest["runs"] if r["vector"] == name for i in r["inputs"]]
    for _, record in records:
        if record["name"] not in values and record["file"] in package.files and package.intact(record["file"]):
            raw = parse_hex(package.read(record["file"]), package.arch.axi_bytes, record["file"])[1]
            values[record["name"]] = _dense(record, raw)
    npz = f"vectors/{name}/tensors.npz"
    if npz in package.files and package.intact(npz):
        with np.load(package.folder / npz) as archive:
            values |= {r["name"]: archive[r["name"]] for _, r in records if r["name"] not in values}
    if any(record["name"] not in values for _, record in records):
        return None
    for entry in entries:
        try:
            values |= _outputs(entry, Vector(name, "", values))
        except EslError as error:
            found[f"programs/{entry.name}"] = Problem(f"programs/{entry.name}", f"does not run ({error})")
            return None
    return Vector(name, "", values)


def _outputs(entry: Entry, vector: Vector) -> dict[str, Array]:
    memory = run_machine(entry, vector)
    program: Program = entry.program
    assert inputs_of(program, vector.tensors) is not None
    names = {p.surface.name for p in placed(program, "out", "trace")}
    return {n: v for n, v in program.read_outputs(memory, run_bases(program), traces=True).items() if n in names}


def _dense(record: dict[str, Any], raw: bytes) -> Array:
    rows = np.frombuffer(raw, np.uint8, record["rows"] * record["pitch"]).reshape(record["rows"], record["pitch"])
    dense = np.ascontiguousarray(rows[:, : record["row_bytes"]]).tobytes()
    return np.frombuffer(dense, record["dtype"]).reshape(record["shape"])


def _tensors(package: Package, vectors: list[Vector], known: dict[str, Problem]) -> dict[str, Problem]:
    """The .npz against what the machine gives."""
    found = {}
    for vector in vectors:
        name = f"vectors/{vector.name}/tensors.npz"
        if name not in package.files or not (package.folder / name).is_file():
            continue
        what = known[name].what if name in known else "is not what its Program and inputs give"
        try:
            with np.load(package.folder / name) as archive:
                stored = {key: archive[key] for key in archive.files}
        except Exception as error:  # noqa: BLE001  numpy and zipfile raise whatever a damaged file makes them
            found[name] = Problem(name, what, f"cannot be read ({error})")
            continue
        for tensor, value in vector.tensors.items():
            if tensor in stored and not np.array_equal(stored[tensor], value):
                index = np.argwhere(stored[tensor] != value)[0].tolist()
                found.setdefault(name, Problem(name, what, f"tensor={tensor} index={index}"))
    return found


def compare_packages(one: Package, other: Package) -> list[Problem]:
    """Differences of two packages, file by file; the first is taken as the right one."""
    names = sorted(set(one.files) | set(other.files))
    problems = []
    for name in names:
        present = [(p.folder / name).is_file() for p in (one, other)]
        if not all(present):
            problems.append(Problem(name, "is only in the " + ("first" if present[0] else "second")))
        elif place := difference(name, one.read(name), other.read(name), one.manifest):
            problems.append(Problem(name, "differs", place))
    skip = {"files", "manifest_sha256"}
    for key in sorted((set(one.manifest) | set(other.manifest)) - skip):
        if one.manifest.get(key) != other.manifest.get(key):
            problems.append(Problem("manifest.json", f"{key} differs", _values(one, other, key)))
    return problems


def _values(one: Package, other: Package, key: str) -> str:
    texts = [str(p.manifest.get(key))[:80] for p in (one, other)]
    return f"{texts[0]} and {texts[1]}"
