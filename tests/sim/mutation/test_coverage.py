# SPDX-License-Identifier: Apache-2.0
"""Verilator's coverage data, told by source lines."""

from __future__ import annotations

from sim.mutation.coverage import UnitCoverage, by_unit, points

VERILOG = """\
module \\esl_accel.a (clk, x);
  (* src = "rtl/a.py:5" *)
  always @* begin
    if (x)
      y = 1;
  end
endmodule
module \\esl_accel.b_1 (clk);
  (* src = "lib/amaranth/lib/stream.py:7|other.py:1" *)
  always @* begin
    if (\\$auto$verilog_backend.cc:2355:dump_module$3 ) begin end
"""


def line(number: int, count: int, page: str = "v_line/esl_accel.a", file: str = "build/esl_accel.v") -> str:
    fields = {"f": file, "l": str(number), "n": "5", "page": page, "o": "if", "h": "TOP.tb_top.dut"}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}"


def test_points_of_the_accelerator_only() -> None:
    data = ["# SystemC::Coverage-3", line(4, 7), line(5, 0), line(6, 1, page="v_toggle/esl_accel.a")]
    data.append(line(4, 9, file="sim/harness/axi_memory.sv"))
    assert list(points("\n".join(data))) == [(4, 7), (5, 0)]


def test_units() -> None:
    units = by_unit([(4, 7), (5, 0), (10, 3), (11, 0)], VERILOG)
    assert units == {
        "rtl/a.py": UnitCoverage(2, 1, ("rtl/a.py:5 (esl_accel.v:5)",)), "b": UnitCoverage(1, 1, ()),
    }  # fmt: skip
    assert units["rtl/a.py"].percent == 50
