# SPDX-License-Identifier: Apache-2.0
"""docs/generate.py: the pages of registers and fields are current, the pictures are what `plan --map` draws."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import xml.etree.ElementTree as ET
from types import ModuleType

import pytest

from esl_ref import arch
from esl_ref.program.fields import LAYOUTS, ErrorCode
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


def test_fields_page_is_current_and_has_every_field(generator):
    page = generator.fields_page()
    assert (ROOT / "docs" / "fields.md").read_text() == page, "run: python docs/generate.py"
    rows = {f"| `{f.name}` | {f.word} | {f.lsb} | {f.width}" for layout in LAYOUTS.values() for f in layout}
    assert all(page.count(row) == 1 for row in rows)


def test_architecture_hash_is_computed_as_the_page_says():
    page = (ROOT / "docs" / "program.md").read_text()
    text = re.search(r"```json\n(.*?)\n```", page, re.DOTALL)[1].replace("\n", " ")
    first = hashlib.sha256(text.encode()).digest()[:8]
    assert first.hex(" ") in page
    assert int.from_bytes(first, "little") == arch.load("base").hash()
    assert f"0x{arch.load('base').hash():016x}" in page


def test_pictures_are_there_and_are_svg(generator):
    for name in ("flow.svg", *generator.BUDGETS):
        assert ET.parse(ROOT / "docs" / "pictures" / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_a_budget_makes_another_picture(generator):
    whole, streamed = generator.memory_map(None), generator.memory_map(8192)
    assert whole != streamed and "conv1" in whole and "conv1" in streamed
