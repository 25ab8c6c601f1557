# SPDX-License-Identifier: Apache-2.0
"""Puts mutants into a design so that one build serves all of them: each is a multiplexer that a signal selects.

The top module gets a register `mutant_selected`, which nothing in the design writes and the simulator sets; a copy of
it, `mutant`, is handed down to every module. Behind `mutant` == 0 the design is the original.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from copy import deepcopy

from sim.mutation.rtlil import Assign, Cell, Module, Node, Process, Switch
from sim.mutation.sites import SWAPPED, Mutant, cell_width, output

__all__ = ["SELECTOR", "SELECTOR_BITS", "with_mutants"]

SELECTOR = "mutant_selected"
SELECTOR_BITS = 16
_SELECT = r"\mutant"
_PORT_ID = 100_000  # behind every port of Amaranth's


def with_mutants(modules: Sequence[Module], mutants: Sequence[Mutant]) -> list[Module]:
    """A copy of the design with all of `mutants` in it; module 0 is the top."""
    changed = deepcopy(list(modules))
    names = {module.name for module in changed}
    for number, module in enumerate(changed):
        own = sorted((m for m in mutants if m.site.module == module.name), key=lambda m: m.number)
        editor = _Editor(module)
        for mutant in own:
            editor.mutate(mutant)
        editor.finish(names, top=number == 0)
    return changed


class _Editor:
    """Edits one module. Items are replaced in place, so that their indices stay true; what is new goes to the end."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.new: list[str | Cell | Process] = []
        self.count = 0

    def wire(self, width: int) -> str:
        self.count += 1
        name = rf"\mutant${self.count}"
        self.new.append(f"wire width {width} {name}")
        return name

    def cell(self, kind: str, width: int, **ports: tuple[str, int]) -> str:
        """A new operator cell; the wire with its result. Ports are (signal, width)."""
        result = self.wire(width)
        parameters = {} if kind == "$mux" else {rf"\{n}_SIGNED": "0" for n in ports}
        parameters |= {rf"\{n}_WIDTH": str(w) for n, (_, w) in ports.items() if kind != "$mux"}
        parameters |= {"\\WIDTH" if kind == "$mux" else "\\Y_WIDTH": str(width)}
        connected = {rf"\{n}": signal for n, (signal, _) in ports.items()}
        self.new.append(Cell("", kind, rf"$mutant${self.count}", parameters, {**connected, "\\Y": result}))
        return result

    def selected(self, mutant: Mutant) -> str:
        """A bit that is 1 while this mutant is selected."""
        number = f"{SELECTOR_BITS}'{mutant.number:0{SELECTOR_BITS}b}"
        return self.cell("$eq", 1, A=(_SELECT, SELECTOR_BITS), B=(number, SELECTOR_BITS))

    def choose(self, mutant: Mutant, width: int, original: str, other: str) -> str:
        ports = {"A": (original, width), "B": (other, width), "S": (self.selected(mutant), 1)}
        return self.cell("$mux", width, **ports)

    def mutate(self, mutant: Mutant) -> None:
        item = self.module.items[mutant.site.item]
        if isinstance(item, Cell):
            self._mutate_cell(item, mutant)
        elif isinstance(item, Process):
            self._mutate_process(item, mutant)

    def _mutate_cell(self, cell: Cell, mutant: Mutant) -> None:
        """Insert a multiplexer in front of the register's input or the write enable, or behind the result."""
        port, width = "\\" + output(cell), cell_width(cell)
        original, inside = cell.ports[port], self.wire(width)
        if cell.kind in ("$dff", "$memwr_v2"):
            self.new.append(f"connect {inside} {original}")
            cell.ports[port] = self._mutated(cell, mutant, width, inside)
        else:
            cell.ports[port] = inside
            self.new.append(f"connect {original} {self._mutated(cell, mutant, width, inside)}")

    def _mutated(self, cell: Cell, mutant: Mutant, width: int, original: str) -> str:
        operator = mutant.operator
        if operator == "write dropped":
            return self.choose(mutant, width, original, f"{width}'{'0' * width}")
        if operator == "off by one":
            step = self.cell("$add", width, A=(original, width), B=("1'1", 1))
            return self.choose(mutant, width, original, step)
        if operator in ("operator", "constant off by one", "branches swapped"):
            return self.choose(mutant, width, original, self._beside(cell, operator, width))
        return self._bit(mutant, width, original)

    def _beside(self, cell: Cell, operator: str, width: int) -> str:
        """The result of another cell on the same operands."""
        result = self.wire(width)
        ports = {**cell.ports, "\\" + output(cell): result}
        kind = cell.kind
        if operator == "operator":
            kind = SWAPPED[kind]
        elif operator == "branches swapped":
            ports["\\A"], ports["\\B"] = ports["\\B"], ports["\\A"]
        else:
            ports["\\B"] = _plus_one(ports["\\B"])
        self.new.append(Cell("", kind, rf"$mutant${self.count}", dict(cell.parameters), ports))
        return result

    def _bit(self, mutant: Mutant, width: int, original: str) -> str:
        """The signal with one bit changed while the mutant is selected."""
        bit = mutant.bit
        ports = {"A": (f"{original} [{bit}]", 1), "B": (self.selected(mutant), 1)}
        if mutant.operator == "bit stuck at 0":
            ports["B"] = (self.cell("$not", 1, A=ports["B"]), 1)
        kind = {"bit inverted": "$xor", "bit stuck at 0": "$and", "bit stuck at 1": "$or"}[mutant.operator]
        parts = [self.cell(kind, 1, **ports)]
        if bit < width - 1:
            parts.insert(0, f"{original} [{width - 1}:{bit + 1}]")
        if bit > 0:
            parts.append(f"{original} [{bit - 1}:0]")
        return "{ " + " ".join(parts) + " }" if width > 1 else parts[0]

    def _mutate_process(self, process: Process, mutant: Mutant) -> None:
        if mutant.site.what == "reset":
            for number in mutant.site.path:
                reset = process.body[number]
                assert isinstance(reset, Switch) and isinstance(value := reset.cases[0][1][0], Assign)
                value.right = self._constant(value.right, mutant)
            return
        *way, last = mutant.site.path
        body: list[Node] = process.body
        for node, case in zip(way[::2], way[1::2], strict=True):
            inner = body[node]
            body = inner.cases[case][1] if isinstance(inner, Switch) else []
        found = body[last]
        if isinstance(found, Switch):
            found.value = self._condition(found.value, mutant)
        elif isinstance(found, Assign):
            dropped = dataclasses.replace(found)
            body[last] = Switch(self.selected(mutant), [("1'0", [dropped])])

    def _condition(self, value: str, mutant: Mutant) -> str:
        width = mutant.site.width
        whole = self.wire(width)
        self.new.append(f"connect {whole} {value}")
        flip = _shifted(self.selected(mutant), mutant.bit, width)
        return self.cell("$xor", width, A=(whole, width), B=(flip, width))

    def _constant(self, value: str, mutant: Mutant) -> str:
        width = mutant.site.width
        flip = _shifted(self.selected(mutant), mutant.bit, width)
        return self.cell("$xor", width, A=(value, width), B=(flip, width))

    def finish(self, names: set[str], *, top: bool) -> None:
        """Ports and instances for the selector; memories without contents, as in the generated Verilog."""
        kept: list[str | Cell | Process] = []
        for item in self.module.items:
            if isinstance(item, Cell) and item.kind in names:
                item.ports[_SELECT] = _SELECT
            if not (isinstance(item, Cell) and item.kind == "$meminit_v2"):
                kept.append(item)
        port = "" if top else f"input {_PORT_ID} "
        new = [*self.new, *(_selector() if top else ())]
        wires = [f"wire width {SELECTOR_BITS} {port}{_SELECT}", *(n for n in new if _is_wire(n))]
        self.module.items = [*wires, *kept, *(n for n in new if not _is_wire(n))]


