# SPDX-License-Identifier: Apache-2.0
"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Examples are drawn the same way in every run, so that a red build is red again on the next machine; the nightly
# profile draws new ones. No deadline: a shared machine's pauses are not defects.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def shared_data() -> Path:
    """Folder of the models and vectors that are not part of the repository: $ESL_REF_DATA or ../shared/data."""
    return Path(os.environ.get("ESL_REF_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The shared data folder; the test is skipped where it is absent."""
    folder = shared_data()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set ESL_REF_DATA")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """Top of the source tree."""
    return ROOT
