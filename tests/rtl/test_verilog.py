# SPDX-License-Identifier: Apache-2.0
"""The step from RTLIL to Verilog alone gives what the whole conversion gives."""

from __future__ import annotations

from amaranth.back import rtlil, verilog

from esl_ref.arch import load
from rtl.requantise import Requantiser
from rtl.verilog import verilog_of


def test_verilog_of_rtlil() -> None:
    whole = verilog.convert(Requantiser(load("tiny").profile), name="top", emit_src=False, strip_internal_attrs=True)
    text = rtlil.convert(Requantiser(load("tiny").profile), name="top", emit_src=True)
    assert verilog_of(text) == whole
    assert 'src = "' in verilog_of(text, sources=True) and 'src = "' not in whole
