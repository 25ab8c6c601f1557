# SPDX-License-Identifier: Apache-2.0
"""The order of commands: what the next strip needs comes before what may come later."""

from __future__ import annotations

from esl_ref import arch
from esl_ref.pipeline import compile_model
from esl_ref.program.fields import Opcode
from sim.random_layers import LayerSpec, build


def test_weights_of_the_first_strip_come_before_rows_of_later_ones() -> None:
    graph = build(LayerSpec("conv", 1, 96, 96, 3, 8, (3, 3), (2, 2), padding=(0, 1, 0, 1)))
    (step,) = compile_model(graph, arch.load("base")).programs
    kinds = [c.opcode for c in step.program.commands]
    assert kinds[1:4] == [Opcode.LOAD_ROWS, Opcode.LOAD_WEIGHTS, Opcode.LOAD_ROWS]
    assert kinds.index(Opcode.CONV) > 3  # rows of the second strip are asked for before the first is computed
