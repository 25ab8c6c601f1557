# SPDX-License-Identifier: Apache-2.0
"""Counts the memories in generated Verilog: the fourth memory accounting, of what is really there."""

from __future__ import annotations

import re
from collections import defaultdict

from esl_ref.arch import Arch, Memory
from esl_ref.errors import CheckFailed

__all__ = ["check_memories", "count_memories"]

_MODULE = re.compile(r"^module (?:\\(\S+) |(\w+))")
_MEMORY = re.compile(r"^\s*reg \[(\d+):0\] (\S+) \[(\d+):0\];")

# Path of module and memory -> kind, first match.
_KINDS = (
    (re.compile(r"\bact_sram\."), "act_sram"),
    (re.compile(r"\bweight_sram\."), "weight_sram"),
    (re.compile(r"\bline_buffer_\d+$"), "line_buffer"),
    (re.compile(r"\baccumulate\.slots$"), "accumulators"),
    (re.compile(r"\btable_\d+$"), "table"),
    (re.compile(r"_queue\.ram$"), "command_queue"),
)


def count_memories(verilog: str) -> tuple[Memory, ...]:
    """Every memory array, grouped by kind. CheckFailed for one of no known kind or kinds of several sizes.

    Modules instantiated more than once would be counted once: Amaranth writes one module per instance.
    """
    module, sizes = "", defaultdict(list)
    for line in verilog.splitlines():
        if found := _MODULE.match(line):
            module = found[1] or found[2]
        elif found := _MEMORY.match(line):
            path = f"{module}.{found[2]}"
            sizes[_kind(path)].append((int(found[3]) + 1, int(found[1]) + 1))
    for kind, shapes in sizes.items():
        if len(set(shapes)) > 1:
            raise CheckFailed(f"memories of kind {kind} differ: {sorted(set(shapes))}", where="generated Verilog")
    return tuple(Memory(kind, len(shapes), *shapes[0]) for kind, shapes in sorted(sizes.items()))


def _kind(path: str) -> str:
    for pattern, kind in _KINDS:
        if pattern.search(path):
            return kind
    raise CheckFailed(f"memory {path} is in no account", where="generated Verilog")


def check_memories(arch: Arch, verilog: str) -> tuple[Memory, ...]:
    """The counted memories, after comparing them with `arch.memories()`: same kinds, copies and bits.

    A copy may be organised as fewer, wider words than the account says (table and queues are as wide as the bus).
    """
    counted = {m.name: m for m in count_memories(verilog)}
    expected = {m.name: m for m in arch.memories() if m.copies}
    for name in sorted(counted.keys() | expected.keys()):
        there, planned = counted.get(name), expected.get(name)
        if there is None or planned is None or (there.copies, there.nbytes) != (planned.copies, planned.nbytes):
            where = f"architecture '{arch.name}'"
            raise CheckFailed(f"{name}: {there} in the Verilog, {planned} in the account", where=where)
    return tuple(counted[name] for name in expected)
