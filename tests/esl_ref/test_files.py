# SPDX-License-Identifier: Apache-2.0
"""Files are written whole or not at all, and devices stay devices."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO

import pytest

from esl_ref.errors import InputError
from esl_ref.files import check_folder, check_place, refusals, write_whole


@pytest.mark.parametrize("content", ["text µ", "text µ".encode(), lambda stream: stream.write("text µ".encode())])
def test_what_is_written(tmp_path: Path, content: object) -> None:
    write_whole(tmp_path / "a.txt", content)  # type: ignore[arg-type]
    assert (tmp_path / "a.txt").read_text() == "text µ"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_what_was_there_stays_when_writing_fails(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")

    def fail(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise failure

    with pytest.raises((InputError, KeyboardInterrupt, ValueError)):
        write_whole(target, fail, "layout")
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_link_points_to_is_replaced_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("before")
    (tmp_path / "a.txt").symlink_to("b.txt")
    write_whole(tmp_path / "a.txt", "after")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "b.txt").read_text() == "after"


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    """`--json /dev/stdout`, run by root, used to replace the device by a file."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join(5)
    assert got == ["through"] and pipe.is_fifo()


def test_a_full_device_is_one_sentence() -> None:
    with pytest.raises(InputError, match="/dev/full: cannot write the layout: No space left on device"):
        write_whole(Path("/dev/full"), "x", "layout")
    assert Path("/dev/full").is_char_device()


def test_absent_folders_are_named_before_and_after(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "x"
    with pytest.raises(InputError, match="cannot write the page: No such file"):
        write_whole(target, "x", "page")
    with pytest.raises(InputError, match="cannot write the page: no such folder"):
        check_folder(target, "page")
    check_folder(None)
    check_folder(Path("-"))


def test_a_closed_pipe_is_not_the_file_systems_word() -> None:
    with pytest.raises(BrokenPipeError), refusals("here", "text"):
        raise BrokenPipeError(32, "Broken pipe")


def test_places_are_looked_at_before_anything_is_made(tmp_path: Path) -> None:
    check_place(tmp_path / "a" / "b")
    check_place(Path("not-there"))
    assert not list(tmp_path.iterdir())
    for place in (Path("/dev/null"), Path("/dev/null/a/b")):
        with pytest.raises(InputError, match=f"^{place}: cannot write there: /dev/null is no folder"):
            check_place(place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="may not be written to"):
        check_place(tmp_path / "a")
