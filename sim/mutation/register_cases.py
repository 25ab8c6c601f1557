# SPDX-License-Identifier: Apache-2.0
"""Runs that exercise the registers: every access rule, idle and while a Program runs, interrupts, and doorbells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from esl_ref.program.fields import FORMAT_VERSION, ErrorCode
from esl_ref.registers import REGISTERS, Access, address
from rtl.registers import ALIGNMENT, writable_mask
from sim.broken import changed
from sim.jobs import Job
from sim.rtl_backend import register_run
from sim.runner import Run

__all__ = ["RegisterCase", "register_cases"]

_OKAY, _SLVERR = 0, 2
_UNMAPPED = (0x030, 0x03C, 0x060, 0x07C, 0x0F4, 0x100, 0x800, 0xFFC)
_PATTERNS = (0xFFFF_FFFF, 0x5A5A_5A50, 0xA5A5_A5AF)
_BUSY, _DONE, _ERROR, _REFUSED = 1, 2, 4, 8
_IRQ_DONE, _IRQ_ERROR = 1, 2
Write = tuple[int, int]
During = tuple[int, int, int | None]


@dataclass(frozen=True)
class RegisterCase:
    """A run, and what the registers must say; fields as in `sim.mutation.stimuli.Expected`."""

    job: Job
    run: Run
    registers: Mapping[int, int]
    responses: tuple[int, ...]
    during: tuple[tuple[int, int], ...]
    error: tuple[int, int] | None


def register_cases(good: Job) -> Iterator[RegisterCase]:
    """Around a small job that runs."""
    yield _constants(good)
    yield from (_pattern(good, pattern) for pattern in _PATTERNS)
    yield _refused(good)
    yield _while_busy(good)
    yield from _interrupts(good)


def _case(
    job: Job, label: str, values: Mapping[str, int], *, refused: Sequence[Write] = (), before: Sequence[Write] = (),
    spare: Sequence[Write] = (), enable: int = _IRQ_DONE | _IRQ_ERROR, unmapped: bool = False,
    during: Sequence[During] = (), seen: Sequence[tuple[int, int]] = (), error: tuple[int, int] | None = None,
) -> RegisterCase:  # fmt: skip
    """The job's own writes behind those that must be `refused` and those `before`; `spare` go to registers that the job
    does not need. `values` by name are read after the run."""
    job = dataclasses.replace(job, label=f"registers: {label}", profile=False)
    run = register_run(job)
    own = [(at, enable if at == address("IRQ_ENABLE") else value) for at, value in run.writes]
    writes = [*refused, *before, *own[:-1], *spare, own[-1]]
    expected = {address(name): value for name, value in values.items()}
    expected |= dict.fromkeys(_UNMAPPED, 0) if unmapped else {}
    run = dataclasses.replace(run, writes=writes, reads=sorted({*run.reads, *expected}), during=list(during))
    fine = len(writes) - len(refused) + len(run.acknowledge)
    responses = (*[_SLVERR] * len(refused), *[_OKAY] * fine)
    return RegisterCase(job, run, expected, responses, tuple(seen), error)


def _constants(job: Job) -> RegisterCase:
    whole = job.program.arch.hash()
    resets = {r.name: r.reset for r in REGISTERS if r.access is Access.RO}
    values = {"ID": resets["ID"], "VERSION": FORMAT_VERSION << 16 | resets["VERSION"]}
    values |= {"ARCH_HASH_LO": whole & 0xFFFF_FFFF, "ARCH_HASH_HI": whole >> 32}
    values |= {"CTRL": 0, "ERROR_CODE": 0, "ERROR_INDEX": 0, "STATUS": _DONE, "IRQ_STATUS": _IRQ_DONE}
    return _case(job, "constants", values)


def _pattern(job: Job, pattern: int) -> RegisterCase:
    """Registers hold what was written last, but for bits that alignment fixes: base addresses that no command uses
    keep the pattern, all others what the job needs."""
    rows = [r for r in REGISTERS if r.access in (Access.RW, Access.RWA)]
    used = {c["base"] for c in job.program.commands if "base" in c.fields}
    spare = [(address(f"BASE{i}"), pattern) for i in range(8) if i not in used]
    before = [(r.offset, pattern) for r in rows]
    case = _case(job, f"pattern {pattern:08x}", {}, before=before, spare=spare)
    last = dict(case.run.writes)
    values = {r.name: last[r.offset] & writable_mask(r) & -ALIGNMENT.get(r.name, 1) for r in rows}
    return _case(job, f"pattern {pattern:08x}", values, before=before, spare=spare)


def _refused(job: Job) -> RegisterCase:
    """Writes to read-only and unmapped addresses; a doorbell with bit 0 clear starts nothing. The real doorbell then
    clears STATUS.refused."""
    closed = [(r.offset, 0xFFFF_FFFF) for r in REGISTERS if r.access is Access.RO]
    closed += [(at, 0xFFFF_FFFF) for at in _UNMAPPED]
    idle = [(address("CTRL"), 0xFFFF_FFFE)]
    return _case(job, "refused writes", {"STATUS": _DONE}, refused=closed, before=idle, unmapped=True)


def _while_busy(job: Job) -> RegisterCase:
    """Locked registers refuse and keep their values; the interrupt registers do not."""
    status, enable = address("STATUS"), address("IRQ_ENABLE")
    locked = [r for r in REGISTERS if r.access in (Access.RW, Access.WO)]
    accesses: list[tuple[During, tuple[int, int]]] = [((3, status, None), (_BUSY, _OKAY))]
    accesses += [((0, r.offset, 0xFFFF_FFFF), (0xFFFF_FFFF, _SLVERR)) for r in locked]
    accesses += [
        ((0, status, None), (_BUSY | _REFUSED, _OKAY)), ((0, enable, None), (3, _OKAY)),
        ((0, _UNMAPPED[0], None), (0, _SLVERR)), ((0, enable, 1), (1, _OKAY)), ((0, enable, None), (1, _OKAY)),
        ((0, address("ID"), 0), (0, _SLVERR)),
    ]  # fmt: skip
    during, seen = zip(*accesses, strict=True)
    kept = {r.name: dict(register_run(job).writes).get(r.offset, 0) for r in locked if r.access is Access.RW}
    values = {**kept, "PROFILE_ADDR": 0, "STATUS": _DONE | _REFUSED, "IRQ_ENABLE": 1}
    return _case(job, "writes while busy", values, during=during, seen=seen)


def _interrupts(job: Job) -> Iterator[RegisterCase]:
    """Each cause raises the interrupt by its own enable bit alone."""
    stopped = (int(ErrorCode.BAD_MAGIC), 0)
    values = {"IRQ_ENABLE": _IRQ_DONE, "IRQ_STATUS": _IRQ_DONE, "STATUS": _DONE}
    yield _case(job, "interrupt on done", values, enable=_IRQ_DONE)
    values = {"IRQ_ENABLE": _IRQ_ERROR, "IRQ_STATUS": _IRQ_ERROR, "STATUS": _ERROR, "ERROR_CODE": stopped[0]}
    yield _case(changed(job, 0, magic=1), "interrupt on error", values, enable=_IRQ_ERROR, error=stopped)
    values = {"IRQ_STATUS": _IRQ_DONE, "STATUS": _DONE, "ERROR_CODE": 0}
    yield _case(job, "after an error", values, enable=_IRQ_DONE)
