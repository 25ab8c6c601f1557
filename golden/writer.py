# SPDX-License-Identifier: Apache-2.0
"""Writes a package whole or not at all: beside its place first, then renamed; a SHA-256 of every file on the way.

The manifest comes last. The archive form is a tar of the same files, in order, with nothing of the machine in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any

from esl_ref.errors import InputError

__all__ = ["ARCHIVE", "MANIFEST", "HashedFile", "PackageWriter", "manifest_digest", "manifest_text", "unpack_archive"]

MANIFEST = "manifest.json"
ARCHIVE = ".tar.zst"
_LEVEL = 10


def manifest_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of everything but the digest itself."""
    content = {k: v for k, v in manifest.items() if k != "manifest_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def manifest_text(manifest: dict[str, Any]) -> str:
    """The manifest as it lies in a package, with its own digest."""
    return json.dumps({**manifest, "manifest_sha256": manifest_digest(manifest)}, indent=1, sort_keys=True) + "\n"


class HashedFile:
    """A file that hashes what goes into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes | str) -> None:
        """Append bytes, or text as UTF-8."""
        raw = data.encode() if isinstance(data, str) else data
        self._file.write(raw)
        self.digest.update(raw)
        self.size += len(raw)


class PackageWriter:
    """`with PackageWriter(out) as w: w.write(name, data); ...; w.finish(manifest)`.

    Leaving the block without `finish`, or by any exception, removes everything. An existing package at `out` is
    replaced; anything else there is refused. InputError for what the file system refuses, a full disk included.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.files: dict[str, dict[str, Any]] = {}
        self._folder = Path()
        self._done = False

    def __enter__(self) -> PackageWriter:
        _check_target(self.out)
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.partial-"))
        except OSError as error:
            raise _refused(self.out, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._done:
            shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _refused(self.out, error) from error

    @contextmanager
    def open(self, name: str) -> Iterator[HashedFile]:
        """A file to stream into; its hash is noted when the block ends."""
        if name in self.files:
            raise ValueError(f"{name} is written twice")
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            hashed = HashedFile(file)
            yield hashed
        self.files[name] = {"sha256": hashed.digest.hexdigest(), "bytes": hashed.size}

    def write(self, name: str, data: bytes | str) -> None:
        """Add a whole file."""
        with self.open(name) as file:
            file.write(data)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and put the package in its place."""
        text = manifest_text({**manifest, "files": dict(sorted(self.files.items()))})
        (self._folder / MANIFEST).write_text(text)
        os.chmod(self._folder, 0o755)  # mkdtemp makes private folders
        if self.out.name.endswith(ARCHIVE):
            _archive(self._folder, self.out)
        else:
            _replace(self._folder, self.out)
        self._done = True


def _refused(out: Path, error: OSError) -> InputError:
    return InputError(
        f"the package cannot be written ({error.strerror or error}); nothing is left behind", where=str(out)
    )


def _check_target(out: Path) -> None:
    if not out.exists() or (out.is_file() and out.name.endswith(ARCHIVE)) or (out / MANIFEST).is_file():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    raise InputError("exists and is no package", where=str(out), hint="choose another --out")


def _replace(folder: Path, out: Path) -> None:
    old = None
    if out.exists():
        old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old-"))
        os.replace(out, old / "package")
    os.replace(folder, out)
    if old is not None:
        shutil.rmtree(old)


def _archive(folder: Path, out: Path) -> None:
    import zstandard  # only this form needs it

    handle, scratch = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.partial-")
    try:
        stem = out.name[: -len(ARCHIVE)]
        with os.fdopen(handle, "wb") as file, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file) as packed:
            with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                    entry = tarfile.TarInfo(f"{stem}/{path.relative_to(folder).as_posix()}")
                    entry.size, entry.mode = path.stat().st_size, 0o644
                    with path.open("rb") as source:
                        tar.addfile(entry, source)
        os.chmod(scratch, 0o644)
        os.replace(scratch, out)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    shutil.rmtree(folder)


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, into: Path, archive: Path) -> None:
    """One member: files and folders below `into`, nothing else. (`tarfile`'s own filters came with Python 3.11.4.)"""
    name = PurePosixPath(entry.name)
    if name.is_absolute() or ".." in name.parts or not (entry.isfile() or entry.isdir()):
        raise InputError(f"holds '{entry.name}', which no package has", where=str(archive))
    target = into / name
    (target if entry.isdir() else target.parent).mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    if content is not None:
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)


def unpack_archive(path: Path, into: Path) -> Path:
    """Unpack a `.tar.zst` package below `into`; InputError if it is truncated or no such archive."""
    import zstandard

    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                for entry in tar:
                    _extract(tar, entry, into, path)
    except (OSError, tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise InputError(f"is no package archive, or a damaged one ({error})", where=str(path)) from error
    manifests = sorted(into.glob(f"*/{MANIFEST}"))
    if len(manifests) != 1:
        raise InputError(f"holds no {MANIFEST}", where=str(path))
    return manifests[0].parent