def _is_wire(item: str | Cell | Process) -> bool:
    return isinstance(item, str) and item.startswith("wire")


def _selector() -> list[str | Cell | Process]:
    """A register that keeps its value, and one behind it: logic behind a register is evaluated once per cycle, logic
    behind what the simulator may write at any time is evaluated anew at every call of the model."""
    parameters = {"\\WIDTH": str(SELECTOR_BITS), "\\CLK_POLARITY": "1"}
    name = "\\" + SELECTOR
    return [
        f"wire width {SELECTOR_BITS} {name}",
        Cell("", "$dff", "$mutant$selected", parameters, {"\\D": name, "\\CLK": "\\clk", "\\Q": name}),
        Cell("", "$dff", "$mutant$select", dict(parameters), {"\\D": name, "\\CLK": "\\clk", "\\Q": _SELECT}),
    ]


def _plus_one(constant: str) -> str:
    width, _, digits = constant.partition("'")
    return f"{width}'{(int(digits, 2) + 1) % (1 << int(width)):0{int(width)}b}"


def _shifted(signal: str, bit: int, width: int) -> str:
    """`signal` at bit `bit` of a word of zeros."""
    parts = [f"{width - 1 - bit}'{'0' * (width - 1 - bit)}"] if bit < width - 1 else []
    parts += [signal] + ([f"{bit}'{'0' * bit}"] if bit else [])
    return "{ " + " ".join(parts) + " }"
