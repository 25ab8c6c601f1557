# SPDX-License-Identifier: Apache-2.0
"""`make` on a machine that lacks something: one clear sentence, exit code 2, nothing half-made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASICS = ("bash", "sh", "awk", "grep", "sed", "env", "cat", "touch", "test", "ls", "rm", "mkdir", "make")
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
OLD_PYTHON = '#!/bin/sh\ntest "$1" = --version && echo "Python 3.9.2"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that `make venv` looks at, and a `bin` folder that becomes the whole PATH."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in BASICS:
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def provide(checkout: Path, **scripts: str) -> None:
    for name, text in scripts.items():
        target = checkout / "bin" / name.replace("gxx", "g++")
        target.write_text(text)
        target.chmod(0o755)


def make(checkout: Path, target: str = "venv", **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CXX", "PIP_"))}
    return subprocess.run(
        ["make", target], cwd=checkout, capture_output=True, text=True, timeout=300,
        env={**clean, "PATH": str(checkout / "bin"), **env},
    )  # fmt: skip


NOTHING = "#!/bin/sh\n"


@pytest.mark.parametrize(
    "scripts, sentence",
    [
        ({}, "error: python3 was not found; install Python 3.11 or newer"),
        ({"python3": OLD_PYTHON + "exit 1\n"}, "error: Python 3.9.2 is too old, 3.11 or newer is needed"),
        ({"python3": PYTHON, "perl": NOTHING}, "error: no C++ compiler was found; install g++"),
        ({"python3": PYTHON, "gxx": NOTHING}, "error: perl was not found"),
    ],
)
def test_what_is_missing_is_named(checkout, scripts, sentence):
    provide(checkout, **scripts)
    done = make(checkout)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2 and len(errors) == 1 and errors[0].startswith(sentence), done.stderr
    assert not (checkout / ".venv").exists()


def test_no_network_is_one_sentence_and_can_be_tried_again(checkout):
    provide(checkout, python3=PYTHON, gxx=NOTHING, perl=NOTHING)
    # An index that is certainly not there stands for the missing network.
    done = make(checkout, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 2 and "needs network access to a package index" in done.stderr
    assert not (checkout / ".venv" / ".installed").exists()


def test_help_names_the_targets(checkout):
    out = make(checkout, "help").stdout
    for target in ("sim", "rtl", "golden", "test", "bench", "lint", "clean"):
        assert f"make {target} " in out


def test_targets_pass_their_variables_on(checkout):
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/.installed", "sim", "MODEL=net.tflite", "ARCH=tiny", "STALL=0.2", "REPEAT=2",
         "INPUT=x.npy", "SRAM=64K", "WAVES=1", "JSON=r.json"],
        cwd=checkout, capture_output=True, text=True, check=True,
    )  # fmt: skip
    command = " ".join(done.stdout.replace("\\\n", " ").split())
    for part in (
        "esl-ref sim net.tflite --arch tiny", "--sram 64K", "--stall 0.2", "--repeat 2", "--input x.npy", "--waves",
        "--json r.json",
    ):  # fmt: skip
        assert part in command
