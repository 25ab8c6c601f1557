# SPDX-License-Identifier: Apache-2.0
"""Packages of single units, for teams whose own requantiser, line buffer or array comes before the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from esl_ref import __version__
from esl_ref.arch import Arch
from golden.export import SCHEMA
from golden.simulators import BENCH
from golden.unit_vectors import Line, Unit, array_unit, requantise_unit, window_unit
from golden.writer import PackageWriter

__all__ = ["UNITS", "adapter", "export_unit", "width_of"]

UNITS: dict[str, Callable[[Arch], Unit]] = {
    "requantise": requantise_unit, "window": window_unit, "array": array_unit,
}  # fmt: skip

_README = """# Unit vectors: {name}

{about}.

`stimulus.hex`, `expected.hex` and `care.hex` have one line per cycle; `manifest.json` says which bits are which field.
Wrap the unit under test as module `esl_unit` (ports clk, rst, in, out) and give its latency in cycles:

    iverilog -g2005 -s esl_golden_unit_tb -Pesl_golden_unit_tb.IN_WIDTH={inputs} \\
        -Pesl_golden_unit_tb.OUT_WIDTH={outputs} -Pesl_golden_unit_tb.LINES={lines} \\
        -o unit.vvp esl_unit.v sv/esl_golden_unit_tb.sv && vvp -n unit.vvp +delay=LATENCY
"""


def width_of(fields: tuple[tuple[str, int], ...]) -> int:
    """Bits of all fields together."""
    return sum(bits for _, bits in fields)


def _number(fields: tuple[tuple[str, int], ...], values: Mapping[str, int]) -> int:
    word, at = 0, 0
    for name, bits in fields:
        word |= (values.get(name, 0) & ((1 << bits) - 1)) << at
        at += bits
    return word


def _care(unit: Unit, line: Line) -> int:
    bits = dict(unit.outputs)
    return _number(unit.outputs, {n: line.care.get(n, (1 << bits[n]) - 1) for n in line.expected})


def _hex(fields: tuple[tuple[str, int], ...], numbers: Iterator[int]) -> str:
    digits = -(-width_of(fields) // 4)
    return "".join(f"{n:0{digits}x}\n" for n in numbers)


def _layout(fields: tuple[tuple[str, int], ...]) -> list[dict[str, int | str]]:
    records: list[dict[str, int | str]] = []
    at = 0
    for name, bits in fields:
        records.append({"name": name, "lsb": at, "bits": bits})
        at += bits
    return records


def export_unit(name: str, arch: Arch, out: Path) -> Unit:
    """Write the package of one unit. The folder's manifest has the same hashes as a network's."""
    unit = UNITS[name](arch)
    with PackageWriter(out) as writer:
        writer.write("stimulus.hex", _hex(unit.inputs, (_number(unit.inputs, v.stimulus) for v in unit.lines)))
        writer.write("expected.hex", _hex(unit.outputs, (_number(unit.outputs, v.expected) for v in unit.lines)))
        writer.write("care.hex", _hex(unit.outputs, (_care(unit, v) for v in unit.lines)))
        bench = "esl_golden_unit_tb.sv"
        writer.write(f"sv/{bench}", (BENCH / bench).read_bytes())
        writer.write("README.md", _README.format(
            name=name, about=unit.about, inputs=width_of(unit.inputs), outputs=width_of(unit.outputs),
            lines=len(unit.lines),
        ))  # fmt: skip
        writer.finish({
            "schema": SCHEMA, "level": "unit", "unit": name, "about": unit.about, "lines": len(unit.lines),
            "inputs": _layout(unit.inputs), "outputs": _layout(unit.outputs), "arch": arch.to_dict(),
            "arch_hash": f"{arch.hash():016x}", "profile": arch.profile.value, "tools": {"esl-ref": __version__},
            "model": f"unit {name}", "runs": [], "programs": [], "vectors": [], "formats": ["hex"],
        })  # fmt: skip
    return unit


def adapter(unit: Unit, module: str, *, ties: Mapping[str, int] | None = None, clocked: bool = True) -> str:
    """Verilog of `esl_unit` around a module whose ports have the fields' names; `ties` are further inputs, constant."""
    ports = [f"    .{n}(in[{at} +: {bits}])" for n, at, bits in _places(unit.inputs)]
    ports += [f"    .{n}(out[{at} +: {bits}])" for n, at, bits in _places(unit.outputs)]
    ports += [f"    .{n}({bits}'d0)" for n, bits in (ties or {}).items()]
    if clocked:
        ports += ["    .clk(clk)", "    .rst(rst)"]
    return (
        f"module esl_unit(input clk, input rst, input [{width_of(unit.inputs) - 1}:0] in, "
        f"output [{width_of(unit.outputs) - 1}:0] out);\n  {module} unit (\n"
        + ",\n".join(ports)
        + "\n  );\nendmodule\n"
    )


def _places(fields: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, int, int]]:
    at = 0
    for name, bits in fields:
        yield name, at, bits
        at += bits
