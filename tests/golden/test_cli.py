# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from esl_ref.errors import CheckFailed, EslError, InputError
from esl_ref.models import embedded_path
from golden.cli import command

MODEL = str(embedded_path())


def _run(*words: str | Path) -> str:
    result = CliRunner().invoke(command, [str(w) for w in words])
    if isinstance(result.exception, EslError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_model_without_a_subcommand_exports(tmp_path: Path) -> None:
    out = tmp_path / "p"
    said = _run(
        MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", out, "--json", tmp_path / "r.json"
    )
    record = json.loads((tmp_path / "r.json").read_text())
    assert f"{record['files']} files" in said and (out / "replay.txt").is_file()
    assert "sound, 2 runs re-derived" in _run("check", out)
    assert "equal" in _run("check", out, "--against", out)


@pytest.mark.parametrize("options", [["--format", "vhdl"], ["--programs", "x"], ["--layers", "40:50"]])
def test_wrong_options_leave_nothing_behind(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(InputError, match="unknown|layers"):
        _run(MODEL, *options, "--out", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_unit_packages_are_exported_but_not_replayed_on_a_whole_design(tmp_path: Path) -> None:
    assert "cycles for the unit requantise" in _run("unit", "requantise", "--arch", "tiny", "--out", tmp_path / "u")
    assert "sound" in _run("check", tmp_path / "u")
    with pytest.raises(InputError, match="is a unit package"):
        _run("replay", tmp_path / "u", "--rtl", tmp_path)


def test_export_needs_a_place() -> None:
    with pytest.raises(InputError, match="--out"):
        _run(MODEL)


def test_check_prints_problems_and_fails(tmp_path: Path) -> None:
    _run(MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", tmp_path / "p")
    (tmp_path / "p/replay.txt").write_text("package 1\n")
    result = CliRunner().invoke(command, ["check", str(tmp_path / "p")])
    assert isinstance(result.exception, CheckFailed) and "replay.txt: is not what was exported" in result.stdout


def _typed(words: list[str], cwd: Path, limit: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `limit` in bytes stands for a disk that no larger file fits on."""

    def prepare() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with an error, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    program = [sys.executable, "-B", "-c", "from esl_ref.cli import main; main()", "golden", *words]
    return subprocess.run(
        program, capture_output=True, text=True, cwd=cwd, preexec_fn=prepare, env={**os.environ, **env}
    )


@pytest.mark.parametrize(("name", "limit"), [("p", 1000), ("p.tar.zst", 20_000), ("p.tar.zst", 4000)])
def test_a_disk_that_fills_up_leaves_nothing_behind(name: str, limit: int, tmp_path: Path) -> None:
    done = _typed([MODEL, "--arch", "tiny", "--layers", "13", "--out", name], tmp_path, limit)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "File too large" in done.stderr and "nothing is left behind" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_exports_of_two_processes_are_byte_identical(tmp_path: Path) -> None:
    words = [MODEL, "--arch", "tiny", "--layers", "11:14", "--count", "2", "--level", "bus", "--out", "p.tar.zst"]
    packages = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        done = _typed(words, folder, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        packages.append((folder / "p.tar.zst").read_bytes())
    assert packages[0] == packages[1]


@pytest.mark.slow
def test_mobilenet_at_command_level_stays_under_a_gibibyte(data_dir: Path, tmp_path: Path) -> None:
    model = data_dir / "tflite" / "cfu_mobilenet_v2_035_160.tflite"
    words = ["golden", str(model), "--level", "command", "--out", str(tmp_path / "p")]
    program = [sys.executable, "-c", "from esl_ref.cli import main; main()", *words]
    pid = os.posix_spawn(sys.executable, program, os.environ)
    _, status, used = os.wait4(pid, 0)  # of this process alone: other tests' compilers do not count
    print(f"peak {used.ru_maxrss / 1024:.0f} MiB")
    assert status == 0 and (tmp_path / "p/commands/t0.v0.txt").is_file()
    assert used.ru_maxrss < 1 << 20  # KiB


def _truncated_archive(folder: Path) -> Path:
    path = folder / "p.tar.zst"
    _run(MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", path)
    path.write_bytes(path.read_bytes()[:3000])
    return path


def _changed(folder: Path, file: str, old: str, new: str) -> Path:
    path = folder / "p"
    _run(MODEL, "--arch", "tiny", "--layers", "13", "--format", "hex", "--out", path)
    text = (path / file).read_text()
    assert old in text
    (path / file).write_text(text.replace(old, new, 1))
    return path


BROKEN: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "truncated archive": (_truncated_archive, 2, "is no package archive, or a damaged one"),
    "schema": (lambda f: _changed(f, "manifest.json", "esl-ref golden 1", "esl-ref golden 7"), 2,
               "schema 'esl-ref golden 7', this version reads 'esl-ref golden 1'; export it again"),
    "manifest": (lambda f: _changed(f, "manifest.json", '"seed": 1', '"seed": 3'), 2, "its own checksum"),
    "no manifest": (lambda f: f, 2, "holds no manifest.json"),
    "nothing there": (lambda f: f / "q", 2, "no such package"),
    "tampered": (lambda f: _changed(f, "replay.txt", "compare", "comqare"), 1, "1 files differ"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("verb", ["check", "replay"])
def test_broken_packages_end_in_one_sentence(verb: str, what: str, tmp_path: Path) -> None:
    make, code, message = BROKEN[what]
    words = [verb, str(make(tmp_path))] + (["--rtl", str(tmp_path)] if verb == "replay" else [])
    if (verb, what) == ("replay", "tampered"):
        code, message = 2, "1 files are damaged, the first is replay.txt"
    done = _typed(words, tmp_path)
    assert done.returncode == code and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_replay_refuses_rtl_of_another_architecture(head_package: Path, tmp_path: Path) -> None:
    (tmp_path / "esl_accel.json").write_text('{"arch_hash": "0123456789abcdef"}')
    with pytest.raises(EslError, match="is for architecture .*0123456789abcdef"):
        _run("replay", head_package, "--rtl", tmp_path)


def test_replay_of_a_damaged_package_is_refused(head_package: Path, tmp_path: Path, copied) -> None:
    folder = copied(head_package)
    (folder / "replay.txt").write_text("")
    with pytest.raises(InputError, match="1 files are damaged, the first is replay.txt"):
        _run("replay", folder, "--rtl", tmp_path)
