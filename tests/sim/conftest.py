# SPDX-License-Identifier: Apache-2.0
"""The embedded model on the preset `base`, for benches that share its RTL."""

from __future__ import annotations

import dataclasses

import pytest

from esl_ref import arch, executor
from esl_ref.arch import Arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.workload import Workload, prepare


@pytest.fixture(scope="session")
def base() -> Arch:
    return arch.load("base")


@pytest.fixture(scope="session")
def roomy() -> Arch:
    """`base` with activation SRAM for two maps of 48 x 48 x 96, or for any of the public networks."""
    return dataclasses.replace(arch.load("base"), name="roomy", act_bytes=1 << 19)


@pytest.fixture(scope="session")
def workload(base: Arch) -> Workload:
    """The embedded model with random inputs, on RTL with the memories of the description."""
    graph = load(embedded_path())
    return prepare(graph, executor.random_inputs(graph, 3), base, sized=base)
