# SPDX-License-Identifier: Apache-2.0
"""The packages in golden/packages are what this version exports. `esl-ref golden --write` renews them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from golden import committed
from golden.check import check
from golden.package import opened


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    committed.regenerate(folder=folder)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_byte_for_byte(fresh: Path) -> None:
    old, new = _files(committed.FOLDER), _files(fresh)
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] != new[name]] == []


@pytest.mark.parametrize("name", sorted(committed.PACKAGES))
def test_checks_on_the_machine(name: str) -> None:
    with opened(committed.FOLDER / name) as package:
        assert check(package) == []


def test_small_enough_to_commit() -> None:
    assert sum(len(raw) for raw in _files(committed.FOLDER).values()) < 3 << 20


def test_a_stale_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(committed.FOLDER / "conv", tmp_path / "conv")
    path = tmp_path / "conv/replay.txt"
    path.write_text(path.read_text().replace("end\n", "end \n"))
    monkeypatch.setattr(committed, "FOLDER", tmp_path)
    monkeypatch.setattr(committed, "PACKAGES", {"conv": committed.PACKAGES["conv"]})
    monkeypatch.setattr(committed, "UNITS", ())
    assert {p.file for p in committed.differences()} == {"conv/replay.txt"}
