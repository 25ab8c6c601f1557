# SPDX-License-Identifier: Apache-2.0
"""Random layers on the ESL machine (on the RTL: `test_cosim.py`), and the shrinker on a planted defect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from esl_ref import arch
from esl_ref.program.fields import Opcode
from sim.fuzz import Spec, case_of, fuzz, shrink, try_layers
from sim.jobs import Job, JobResult
from sim.machine_backend import MachineBackend
from sim.random_layers import LayerSpec, random_spec
from sim.random_networks import NetworkSpec, random_network
from sim.runner import BusMemory


@pytest.mark.parametrize("preset", arch.PRESETS)
def test_the_esl_machine_equals_golden(preset: str, tmp_path: Path) -> None:
    result = fuzz(arch.load(preset), 15, 1000, tmp_path, rtl=False)
    assert result.compared > 10
    assert not result.failures, result.failures[0]


@pytest.mark.parametrize("preset", arch.PRESETS)
def test_networks_under_random_plans_equal_golden(preset: str, tmp_path: Path) -> None:
    result = fuzz(arch.load(preset), 50, 7000, tmp_path, draw=random_network, rtl=False)
    assert result.compared > 40
    assert not result.failures, result.failures[0]


def test_random_plans_stream_and_park() -> None:
    """Else networks would test no more than layers."""
    base, found = arch.load("base"), set()
    for seed in range(30):
        case = case_of(random_network(seed), base, BusMemory())
        assert case is not None
        program, sizes = case.job.program, {name: value.nbytes for name, value in case.golden.items()}
        found |= {"branches"} if sum(s.direction == "out" for s in program.surfaces) > 1 else set()
        found |= {"parked"} if program.scratch_bytes else set()
        found |= {"rolling"} if any(b.bytes < sizes.get(b.name, 0) for b in program.sram_map) else set()
    assert found == {"branches", "parked", "rolling"}


def test_a_failing_network_loses_its_last_layers() -> None:
    base = arch.load("base")

    def fails(spec: Spec) -> bool:
        case = case_of(spec, base, BusMemory())
        return case is not None and any(c.opcode is Opcode.DEPTHWISE_WINDOW for c in case.job.program.commands)

    large = next(s for s in map(random_network, range(100)) if s.layers == 9 and fails(s))
    small = shrink(large, fails)
    assert isinstance(small, NetworkSpec)
    assert fails(small) and not fails(dataclasses.replace(small, layers=small.layers - 1))


class Defective:
    """A machine that gets wide maps of many channels wrong."""

    name = "defective"

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        results = MachineBackend().run(jobs)
        for job, result in zip(jobs, results, strict=True):
            shape = job.inputs["a"].shape
            if len(shape) == 4 and shape[2] >= 4 and shape[3] >= 3:
                result.tensors["y"].reshape(-1)[0] ^= 1
        return results


def test_a_failing_layer_is_made_as_small_as_it_can_be() -> None:
    base, backend = arch.load("base"), Defective()

    def fails(spec: Spec) -> bool:
        case = case_of(spec, base, BusMemory())
        return case is not None and bool(list(try_layers([case], [backend])))

    large = LayerSpec("conv", 3, 9, 11, 17, 20, (3, 2), (2, 1), padding=(1, 0, 1, 0), zeros=(5, -3), values="extreme")
    assert fails(large)
    small = shrink(large, fails)
    assert small == LayerSpec("conv", 3, 1, 4, 3, 1)


def test_verdicts_name_what_differs() -> None:
    case = case_of(LayerSpec("conv", 1, 2, 4, 3, 1), arch.load("base"), BusMemory())
    assert case is not None
    assert [(name, what) for _, name, what in try_layers([case], [MachineBackend(), Defective()])] == [
        ("defective", "tensor 'y': 1 of 8 elements differ")
    ]


def test_layers_too_large_are_left_out() -> None:
    small = arch.load("tiny").with_depths(act_bytes=64)
    assert case_of(random_spec(3).__class__("conv", 0, 14, 14, 16, 16), small, BusMemory()) is None


def test_average_of_two_border_columns_regression() -> None:
    """Two border regions of a padded average, streamed together, summed into the same accumulator slot."""
    spec = LayerSpec("average", 40329, 5, 2, 8, 8, (3, 3), padding=(0, 1, 2, 0))
    case = case_of(spec, arch.load("tiny"), BusMemory())
    assert case is not None
    assert list(try_layers([case], [MachineBackend()])) == []
    bases = {c["acc_base"] for c in case.job.program.commands if c.opcode is Opcode.POOL and c["acc_out"]}
    assert len(bases) == 2


def test_map_parked_before_it_is_complete_regression() -> None:
    """Half of a concat was read again from memory, where it is stored once the other half is there, too."""
    case = case_of(NetworkSpec(20293, 6), arch.load("base"), BusMemory())
    assert case is not None and not list(try_layers([case], [MachineBackend()]))
