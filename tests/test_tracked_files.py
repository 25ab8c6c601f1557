# SPDX-License-Identifier: Apache-2.0
"""What no committed file may hold: paths of somebody's machine, hosts of package indexes, leftovers of merging."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_packaging import ROOT, tracked

TEXT = {".py", ".md", ".toml", ".sv", ".v", ".vlt", ".cpp", ".h", ".c", ".json", ".svg", ".txt", ".lock", ".csv", ""}
# Each with an example. Patterns and examples are written so that this file does not hold what it forbids.
FORBIDDEN = {
    "path of a machine": (r"(?<![\w.}\)])/(?:work|home|root|Users|mnt)/\w", "/".join(["", "home", "me"])),
    "temporary folder": (r"(?<![\w.}\)])/tmp/\w", "/".join(["", "tmp", "x"])),
    "package index": (r"(?i)\b(?:[\w-]+\.)*pypi\.org\b|python[h]osted|/[s]imple/", ".".join(["pypi", "org"])),
    "option that names an index": (r"--(?:extra-)?[i]ndex-url|--[f]ind-links|--[t]rusted-host", "--" + "index-url"),
    "conflict marker": (r"(?m)^(?:<<<<<<<|>>>>>>>) ", "<" * 7 + " HEAD"),
}


def found(text: str) -> list[str]:
    """Kinds of what is forbidden that occur in a text."""
    return [kind for kind, (pattern, _) in FORBIDDEN.items() if re.search(pattern, text)]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_the_rules_see_their_examples(kind):
    assert found(f"see {FORBIDDEN[kind][1]}" if kind != "conflict marker" else FORBIDDEN[kind][1]) == [kind]


def test_the_rules_let_pass_what_is_meant():
    assert found("../shared/data, build/home/x, ${root}/tmp, --no-emit-index-url, a/work/b") == []


def test_no_tracked_file_names_a_machine_or_an_index():
    for path in tracked():
        if path.suffix in TEXT and path != Path("LICENSE"):
            wrong = found((ROOT / path).read_text(errors="replace"))
            assert not wrong, f"{path}: {', '.join(wrong)}"
