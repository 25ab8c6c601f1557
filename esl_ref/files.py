# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all: what a killed or failing command leaves is what was there before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from esl_ref.errors import InputError

__all__ = ["check_folder", "check_place", "refusals", "write_whole"]


def check_folder(path: Path | None, what: str = "file") -> None:
    """InputError if `path` lies in no folder: said before minutes of work, not after them."""
    if path is not None and not path.parent.is_dir():
        raise InputError(f"cannot write the {what}: no such folder", where=str(path))


def check_place(folder: Path) -> None:
    """InputError if `folder`, there or not, cannot be made or written to: said before minutes of work."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"cannot write there: {there} is no folder", where=str(folder))
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write there: {there} may not be written to", where=str(folder))


@contextmanager
def refusals(where: Path | str, what: str, hint: str = "") -> Iterator[None]:
    """Turn what the file system refuses into an InputError that names `where`: a write that finds the disk full has no
    name of its own. A closed pipe passes, as nobody is left to tell."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"cannot write the {what}: {error.strerror or error}", where=str(where), hint=hint) from error


def write_whole(path: Path, content: str | bytes | Callable[[IO[bytes]], object], what: str = "file") -> None:
    """Write text (as UTF-8), bytes, or what a function writes; InputError, naming `what`, if that is impossible."""
    with refusals(path, what):
        # Behind a link lies what is meant, and only plain files can be replaced: a device or a pipe has to stay one.
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                _write(stream, content)
        else:
            _replace(target, content)


def _write(stream: IO[bytes], content: str | bytes | Callable[[IO[bytes]], object]) -> None:
    if callable(content):
        content(stream)
    else:
        stream.write(content.encode() if isinstance(content, str) else content)


def _replace(target: Path, content: str | bytes | Callable[[IO[bytes]], object]) -> None:
    """Through a scratch file beside `target`, which is gone again whatever happens."""
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            _write(stream, content)
        os.chmod(scratch, 0o644)  # mkstemp makes private files
        os.replace(scratch, target)
    except BaseException:
        os.unlink(scratch)
        raise
