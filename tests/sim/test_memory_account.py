# SPDX-License-Identifier: Apache-2.0
"""The four memory accountings of a compiled network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esl_ref import arch
from esl_ref.cli import main
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from sim.memory_account import account


def test_accounts_grow_and_the_plan_says_what_the_rtl_holds() -> None:
    compiled = compile_model(load(embedded_path()), arch.load("base"))
    four = account(compiled, None)
    assert four.bound <= four.with_input == compiled.programs[0].plan.height
    assert four.tensors <= four.with_input <= compiled.arch.act_bytes
    assert four.with_scratch == four.rtl_memories == compiled.arch.memory_bytes()
    assert list(four.four()) == ["tensors", "with_input", "with_scratch", "rtl_memories"]
    assert account(compiled, 5).rtl_memories == 5


@pytest.mark.parametrize(("model", "tensors"), [("mlonmcu_catdog", 1250), ("tflm_micro_speech", 4004)])
def test_plan_and_sim_give_the_same_accounts(model: str, tensors: int, data_dir: Path, tmp_path: Path) -> None:
    path, said = data_dir / "tflite" / f"{model}.tflite", []
    if not path.exists():
        pytest.skip(f"no {path.name} in {path.parent}; set ESL_REF_DATA")
    for verb, *options in (("plan",), ("sim", "--executor", "machine", "--out", str(tmp_path / "sim"))):
        record = tmp_path / f"{verb}.json"
        with pytest.raises(SystemExit) as leaving:
            main([verb, str(path), *options, "--json", str(record)])
        assert not leaving.value.code
        said.append(json.loads(record.read_text())["sram_bytes"])
    assert said[0] == said[1]
    assert said[0]["tensors"] == tensors
