# SPDX-License-Identifier: Apache-2.0
"""Generated accelerators are made once per architecture, complete or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim.accelerator as accelerator
from esl_ref import arch
from rtl.generate import Generated, Port


@pytest.fixture
def generations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[arch.Arch]:
    """A generator that only remembers what it was asked for."""
    asked: list[arch.Arch] = []

    def fake(of: arch.Arch) -> Generated:
        asked.append(of)
        return Generated(of, f"// {of.name}\n", (Port("clk", "input", 1),), of.memories())

    monkeypatch.setattr(accelerator, "generate", fake)
    monkeypatch.setenv("ESL_REF_BUILD", str(tmp_path))
    return asked


def test_one_folder_per_architecture(generations: list[arch.Arch]) -> None:
    base = arch.load("base")
    first, again = accelerator.generated_folder(base), accelerator.generated_folder(base)
    other = accelerator.generated_folder(base.with_depths(act_bytes=4096))
    assert first == again != other
    assert len(generations) == 2
    assert (first / "esl_accel.v").read_text() == "// base\n"
    assert json.loads((first / "esl_accel.json").read_text())["memory_bytes"] == base.memory_bytes()
    assert float((first / "seconds").read_text()) >= 0


def test_interrupted_generations_leave_nothing(generations: list[arch.Arch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "generate", lambda of: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        accelerator.generated_folder(arch.load("tiny"))
    root = accelerator.build_root()
    assert list(root.iterdir()) == []
