# SPDX-License-Identifier: Apache-2.0
"""Mutated accelerators: generated, mutated, Verilated; one build for all mutants of a campaign."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import rtl
from esl_ref.arch import Arch
from rtl.top import TOP
from rtl.verilog import rtlil_reproducibly, verilog_of
from sim.accelerator import LEAST_BYTES_LOG2, generator_digest
from sim.build import build_root
from sim.mutation.apply import SELECTOR, with_mutants
from sim.mutation.rtlil import Module, parse, render
from sim.mutation.sites import Mutant, draw, sites
from sim.runner import Accelerator, accelerator_build

__all__ = ["Design", "Mutated", "build_mutants", "design_of"]


@dataclass(frozen=True)
class Design:
    """An accelerator's RTLIL, as text and taken apart. Source names are relative to the repository."""

    arch: Arch
    text: str
    modules: list[Module]


@dataclass(frozen=True)
class Mutated:
    """A simulation model with `mutants` in it; `places` counts the lines of the source that could have been mutated,
    `sites` their copies."""

    arch: Arch
    accelerator: Accelerator
    mutants: tuple[Mutant, ...]
    places: int
    sites: int


def design_of(arch: Arch) -> Design:
    """RTLIL of `arch`; kept beside the builds, as converting takes longest of all that is done with it."""
    key = hashlib.sha256(f"{generator_digest()} {arch.to_dict()}".encode()).hexdigest()[:20]
    kept = build_root() / f"rtlil-{arch.name}-{key}.il"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = kept.with_suffix(f".{os.getpid()}")
        scratch.write_text(_relative(rtlil_reproducibly(arch)))
        scratch.rename(kept)
    text = kept.read_text()
    return Design(arch, text, parse(text))


def _relative(text: str) -> str:
    """Source names from the repository's top, or from that of other packages: the same on every machine."""
    own = text.replace(f'"{Path(rtl.__file__).parents[1]}/', '"')
    return re.sub(r'src "[^"]*/(?:site|dist)-packages/', 'src "', own)


def build_mutants(design: Design, count: int, seed: int) -> Mutated:
    """Draw `count` mutants and Verilate the design with all of them."""
    found = list(sites(design.modules))
    mutants = draw(found, count, seed)
    text = render(with_mutants(design.modules, mutants))
    accelerator = accelerator_build(
        verilog_of(text), data_width=8 * design.arch.axi_bytes, bytes_log2=LEAST_BYTES_LOG2, public={TOP: [SELECTOR]}
    )
    return Mutated(design.arch, accelerator, tuple(mutants), len({s.place for s in found}), len(found))


def only(mutated: Mutated, numbers: set[int]) -> Mutated:
    """The same model with some of its mutants."""
    return replace(mutated, mutants=tuple(m for m in mutated.mutants if m.number in numbers))
