# SPDX-License-Identifier: Apache-2.0
"""Packages of the embedded model and of one of its layers, exported once per session; tests copy before they damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from esl_ref.arch import load as load_arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from golden.content import Content, from_graph
from golden.export import export
from golden.writer import PackageWriter


@pytest.fixture(scope="session")
def embedded() -> Content:
    """The whole model on the tiny array."""
    return from_graph(load(embedded_path()), load_arch("tiny"), model=embedded_path())


@pytest.fixture(scope="session")
def head(embedded: Content) -> Content:
    """Average pooling to the fully connected layer, on the machine of the whole model."""
    graph = load(embedded_path())
    return from_graph(graph, load_arch("tiny"), layers=(11, 14), sized=embedded.arch)


@pytest.fixture(scope="session")
def head_package(head: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("golden") / "head"
    with PackageWriter(out) as writer:
        export(head, writer, level="bus")
    return out


@pytest.fixture(scope="session")
def embedded_package(embedded: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("golden") / "embedded"
    with PackageWriter(out) as writer:
        export(embedded, writer, level="bus")
    return out


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a package that may be damaged."""

    def copy(package: Path) -> Path:
        target = tmp_path / package.name
        shutil.copytree(package, target)
        return target

    return copy
