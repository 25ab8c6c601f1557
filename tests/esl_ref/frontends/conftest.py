# SPDX-License-Identifier: Apache-2.0
"""What the fuzz tests of all front ends share."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY_LIMIT = 3 << 30


@pytest.fixture(scope="module")
def bounded_memory() -> Iterator[None]:
    """A wild size must fail as an error of the front end, not as an exhausted machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    # On top of what this process has mapped already: other tests may have reserved much address space.
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
