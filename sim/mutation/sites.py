# SPDX-License-Identifier: Apache-2.0
"""Where a design can be mutated, and how: the operators of mutation testing (DeMillo, Lipton and Sayward, "Hints on
test data selection", IEEE Computer 11(4), 1978) on Amaranth's RTLIL: operators and constants replaced, conditions
negated, assignments dropped, bits stuck or inverted, wrong reset values.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sim.mutation.rtlil import Assign, Cell, Module, Node, Process, Switch
from sim.mutation.usage import Usage

__all__ = ["SWAPPED", "Mutant", "Site", "draw", "sites", "unit_name", "unit_of"]

SWAPPED = {
    "$lt": "$le", "$le": "$lt", "$gt": "$ge", "$ge": "$gt", "$eq": "$ne", "$ne": "$eq", "$add": "$sub", "$sub": "$add",
    "$and": "$or", "$or": "$and", "$xor": "$or", "$shr": "$shl", "$shl": "$shr", "$reduce_or": "$reduce_and",
    "$not": "$pos",
}  # fmt: skip
"""Cell type -> what takes its place: `<` for `<=`, and for or, minus for plus, no inversion, ..."""
_BITS = ("bit inverted", "bit stuck at 0", "bit stuck at 1")
_KINDS = {*SWAPPED, "$mux", "$mul", "$neg", "$sshr", "$shift", "$dff", "$memrd_v2", "$memwr_v2"}
_SHIFTED_BY = {"$shr", "$shl", "$sshr", "$shift"}
_COMPARED = {"$lt", "$le", "$gt", "$ge", "$eq", "$ne"}
_CONSTANT = re.compile(r"\d+'[01]+$")


@dataclass(frozen=True)
class Site:
    """One thing in one module, and the operators that apply there.

    `item` is the index within the module; `path` leads to a node of a process: (node, case, node, ...), or names its
    resets. `what` is the cell type, or `condition`, `assignment`, `reset`. `bits` of `width` are read somewhere: those
    can be mutated.
    """

    module: str
    item: int
    path: tuple[int, ...]
    what: str
    width: int
    bits: tuple[int, ...]
    source: str
    signal: str
    operators: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str, str]:
        """Equal for the copies of one line of the generator's source: lanes, repeated units, bits of a loop."""
        return unit_of(self.module), self.source, self.what


@dataclass(frozen=True)
class Mutant:
    """Number `number` (from 1) is the design with `operator` applied at `site`, to bit `bit` where it is about one."""

    number: int
    site: Site
    operator: str
    bit: int

    def says(self) -> str:
        """A phrase: what is wrong."""
        if self.operator == "operator":
            return f"{self.site.what[1:]} became {SWAPPED[self.site.what][1:]}"
        about = f" of {self.site.what.lstrip('$')}" if self.site.what.startswith("$") else ""
        return self.operator.replace("bit", f"bit {self.bit}") + about


def unit_of(module: str) -> str:
    r"""Module name without `\`, the top's name and the numbers of copies: `\esl_accel.a.walk_2` -> `a.walk`."""
    name = module.removeprefix("\\").partition(".")[2] or module.removeprefix("\\")
    return re.sub(r"_?\d+(?=\.|$)", "", name)


def unit_name(source: str, module: str) -> str:
    """The file of the generator's source, or the module's name for what comes from Amaranth's own library."""
    own = source.partition(":")[0]
    return own if own.startswith("rtl/") else unit_of(module)


def sites(modules: Iterable[Module]) -> Iterator[Site]:
    """Every site of the design, in order."""
    for module in modules:
        registers = {c.ports["\\D"]: c.ports["\\Q"] for c in module.items if isinstance(c, Cell) and c.kind == "$dff"}
        usage = Usage(module)
        for index, item in enumerate(module.items):
            if isinstance(item, Cell) and item.kind in _KINDS:
                site = _cell_site(module.name, index, item, usage)
                yield from (site,) if site.bits else ()
            elif isinstance(item, Process):
                yield from _process_sites(module.name, index, item, registers)


def output(cell: Cell) -> str:
    """The port whose value a mutant changes: the register's next value, what is written or read, or the result."""
    return {"$dff": "D", "$memrd_v2": "DATA", "$memwr_v2": "EN"}.get(cell.kind, "Y")


def cell_width(cell: Cell) -> int:
    """Bits of that port."""
    return int(cell.parameters.get("\\WIDTH") or cell.parameters["\\Y_WIDTH"])


