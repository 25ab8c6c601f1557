# SPDX-License-Identifier: Apache-2.0
"""The memory model and the protocol checker, driven by cocotbext-axi, an independent implementation of AXI4."""

from __future__ import annotations

import pytest

from sim.bench import run_bench
from sim.build import BuildSpec, build_model
from sim.runner import HARNESS, source_ports

pytestmark = pytest.mark.cosim

BENCHES = (
    "random_traffic",
    "narrow_beats",
    "bursts_overlap",
    "stalls_are_drawn_at_their_rate",
    "back_pressure",
    "beyond_the_end",
    "unanswered_write_is_not_read",
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    top = HARNESS / "tb_memory.sv"
    sources = (HARNESS / "axi_memory.sv", HARNESS / "axi_checker.sv", top)
    build = build_model(BuildSpec("tb_memory", source_ports(top), sources=sources))
    return run_bench(build, "tests.sim.benches.axi_memory_bench", tmp_path_factory.mktemp("axi"), timeout_seconds=300)


@pytest.mark.parametrize("bench", BENCHES)
def test_bench(results, bench):
    assert bench in results.tests
    assert bench not in results.failures, results.failures[bench]


def test_no_bench_is_left_out(results):
    assert sorted(results.tests) == sorted(BENCHES)
