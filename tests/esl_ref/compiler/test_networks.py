# SPDX-License-Identifier: Apache-2.0
"""Whole networks and single operators: the ESL machine executes what the compiler wrote, golden says what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.errors import PlanError
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model
from tests.conftest import shared_data
from tests.helpers.networks import check, mismatches
from tests.helpers.tflite_cases import KINDS, make_case

MODELS = sorted(
    p
    for p in shared_data().glob("**/*.tflite")
    if "single_layers" not in p.parts and "float" not in p.parent.name
)
REFUSED = {"ssd_mobilenet_v1_075_300_u8"}  # custom detection head: the front end names it


@pytest.mark.parametrize("preset", arch.PRESETS)
def test_embedded_model(preset: str) -> None:
    check(load(embedded_path()), arch.load(preset))


@pytest.mark.parametrize("path", [p for p in MODELS if p.stem not in REFUSED], ids=lambda p: p.stem)
def test_real_models(path: Path, data_dir: Path) -> None:
    check(load(path), arch.load("base"))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("preset", ["tiny", "base"])
def test_random_operators(kind: str, preset: str, tmp_path: Path) -> None:
    for seed in range(6):
        path = tmp_path / f"{kind}{seed}.tflite"
        path.write_bytes(make_case(kind, seed).model)
        graph = load(path)
        try:
            check(graph, arch.load(preset), seed=seed)
        except PlanError as error:
            assert "no operator runs on the accelerator" in str(error)


@pytest.mark.parametrize(("strip", "ahead"), [(1, 0), (1, 1), (2, 0), (3, 1), (5, 0)])
def test_everything_streamed(strip: int, ahead: int) -> None:
    graph, base = load(embedded_path()), arch.load("base")
    count = sum(len(low.tasks) for low in prepare(graph, base)[3].values())
    whole = check(graph, base, [Choice(tuple(Group(i, i + 1) for i in range(count)))])
    streamed = check(graph, base, [Choice((Group(0, count, strip, ahead),))])
    if strip == 1 and ahead == 0:
        assert streamed.arch.act_bytes < whole.arch.act_bytes / 2


def test_compiling_for_a_given_machine_lowers_for_that_machine() -> None:
    graph = load(embedded_path())
    first = check(graph, arch.load("base"))
    again = compile_model(graph, arch.load("base"), sized=first.arch, trace=True)
    assert again.arch == first.arch
    assert not mismatches(again)[0]