def _cell_site(module: str, index: int, cell: Cell, usage: Usage) -> Site:
    width = cell_width(cell)
    operators: list[str] = list(_BITS if width > 1 or cell.kind in ("$dff", "$memrd_v2") else _BITS[1:])
    if cell.kind in SWAPPED:
        operators.append("operator")
    if cell.kind in ("$add", "$sub", "$mul"):
        operators.append("off by one")
    if cell.kind in _COMPARED | _SHIFTED_BY and _CONSTANT.match(cell.ports["\\B"]):
        operators.append("constant off by one")
    if cell.kind == "$mux":
        operators.append("branches swapped")
    if cell.kind == "$memwr_v2":
        operators = ["write dropped"]
    signal = cell.ports["\\Q" if cell.kind == "$dff" else "\\" + output(cell)]
    bits = tuple(range(width)) if cell.kind == "$memwr_v2" else usage.of(signal, width)
    return Site(module, index, (), cell.kind, width, bits, cell.source, signal, tuple(operators))


def _process_sites(module: str, index: int, process: Process, registers: Mapping[str, str]) -> Iterator[Site]:
    """`registers`: next value -> register, as only the latter has a name."""
    first = next(node.left for node in process.body if isinstance(node, Assign))

    def site(path: tuple[int, ...], what: str, width: int, operator: str) -> Site:
        bits = tuple(range(width))
        return Site(module, index, path, what, width, bits, process.source, registers.get(first, first), (operator,))

    resets = _reset_switches(process.body)

    def walk(body: list[Node], path: tuple[int, ...]) -> Iterator[Site]:
        for number, node in enumerate(body):
            here = (*path, number)
            if isinstance(node, Assign):
                yield from (site(here, "assignment", 1, "assignment dropped"),) if path else ()
            elif path or number not in resets:
                if width := _pattern_width(node):  # a switch may have nothing but its default
                    yield site(here, "condition", width, "condition bit inverted")
                for case, (_, inner) in enumerate(node.cases):
                    yield from walk(inner, (*here, case))

    yield from walk(process.body, ())
    if resets and (value := _reset_value(process.body[-1])):
        yield site(tuple(resets), "reset", len(value.right.partition("'")[2]), "reset value, bit inverted")


def _reset_switches(body: list[Node]) -> list[int]:
    """Indices of the switches at the end of a register's process that give it its reset value: the clock domain's
    reset, and every `ResetInserter` around it. All come from one `init` in the source, so one mutant changes all."""
    found: list[int] = []
    wanted = _reset_value(body[-1]) if isinstance(body[-1], Switch) and body[-1].value.split()[0] == "\\rst" else None
    for number in reversed(range(len(body))):
        if wanted is None or _reset_value(body[number]) != wanted:
            break
        found.insert(0, number)
    return found


def _reset_value(node: Node) -> Assign | None:
    """The assignment of a switch that, if one bit is 1, assigns a constant, and does nothing else."""
    if not isinstance(node, Switch) or len(node.cases) != 1 or node.cases[0][0] != "1'1" or len(node.cases[0][1]) != 1:
        return None
    (only,) = node.cases[0][1]
    return only if isinstance(only, Assign) and _CONSTANT.match(only.right) else None


def _pattern_width(node: Switch) -> int:
    return len(node.cases[0][0].split(",")[0].partition("'")[2]) if node.cases else 1


def draw(found: Iterable[Site], count: int, seed: int) -> list[Mutant]:
    """`count` different mutants: a place in the source, then one of its copies, then operator and bit.

    Every place comes once, in random order, before one comes twice: otherwise the multipliers of an array, copies of
    one line, would take nearly all mutants. Fewer are returned if there are no more.
    """
    rng = random.Random(seed)
    places: dict[tuple[str, str, str], list[Site]] = {}
    for site in found:
        places.setdefault(site.place, []).append(site)
    order = sorted(places)
    mutants: list[Mutant] = []
    seen: set[tuple[Site, str, int]] = set()
    fruitless = 0
    while len(mutants) < count and fruitless < 10:
        before = len(mutants)
        rng.shuffle(order)
        for place in order:
            site = rng.choice(places[place])
            operator = rng.choice(site.operators)
            bit = rng.choice(site.bits) if "bit" in operator or operator == "condition bit inverted" else 0
            if len(mutants) < count and (site, operator, bit) not in seen:
                seen.add((site, operator, bit))
                mutants.append(Mutant(len(mutants) + 1, site, operator, bit))
        fruitless = fruitless + 1 if len(mutants) == before else 0
    return mutants
