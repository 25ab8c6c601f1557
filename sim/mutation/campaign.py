# SPDX-License-Identifier: Apache-2.0
"""A mutation campaign: every stage against the mutants that are still alive, the design itself before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import CheckFailed
from sim.mutation.design import Mutated
from sim.mutation.simulate import Silence, simulate
from sim.mutation.sites import Mutant
from sim.mutation.stimuli import Stage, Stimulus
from sim.mutation.verdict import calibrated, judge
from sim.runner import RunResult

__all__ = ["Campaign", "Fate", "run_campaign"]

MUTANTS_PER_SIMULATION = 20
Progress = Callable[[str, int, int], None]
"""Stage, mutants of it that are done, mutants that it started with."""


@dataclass(frozen=True)
class Fate:
    """What became of a mutant. `check`, `stage` and `stimulus` are '' if it survived; `cycles` were simulated on it."""

    mutant: Mutant
    check: str = ""
    what: str = ""
    stage: str = ""
    stimulus: str = ""
    cycles: int = 0

    @property
    def killed(self) -> bool:
        """Whether any check noticed it."""
        return bool(self.check)


@dataclass(frozen=True)
class Campaign:
    """Fates in the order of the mutants. Of `runs` different runs `predicted` were such that the timing model must give
    the cycles, and `exact` are those in which it did on the design itself: only there cycles can kill."""

    fates: tuple[Fate, ...]
    stages: tuple[str, ...]
    runs: int
    predicted: int
    exact: int

    @property
    def killed(self) -> int:
        """How many mutants were noticed."""
        return sum(fate.killed for fate in self.fates)

    @property
    def score(self) -> float:
        """Per cent of the mutants that were killed."""
        return 100 * self.killed / len(self.fates) if self.fates else 100.0


def run_campaign(
    mutated: Mutated, stages: Iterable[Stage], folder: Path, progress: Progress = lambda stage, done, of: None
) -> Campaign:
    """CheckFailed if the design itself, with no mutant selected, fails anything."""
    fates = {m.number: Fate(m) for m in mutated.mutants}
    names: list[str] = []
    runs = predicted = exact = 0
    for stage in stages:
        stimuli = _calibrate(mutated, stage, folder)
        names.append(stage.name)
        runs += len(stimuli)
        predicted += sum(s.expected.cycles is not None for s in stage.stimuli)
        exact += sum(s.expected.cycles is not None for s in stimuli)
        alive = [n for n, fate in fates.items() if not fate.killed]
        for done, fate in enumerate(_stage(mutated, stage.name, stimuli, [fates[n] for n in alive], folder), 1):
            fates[fate.mutant.number] = fate
            progress(stage.name, done, len(alive))
    return Campaign(tuple(fates.values()), tuple(names), runs, predicted, exact)


def _calibrate(mutated: Mutated, stage: Stage, folder: Path) -> list[Stimulus]:
    """What the design itself makes of the stage: it must pass, and shows which predictions are exact."""
    (results,) = simulate(mutated.accelerator, [0], [s.run for s in stage.stimuli], folder)
    stimuli = [calibrated(s, r) if not isinstance(r, str) else s for s, r in zip(stage.stimuli, results, strict=False)]
    _demand(stage.name, stimuli, stage.stimuli, results)
    return stimuli


def _demand(
    name: str, stimuli: Sequence[Stimulus], wanted: Sequence[Stimulus], results: Sequence[RunResult | Silence]
) -> None:
    for stimulus, result in zip(stimuli, results, strict=True):
        verdict = judge(stimulus, result)
        if verdict.check:
            raise CheckFailed(
                f"the design without a mutant fails: {verdict.check}, {verdict.what}", where=f"{name}, {stimulus.label}"
            )
    if len(results) < len(wanted):
        raise CheckFailed("the design without a mutant does not finish", where=f"{name}, {wanted[len(results)].label}")


def _stage(
    mutated: Mutated, name: str, stimuli: Sequence[Stimulus], alive: Sequence[Fate], folder: Path
) -> Iterator[Fate]:
    """The design itself comes last in every simulation: what mutants leave behind must not outlive a reset."""
    for first in range(0, len(alive), MUTANTS_PER_SIMULATION):
        some = alive[first : first + MUTANTS_PER_SIMULATION]
        numbers = [fate.mutant.number for fate in some]
        *of_mutants, own = simulate(mutated.accelerator, [*numbers, 0], [s.run for s in stimuli], folder)
        _demand(f"{name}, behind mutants {numbers}", stimuli, stimuli, own)
        for fate, results in zip(some, of_mutants, strict=True):
            yield _fate(fate, name, stimuli, results)


def _fate(fate: Fate, stage: str, stimuli: Sequence[Stimulus], results: Sequence[RunResult | Silence]) -> Fate:
    cycles = fate.cycles
    for stimulus, result in zip(stimuli, results, strict=False):
        verdict = judge(stimulus, result)
        cycles += verdict.cycles
        if verdict.check:
            return Fate(fate.mutant, verdict.check, verdict.what, stage, stimulus.label, cycles)
    return Fate(fate.mutant, cycles=cycles)
