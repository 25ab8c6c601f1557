# SPDX-License-Identifier: Apache-2.0
"""The example of docs/machine.md runs and prints what it promises."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_example(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "machine.md").read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "docs/machine.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "conv1" in printed and printed.splitlines()[-1].lstrip().startswith("all")
