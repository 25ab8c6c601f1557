# SPDX-License-Identifier: Apache-2.0
"""Opens a package: folder or archive, manifest checked, files by name."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esl_ref.arch import Arch
from esl_ref.errors import ArchError, InputError
from esl_ref.numerics import Profile
from golden.export import SCHEMA
from golden.writer import ARCHIVE, MANIFEST, manifest_digest, unpack_archive

__all__ = ["Package", "Problem", "opened", "refuse_other_arch"]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file, and where in it, in the network's words if they can be told."""

    file: str
    what: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}{', at ' + self.place if self.place else ''}"


@dataclass(frozen=True)
class Package:
    """A package on disk. `files` are the manifest's records by name."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """The manifest's record of every file: size and hash."""
        return dict(self.manifest["files"])

    @property
    def arch(self) -> Arch:
        """The architecture it was made for. InputError if it states another hash than it describes."""
        fields = dict(self.manifest["arch"])
        try:
            arch = Arch(**{**fields, "profile": Profile(fields["profile"])})
        except (ArchError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"describes no architecture ({error})", where=str(self.folder / MANIFEST)) from error
        if f"{arch.hash():016x}" != self.manifest["arch_hash"]:
            raise InputError(
                f"states architecture hash {self.manifest['arch_hash']}, its description hashes to {arch.hash():016x}",
                where=str(self.folder / MANIFEST), hint="export it again with this version",
            )  # fmt: skip
        return arch

    def read(self, name: str) -> bytes:
        """Bytes of a file of the package."""
        return (self.folder / name).read_bytes()

    def intact(self, name: str) -> bool:
        """Is the file there and what the manifest says?"""
        path = self.folder / name
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.files[name]["sha256"]

    def damaged(self) -> list[str]:
        """Names of files that are missing or changed."""
        return [name for name in self.files if not self.intact(name)]

    def strangers(self) -> list[str]:
        """Files that the manifest does not know."""
        found = {p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file()}
        return sorted(found - set(self.files) - {MANIFEST})


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            "holds no manifest.json", where=str(path.parent), hint="give a package's folder or archive"
        ) from error
    except ValueError as error:
        raise InputError(f"is no JSON: truncated or changed ({error})", where=str(path)) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        raise InputError(f"schema {found!r}, this version reads {SCHEMA!r}", where=str(path), hint="export it again")
    if manifest.get("manifest_sha256") != manifest_digest(manifest):
        raise InputError("does not match its own checksum: it was changed after export", where=str(path))
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[Package]:
    """The package at `path`; an archive is unpacked for the time of the block. InputError if it is none."""
    if path.is_file() and path.name.endswith(ARCHIVE):
        with tempfile.TemporaryDirectory(prefix="esl-golden-") as scratch:
            folder = unpack_archive(path, Path(scratch))
            yield Package(folder, _manifest(folder / MANIFEST))
        return
    if not path.is_dir():
        raise InputError("no such package", where=str(path))
    yield Package(path, _manifest(path / MANIFEST))


def refuse_other_arch(package: Package, arch_hash: str, what: str) -> None:
    """ArchError, with both hashes, unless the package is for `arch_hash`."""
    stated = package.manifest["arch_hash"]
    if stated != arch_hash:
        raise ArchError(
            f"the package is for architecture {stated}, {what} is {arch_hash}",
            where=package.manifest["model"], hint="export for this architecture, or generate RTL for the package's",
        )  # fmt: skip
