# SPDX-License-Identifier: Apache-2.0
"""The compiler's scoreboard, which keeps runs of cells, against one number per cell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esl_ref.compiler.scoreboard import Access, Scoreboard
from esl_ref.program.commands import QUEUES

CELLS = 24
SPAN = st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)).map(lambda pair: tuple(sorted(pair)))
SPANS = st.lists(SPAN, max_size=3)
ISSUES = st.lists(st.tuples(st.sampled_from(QUEUES), SPANS, SPANS), max_size=20)


class Plain:
    """Number of the last command of each queue that read or wrote each cell."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(QUEUES, 0)
        self.read, self.written = ({q: [0] * CELLS for q in QUEUES} for _ in range(2))

    def issue(self, queue, reads, writes):
        self.counts[queue] += 1
        needs = {}
        for other in QUEUES:
            found = [self.written[other][c] for low, high in reads for c in range(low, high)]
            if other != queue:
                cells = [c for low, high in writes for c in range(low, high)]
                found += [table[other][c] for table in (self.read, self.written) for c in cells]
            if max(found, default=0):
                needs |= {f"need_{other}": 1, f"wait_{other}": max(found)}
        for table, spans in ((self.read, reads), (self.written, writes)):
            for low, high in spans:
                table[queue][low:high] = [self.counts[queue]] * (high - low)
        return needs


@given(ISSUES)
def test_runs_of_cells_are_like_single_ones(issues):
    board, words, plain = Scoreboard(), Scoreboard(), Plain()
    for queue, reads, writes in issues:
        expected = plain.issue(queue, reads, writes)
        assert board.issue(queue, Access(reads=reads, writes=writes)) == expected
        assert words.issue(queue, Access(weight_reads=reads, weight_writes=writes)) == expected


def test_the_table_is_one_cell():
    board = Scoreboard()
    assert board.issue("load", Access(table_write=True)) == {}
    assert board.issue("compute", Access(table_read=True)) == {"need_load": 1, "wait_load": 1}
    assert board.issue("load", Access(table_write=True)) == {"need_compute": 1, "wait_compute": 1}
