# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from esl_ref.errors import InputError
from golden import writer as module
from golden.writer import PackageWriter, manifest_digest, unpack_archive


def _write(out: Path) -> None:
    with PackageWriter(out) as writer:
        writer.write("a/b.txt", "text")
        writer.finish({"schema": "x"})


def test_manifest_has_the_hash_of_every_file_and_its_own(tmp_path: Path) -> None:
    _write(tmp_path / "p")
    manifest = json.loads((tmp_path / "p/manifest.json").read_text())
    assert manifest["files"] == {"a/b.txt": {"bytes": 4, "sha256": hashlib.sha256(b"text").hexdigest()}}
    assert manifest["manifest_sha256"] == manifest_digest(manifest)


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError(errno.ENOSPC, "No space left on device")])
def test_leaves_nothing_behind_when_it_breaks_off(tmp_path: Path, error: Exception) -> None:
    with pytest.raises((RuntimeError, InputError), match="x|No space left on device.*nothing is left behind"):
        with PackageWriter(tmp_path / "p") as writer:
            writer.write("a", b"1")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_full_disk_while_writing_keeps_the_package_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "p")

    def full(self: object, data: bytes | str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.HashedFile, "write", full)
    with pytest.raises(InputError, match="No space left"):
        _write(tmp_path / "p")
    assert [p.name for p in tmp_path.iterdir()] == ["p"] and (tmp_path / "p/a/b.txt").read_text() == "text"


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is left behind"):
        with PackageWriter(tmp_path / "p") as writer:
            writer.write("x" * 5000, b"a name no file system takes")
    assert list(tmp_path.iterdir()) == []


def test_replaces_a_package_but_nothing_else(tmp_path: Path) -> None:
    _write(tmp_path / "p")
    _write(tmp_path / "p")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("do not lose")
    with pytest.raises(InputError, match="is no package"):
        _write(tmp_path / "mine")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "p"]


def test_archives_are_equal_and_unpack(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        _write(tmp_path / name / "p.tar.zst")
    assert (tmp_path / "1/p.tar.zst").read_bytes() == (tmp_path / "2/p.tar.zst").read_bytes()
    assert (unpack_archive(tmp_path / "1/p.tar.zst", tmp_path / "u") / "a/b.txt").read_text() == "text"
    cut = tmp_path / "cut.tar.zst"
    cut.write_bytes((tmp_path / "1/p.tar.zst").read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged|holds no"):
        unpack_archive(cut, tmp_path / "v")


@pytest.mark.parametrize(
    "name, kind", [("../out", tarfile.REGTYPE), ("/out", tarfile.REGTYPE), ("p/link", tarfile.SYMTYPE)]
)
def test_archives_cannot_reach_out_of_their_folder(tmp_path: Path, name: str, kind: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, "/etc" if kind == tarfile.SYMTYPE else ""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.addfile(entry, io.BytesIO())
    path = tmp_path / "bad.tar.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(raw.getvalue()))
    with pytest.raises(InputError, match="which no package has"):
        unpack_archive(path, tmp_path / "u")
