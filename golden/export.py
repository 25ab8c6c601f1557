# SPDX-License-Identifier: Apache-2.0
"""The exporter: content to files, one writer for every level, streaming."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref import __version__
from esl_ref.program.archive import dump
from golden.content import Content
from golden.hexfile import to_hex
from golden.script import block_file, expected_file, input_file, memory_bytes, replay_script, run_name
from golden.simulators import BENCH
from golden.surfaces import Placed, blocks, placed, run_bases
from golden.writer import PackageWriter

__all__ = ["FORMATS", "LEVELS", "SCHEMA", "export", "write_vectors"]

Array = npt.NDArray[Any]
Progress = Callable[[str], None]

SCHEMA = "esl-ref golden 1"
LEVELS = ("tensor", "command", "bus")
FORMATS = ("hex", "npz", "c", "sv")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """An .npz without time stamps and without compression, whose bytes would depend on the library's version."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.create_system = 3
            archive.writestr(entry, raw.getvalue())
    return out.getvalue()


def _tensor_record(p: Placed, file: str) -> dict[str, Any]:
    s = p.surface
    return {
        "name": s.name, "file": file, "address": p.address, "shape": list(s.shape), "dtype": s.dtype, "rows": s.rows,
        "row_bytes": s.row_bytes, "pitch": s.pitch, "layer": p.layer,
    }  # fmt: skip


def run_records(content: Content) -> list[dict[str, Any]]:
    """What each run reads and must leave behind."""
    records = []
    for entry, vector in content.runs():
        program = entry.program
        records.append({
            "name": run_name(entry, vector), "program": entry.name, "vector": vector.name,
            "memory_bytes": run_bases(program).size,
            "inputs": [_tensor_record(p, input_file(entry, vector, p.surface.name)) for p in placed(program, "in")],
            "expected": [
                _tensor_record(p, expected_file(entry, vector, p.surface.name))
                for p in placed(program, "out", "trace")
            ],
        })  # fmt: skip
    return records


def _program_records(content: Content) -> list[dict[str, Any]]:
    return [
        {
            "name": e.name, "kind": e.kind, "segment": e.segment, "title": e.program.name,
            "commands": len(e.program.commands), "archive": f"programs/{e.name}/program.eslp",
            "bases": list(run_bases(e.program).base), "prog_addr": run_bases(e.program).commands,
            "blocks": [
                {"name": b.name, "file": block_file(e, b.name), "address": b.address, "bytes": len(b.data)}
                for b in blocks(e.program)
            ],
        }
        for e in content.entries
    ]  # fmt: skip


def manifest(content: Content, level: str, formats: Sequence[str]) -> dict[str, Any]:
    """Everything about the package but its files."""
    stored = {p.surface.name for e in content.entries for p in placed(e.program, "out", "trace")}
    return {
        "schema": SCHEMA, "level": level, "formats": list(formats), "model": content.graph.name,
        "model_sha256": content.model_sha256, "layers": list(content.layers), "seed": content.seed,
        "arch": content.arch.to_dict(), "arch_hash": f"{content.arch.hash():016x}",
        "profile": content.arch.profile.value, "memory_bytes": memory_bytes(content),
        "tools": {"esl-ref": __version__, "numpy": np.__version__},
        "vectors": [{"name": v.name, "origin": v.origin} for v in content.vectors],
        "programs": _program_records(content), "runs": run_records(content),
        "operators": [
            {"index": n, "kind": op.kind, "name": op.name, "inputs": list(op.inputs), "outputs": list(op.outputs)}
            for n, op in enumerate(content.graph.ops)
        ],
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "dtype": str(t.dtype), "stored": t.name in stored}
            for t in content.graph.activations()
        ],
    }  # fmt: skip


def write_program(writer: PackageWriter, content: Content) -> None:
    """Command stream and constants of every Program, and the Program as this project's own file."""
    word = content.arch.axi_bytes
    for entry in content.entries:
        writer.write(f"programs/{entry.name}/program.eslp", dump(entry.program))
        for block in blocks(entry.program):
            writer.write(block_file(entry, block.name), to_hex(block.data, block.address, word))


def write_vectors(writer: PackageWriter, content: Content) -> None:
    """Inputs and expected surfaces of every run."""
    word = content.arch.axi_bytes
    for entry, vector in content.runs():
        for p in placed(entry.program, "in"):
            data = p.surface.lay(vector.tensors[p.surface.name])
            writer.write(input_file(entry, vector, p.surface.name), to_hex(data, p.address, word))
        for p in placed(entry.program, "out", "trace"):
            data = p.expected(vector.tensors[p.surface.name])
            writer.write(expected_file(entry, vector, p.surface.name), to_hex(data, p.address, word))


def write_bench(writer: PackageWriter) -> None:
    """The bench's own sources, and those for UVM and cocotb users."""
    for path in sorted(BENCH.iterdir()):
        if path.suffix in (".sv", ".svh", ".c", ".py") and "unit" not in path.name and path.name != "__init__.py":
            folder = {".c": "reader", ".py": "cocotb"}.get(path.suffix, "sv")
            writer.write(f"{folder}/{path.name}", path.read_bytes())


def export(
    content: Content, writer: PackageWriter, *, level: str = "tensor", formats: Sequence[str] = FORMATS,
    progress: Progress = lambda what: None,
) -> None:  # fmt: skip
    """Write everything but the manifest's placement: `with PackageWriter(out) as w: export(content, w)`."""
    from golden.bus import write_bus
    from golden.cheaders import write_headers
    from golden.commands import write_commands
    from golden.readme import readme
    from golden.requant import write_requantisation

    progress("Program and vectors")
    write_program(writer, content)
    write_vectors(writer, content)
    writer.write("replay.txt", replay_script(content, bus=level == "bus"))
    write_requantisation(writer, content)
    if "sv" in formats:
        write_bench(writer)
    if "npz" in formats:
        for vector in content.vectors:
            writer.write(f"vectors/{vector.name}/tensors.npz", npz_bytes(vector.tensors))
    if "c" in formats:
        write_headers(writer, content)
    if level in ("command", "bus"):
        write_commands(writer, content, progress)
    if level == "bus":
        write_bus(writer, content, progress)
    about = manifest(content, level, formats)
    writer.write("README.md", readme(about))
    writer.finish(about)
