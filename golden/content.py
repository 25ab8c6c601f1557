# SPDX-License-Identifier: Apache-2.0
"""What a package is made of, before any file: Programs, input vectors, and every tensor's golden value.

A model becomes its accelerator segments; every segment gives the Program as it is deployed (`plain`) and the same with
every tensor that is ever whole on chip stored (`traced`). Programs get golden's tensors as inputs, so segments can be
brought up one by one; what the host computes between them is golden's word.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler.model import Choice, Compiled
from esl_ref.errors import InputError
from esl_ref.executor import random_inputs, run
from esl_ref.ir import Graph
from esl_ref.pipeline import compile_model
from esl_ref.program.image import Program

__all__ = ["KINDS", "Content", "Entry", "Vector", "from_graph", "layer_range", "safe_name"]

Array = npt.NDArray[Any]
KINDS = ("plain", "traced")
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Entry:
    """One Program of the package. `name` is p0, t0, ...: the kind's letter and the segment's number."""

    name: str
    kind: str
    segment: int
    program: Program


@dataclass(frozen=True)
class Vector:
    """One set of network inputs and what golden makes of it. `origin` says where the inputs come from."""

    name: str
    origin: str
    tensors: Mapping[str, Array]


@dataclass(frozen=True)
class Content:
    """Everything the exporter turns into files. `source` describes the model, `layers` the range exported."""

    graph: Graph
    arch: Arch
    entries: tuple[Entry, ...]
    vectors: tuple[Vector, ...]
    model_sha256: str
    layers: tuple[int, int]
    seed: int

    def runs(self) -> Iterator[tuple[Entry, Vector]]:
        """Every Program with every vector."""
        return ((e, v) for v in self.vectors for e in self.entries)


def safe_name(name: str) -> str:
    """A tensor's name as a word of files and scripts; one that had to be changed gets its CRC-32, to stay unique."""
    clean = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:_LONGEST_NAME]
    return clean if clean == name and name else f"{clean}-{zlib.crc32(name.encode()):08x}"


def layer_range(graph: Graph, text: str) -> tuple[int, int]:
    """'A:B', 'A:', ':B' or 'A' -> operators [A, B); InputError if the model has none there."""
    match = re.fullmatch(r"(\d*)(:?)(\d*)", text.strip())
    if not match or not text.strip(" :"):
        raise InputError(
            f"layers {text!r} are no range", hint="write A:B, operators A to B - 1 as `esl-ref inspect` counts"
        )
    first = int(match[1] or 0)
    end = int(match[3] or len(graph.ops)) if match[2] else first + 1
    if not 0 <= first < end <= len(graph.ops):
        raise InputError(f"layers {text!r} are not within the model's {len(graph.ops)} operators", where=graph.name)
    return first, end


def _cut(graph: Graph, first: int, end: int) -> Graph:
    """The operators [first, end) as a graph: what they read from outside are its inputs, what leaves it its outputs."""
    ops = graph.ops[first:end]
    made = {n for op in ops for n in op.outputs}
    read = dict.fromkeys(n for op in ops for n in op.inputs)
    later = {n for op in graph.ops[end:] for n in op.inputs} | set(graph.outputs)
    used = made | set(read)
    return graph.replace(
        name=f"{graph.name}.{first}-{end - 1}", ops=ops,
        tensors={n: t for n, t in graph.tensors.items() if n in used},
        inputs=tuple(n for n in read if n not in made and not graph.tensors[n].is_const),
        outputs=tuple(n for op in ops for n in op.outputs if n in later),
    )  # fmt: skip


def _entries(plain: Compiled, traced: Compiled, kinds: Sequence[str]) -> tuple[Entry, ...]:
    compiled = {"plain": plain, "traced": traced}
    return tuple(
        Entry(f"{kind[0]}{number}", kind, number, step.program)
        for kind in KINDS if kind in kinds
        for number, step in enumerate(compiled[kind].programs)
    )  # fmt: skip


def from_graph(
    graph: Graph, arch: Arch, *, layers: tuple[int, int] | None = None,
    inputs: Sequence[tuple[str, Mapping[str, Array]]] = (),
    count: int = 1, seed: int = 1, kinds: Sequence[str] = KINDS, sram: int | None = None, sized: Arch | None = None,
    model: Path | None = None, choices: Sequence[Choice] | None = None,
) -> Content:  # fmt: skip
    """Compile, with a plan made before if `choices` are given, and run golden.

    inputs: (origin, tensors) vectors of the whole model; `count` seeded random ones if none.

    PlanError and BudgetError from the compiler, InputError for inputs that do not fit.
    """
    given = list(inputs) or [(f"random, seed {seed + k}", random_inputs(graph, seed + k)) for k in range(count)]
    part = graph if layers is None else _cut(graph, *layers)
    plain = compile_model(part, arch, sram=sram, sized=sized, choices=choices)
    traced = plain
    if "traced" in kinds:
        choices = [step.choice for step in plain.programs]
        traced = compile_model(part, arch, trace=True, sized=plain.arch, choices=choices)
    vectors = []
    for number, (origin, values) in enumerate(given):
        whole = run(graph if layers else plain.graph, values, keep="all")
        if layers:
            whole = run(plain.graph, {n: whole[n] for n in part.inputs}, keep="all")
        vectors.append(Vector(f"v{number}", origin, {n: np.ascontiguousarray(v) for n, v in whole.items()}))
    digest = hashlib.sha256(model.read_bytes()).hexdigest() if model else ""
    entries = _entries(plain, traced, kinds)
    return Content(plain.graph, plain.arch, entries, tuple(vectors), digest, layers or (0, len(graph.ops)), seed)
