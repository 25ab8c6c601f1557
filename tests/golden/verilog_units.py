# SPDX-License-Identifier: Apache-2.0
"""This project's own units as Verilog, for the unit packages to run on."""

from __future__ import annotations

from amaranth.back import verilog

from esl_ref.arch import Arch
from rtl.mac_array import MacArray
from rtl.requantise import Requantiser
from rtl.timing import REQUANTISE_LATENCY, mac_latency
from rtl.window import Window

__all__ = ["DELAYS", "unit_verilog"]

DELAYS = {"requantise": REQUANTISE_LATENCY, "window": 0, "array": mac_latency(Arch())}


def unit_verilog(name: str, arch: Arch) -> tuple[str, dict[str, int]]:
    """(Verilog of module `own_unit`, further inputs to be held at 0 with their widths)."""
    component = {"requantise": lambda: Requantiser(arch.profile), "window": lambda: Window(arch),
                 "array": lambda: MacArray(arch)}[name]()  # fmt: skip
    ties = {"taps": 8 * arch.lanes**2} if name == "array" else {}
    return verilog.convert(component, name="own_unit", emit_src=False), ties
