# SPDX-License-Identifier: Apache-2.0
"""docs/generate.py: the register page is current, the pictures are what `plan --map` draws."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from types import ModuleType

import pytest

from esl_ref.program.fields import ErrorCode
from esl_ref.registers import REGISTERS
from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_registers_page_is_current(generator):
    assert (ROOT / "docs" / "registers.md").read_text() == generator.registers_page(), "run: python docs/generate.py"


def test_registers_page_has_every_register_and_error_and_no_architecture(generator):
    page = generator.registers_page()
    assert all(f"| 0x{r.offset:03X} | {r.name} |" in page for r in REGISTERS)
    assert all(code.name in page for code in ErrorCode)
    assert page.count("of the architecture") == 2 and "architecture base" not in page


def test_pictures_are_there_and_are_svg(generator):
    for name in ("flow.svg", *generator.BUDGETS):
        assert ET.parse(ROOT / "docs" / "pictures" / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_a_budget_makes_another_picture(generator):
    whole, streamed = generator.memory_map(None), generator.memory_map(8192)
    assert whole != streamed and "conv1" in whole and "conv1" in streamed
