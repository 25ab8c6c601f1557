# SPDX-License-Identifier: Apache-2.0
"""Which bits of signals anything reads: a mutant of a bit that nothing reads would be the design again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sim.mutation.rtlil import Assign, Cell, Module, Node, Process

__all__ = ["Usage"]

_RESULTS = {"\\Y", "\\Q"}
_SIGNAL = re.compile(r"([\\$][^\s\[\]{}]+)(?: \[(\d+)(?::(\d+))?\])?")


class Usage:
    """Bits that are read in one module, by operators, registers, memories, processes, other modules or as outputs."""

    def __init__(self, module: Module) -> None:
        self._bits: dict[str, set[int]] = {}
        self._whole: set[str] = set()
        for text in _reads(module):
            for name, high, low in _SIGNAL.findall(text):
                if high:
                    self._bits.setdefault(name, set()).update(range(int(low or high), int(high) + 1))
                else:
                    self._whole.add(name)

    def of(self, signal: str, width: int) -> tuple[int, ...]:
        """Bits of a result, counted from its own lowest, that are read. All, where it is driven piecewise."""
        match = _SIGNAL.fullmatch(signal)
        if match is None or match[1] in self._whole:
            return tuple(range(width))
        low = int(match[3] or match[2] or 0)
        return tuple(bit for bit in range(width) if low + bit in self._bits.get(match[1], ()))


def _reads(module: Module) -> Iterator[str]:
    """Signals as text, wherever something is read."""
    for item in module.items:
        if isinstance(item, Cell):
            results = _RESULTS | ({"\\DATA"} if item.kind == "$memrd_v2" else set())
            yield from (text for port, text in item.ports.items() if port not in results or item.kind[0] != "$")
        elif isinstance(item, Process):
            yield from _body_reads(item.body)
        elif item.startswith("connect"):
            yield _SIGNAL.sub("", item.removeprefix("connect "), count=1) if "{" not in item else item
        elif re.search(r" output \d+ ", item):
            yield item.split()[-1]


def _body_reads(body: list[Node]) -> Iterator[str]:
    for node in body:
        if isinstance(node, Assign):
            yield node.right
        else:
            yield node.value
            for _, inner in node.cases:
                yield from _body_reads(inner)
