# SPDX-License-Identifier: Apache-2.0
"""Programs and memories that are broken: ESL machine and RTL stop with the same code at the same command, and the next
Program runs as if nothing had been."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from sim.broken import broken, refusing
from sim.compare import differing
from sim.jobs import Job
from sim.machine_backend import MachineBackend
from sim.rtl_backend import RtlBackend
from sim.runner import BusMemory
from sim.workload import Workload


def test_the_esl_machine_says_what_and_where(workload: Workload) -> None:
    for name, job, code, index in broken(workload.job(0, "timed", BusMemory())):
        (result,) = MachineBackend().run([job])
        assert result.error == (code, index), (name, result.failure)
        assert f"[{code.name}]" in result.failure


@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_the_rtl_says_the_same_and_recovers(workload: Workload, base: Arch, tmp_path: Path) -> None:
    good = workload.job(0, "timed", BusMemory())
    cases = broken(good)
    jobs: Sequence[Job] = [job for _, bad, _, _ in cases for job in (bad, good)]
    results = RtlBackend(base, good.bases().size, tmp_path).run(jobs)
    for (name, _, code, index), bad, after in zip(cases, results[::2], results[1::2], strict=True):
        assert bad.error == (code, index), (name, bad.failure)
        assert not after.failure, (name, after.failure)
        assert differing(workload.golden, after.tensors) == [], name
        assert after.cycles == results[1].cycles, name


@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_records_that_cannot_be_written(workload: Workload, base: Arch, tmp_path: Path) -> None:
    """The ESL machine writes no records, so this one is the RTL's alone."""
    good = workload.job(0, "profiled", BusMemory(), profile=True)
    bad = refusing(good, good.bases().profile, good.bases().profile + 8)
    first = next(i for i, c in enumerate(good.program.commands) if c["stamp"])
    failed, after = RtlBackend(base, good.bases().size, tmp_path).run([bad, good])
    assert failed.error == (ErrorCode.PROFILE_BUS, first)
    assert differing(workload.golden, after.tensors) == []
