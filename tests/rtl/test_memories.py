# SPDX-License-Identifier: Apache-2.0
"""The fourth memory account is counted, not believed."""

from __future__ import annotations

import pytest

from esl_ref.arch import load
from esl_ref.errors import CheckFailed
from rtl.memories import check_memories, count_memories

GOOD = """\
module \\top.engine.weight_sram (clk);
  reg [63:0] bank_0 [15:0];
  reg [63:0] bank_1 [15:0];
  reg [63:0] not_a_memory;
endmodule
module \\top.load_queue (clk);
  reg [63:0] ram [47:0];
endmodule
"""

PLACES = {
    "act_sram": "top.act_sram.bank{copy}", "weight_sram": "top.weight_sram.bank_{copy}", "table": "top.table_{copy}",
    "line_buffer": "top.line_buffer_{copy}", "accumulators": "top.accumulate.slots",
    "command_queue": "top.q{copy}_queue.ram",
}  # fmt: skip


def test_counts_by_kind() -> None:
    counted = {m.name: (m.copies, m.depth, m.width) for m in count_memories(GOOD)}
    assert counted == {"weight_sram": (2, 16, 64), "command_queue": (1, 48, 64)}


def test_a_memory_of_no_account_is_an_error() -> None:
    with pytest.raises(CheckFailed, match=r"top\.scratch\.ram is in no account"):
        count_memories("module \\top.scratch (clk);\n  reg [7:0] ram [3:0];\nendmodule\n")


def test_copies_must_be_alike() -> None:
    with pytest.raises(CheckFailed, match="weight_sram differ"):
        count_memories(GOOD.replace("bank_1 [15:0]", "bank_1 [14:0]"))


def test_a_difference_to_the_architecture_is_an_error() -> None:
    with pytest.raises(CheckFailed, match="None in the Verilog"):
        check_memories(load("tiny"), GOOD)
    text = "\n".join(
        f"module \\{path} (clk);\n  reg [{m.width - 1}:0] {name} [{m.depth - 1}:0];\nendmodule"
        for m in load("tiny").memories()
        for copy in range(m.copies)
        for path, name in [PLACES[m.name].format(copy=copy).rsplit(".", 1)]
    )
    assert len(check_memories(load("tiny"), text)) == len(load("tiny").memories())
    with pytest.raises(CheckFailed, match="act_sram: Memory"):
        check_memories(load("tiny").with_depths(act_bytes=1024), text)
