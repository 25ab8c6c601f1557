# SPDX-License-Identifier: Apache-2.0
"""RTLIL as Amaranth writes it, taken apart into what can be mutated (cells, processes) and text that is kept.

Grammar: Yosys manual, appendix "RTLIL text representation". Only what Amaranth emits is understood; anything else
raises `CheckFailed`, so that a change of the generator shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from esl_ref.errors import CheckFailed

__all__ = ["Assign", "Cell", "Module", "Node", "Process", "Switch", "parse", "render"]

_SRC = re.compile(r'attribute \\src "([^"]*)"')


@dataclass
class Assign:
    """`left` gets the value `right`; both are signals as text."""

    left: str
    right: str


@dataclass
class Switch:
    """The first case with a pattern that fits `value`; a case without patterns is the default."""

    value: str
    cases: list[tuple[str, list[Node]]] = field(default_factory=list)


Node = Assign | Switch


@dataclass
class Cell:
    """An operator, register, memory port, or an instance of another module. Parameters keep a leading `signed `."""

    source: str
    kind: str
    name: str
    parameters: dict[str, str]
    ports: dict[str, str]


@dataclass
class Process:
    """Assignments that are carried out in order, later ones overriding earlier ones."""

    source: str
    name: str
    body: list[Node]


@dataclass
class Module:
    """`items` in order: kept text, cells, processes."""

    name: str
    header: list[str]
    items: list[str | Cell | Process]


def parse(text: str) -> list[Module]:
    """The modules of `text`, in order."""
    lines = iter(text.splitlines())
    modules: list[Module] = []
    before: list[str] = []
    for line in lines:
        if line.startswith("module "):
            modules.append(_module(line, before, lines))
            before = []
        elif line.strip():
            before.append(line)
    return modules


def _module(line: str, header: list[str], lines: Iterator[str]) -> Module:
    module = Module(line.split()[1], [*header, line], [])
    attributes: list[str] = []
    for line in lines:
        words = line.split(maxsplit=2)
        if not words:
            continue
        if words[0] == "end":
            return module
        if words[0] == "attribute":
            attributes.append(line)
            continue
        if words[0] == "cell":
            module.items.append(_cell(_source(attributes), words[1], words[2], lines))
        elif words[0] == "process":
            body, end = _body(lines)
            _expect(end, "end")
            module.items.append(Process(_source(attributes), words[1], body))
        elif words[0] in ("wire", "memory", "connect"):
            module.items.append(line.strip())
        else:
            raise CheckFailed(f"RTLIL has a line that is not understood: {line.strip()!r}", where=module.name)
        attributes = []
    raise CheckFailed("RTLIL ends within a module", where=module.name)


def _source(attributes: list[str]) -> str:
    found = [match[1] for match in map(_SRC.search, attributes) if match]
    return found[-1].split("|")[0] if found else ""


def _cell(source: str, kind: str, name: str, lines: Iterator[str]) -> Cell:
    cell = Cell(source, kind, name, {}, {})
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "end":
            return cell
        if word == "parameter":
            signed = "signed " if rest.startswith("signed ") else ""
            key, _, value = rest.removeprefix("signed ").partition(" ")
            cell.parameters[key] = signed + value
        elif word == "connect":
            key, _, value = rest.partition(" ")
            cell.ports[key] = value
        else:
            raise CheckFailed(f"RTLIL has a line in a cell that is not understood: {line.strip()!r}", where=name)
    raise CheckFailed("RTLIL ends within a cell", where=name)


def _body(lines: Iterator[str]) -> tuple[list[Node], str]:
    """Statements up to the line that ends them (`end` or the next `case`), and that line."""
    body: list[Node] = []
    for line in lines:
        line = line.strip()
        word, _, rest = line.partition(" ")
        if word in ("end", "case"):
            return body, line
        if word == "assign":
            body.append(_assign(rest))
        elif word == "switch":
            body.append(_switch(rest, lines))
        elif word and word != "attribute":
            raise CheckFailed(f"RTLIL has a line in a process that is not understood: {line!r}")
    raise CheckFailed("RTLIL ends within a process")


def _switch(value: str, lines: Iterator[str]) -> Switch:
    switch = Switch(value)
    body, end = _body(lines)  # nothing stands before the first case
    _expect(end.split()[0] if not body else "statement", "case", "end")
    while end != "end":
        pattern = end.removeprefix("case").strip()
        body, end = _body(lines)
        switch.cases.append((pattern, body))
    return switch


def _assign(rest: str) -> Assign:
    """The left side is a name, perhaps with a range, or names in braces."""
    match = re.match(r"(\{[^}]*\}|\S+(?: \[\d+(?::\d+)?\])?) (.*)$", rest)
    if not match:
        raise CheckFailed(f"RTLIL has an assignment that is not understood: {rest!r}")
    return Assign(match[1], match[2])


def _expect(found: str, *wanted: str) -> None:
    if found not in wanted:
        raise CheckFailed(f"RTLIL has {found!r} where {' or '.join(wanted)} was expected")


def render(modules: list[Module]) -> str:
    """The text again, without attributes of what is inside modules."""
    lines: list[str] = []
    for module in modules:
        lines += module.header
        for item in module.items:
            if isinstance(item, Cell):
                lines += _cell_lines(item)
            elif isinstance(item, Process):
                lines += [f"  process {item.name}", *_body_lines(item.body, "    "), "  end"]
            else:
                lines.append(f"  {item}")
        lines.append("end")
    return "\n".join(lines) + "\n"


def _cell_lines(cell: Cell) -> list[str]:
    lines = [f"  cell {cell.kind} {cell.name}"]
    for key, value in cell.parameters.items():
        signed = "signed " if value.startswith("signed ") else ""
        lines.append(f"    parameter {signed}{key} {value.removeprefix('signed ')}")
    lines += [f"    connect {port} {signal}" for port, signal in cell.ports.items()]
    return [*lines, "  end"]


def _body_lines(body: list[Node], indent: str) -> list[str]:
    """Within one case Yosys carries out all assignments before all switches, whatever their order in the text: an
    assignment behind a switch is therefore put into a switch of its own that always holds."""
    lines: list[str] = []
    switched = False
    for node in body:
        if isinstance(node, Switch):
            switched = True
            lines.append(f"{indent}switch {node.value}")
            for pattern, inner in node.cases:
                lines += [f"{indent}  case {pattern}".rstrip(), *_body_lines(inner, indent + "    ")]
            lines.append(f"{indent}end")
        elif switched:
            lines += [f"{indent}switch {{ }}", f"{indent}  case", f"{indent}    assign {node.left} {node.right}"]
            lines.append(f"{indent}end")
        else:
            lines.append(f"{indent}assign {node.left} {node.right}")
    return lines
