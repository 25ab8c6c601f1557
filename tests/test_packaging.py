# SPDX-License-Identifier: Apache-2.0
"""Rules of the repository: pinned and explained dependencies, who imports whom, licence lines, what lies where."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = {
    "esl_ref", "rtl", "sim", "golden", "tests", "docs", "Makefile", "pyproject.toml", "README.md", "LICENSE",
    "CHANGELOG.md", "requirements.lock", ".ci", ".gitignore", ".gitattributes",
}  # fmt: skip
FORBIDDEN = {"esl_ref": {"rtl", "sim", "golden"}, "rtl": {"sim", "golden"}, "golden": {"sim"}}
EXCEPTIONS = {"golden/cli.py": {"sim"}}  # the verb `golden replay` asks sim.toolchain where Verilator is
FROM_ESL_REF = {
    "esl_ref", "esl_ref.arch", "esl_ref.program", "esl_ref.numerics", "esl_ref.errors", "esl_ref.registers",
}  # fmt: skip


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def imported_modules(path: Path) -> set[str]:
    """Dotted names that `path` imports anywhere, in functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            if "." not in node.module:
                names |= {f"{node.module}.{a.name}" for a in node.names if not a.name.startswith("__")}
    return names


def dependency_lines() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") : text.index("[project.scripts]")]
    return [line.strip() for line in block.splitlines() if line.strip().startswith('"')]


def test_every_dependency_has_one_sentence_of_rationale():
    lines = dependency_lines()
    assert len(lines) > 15
    for line in lines:
        assert re.search(r'",?\s+# [A-Z`].*[^.]\.$', line), line


def test_lock_pins_everything_and_names_no_host():
    lock = (ROOT / "requirements.lock").read_text()
    pins = [line for line in lock.splitlines() if line and not line.startswith(("#", " "))]
    assert all(re.fullmatch(r'[a-z0-9][a-z0-9.-]*==\S+( ; python_version < "[\d.]+")?', pin) for pin in pins)
    assert "http" not in lock and "index-url" not in lock.replace("--no-emit-index-url", "")
    pinned = {pin.split("==")[0] for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    for requirement in wanted:
        assert re.split(r"[\[<>=~! ]", requirement)[0].lower() in pinned, requirement


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_who_imports_whom(package):
    for path in (ROOT / package).rglob("*.py"):
        place = path.relative_to(ROOT)
        tops = {name.split(".")[0] for name in imported_modules(path)} - EXCEPTIONS.get(place.as_posix(), set())
        assert not tops & FORBIDDEN[package], f"{place} imports {tops & FORBIDDEN[package]}"


def test_parts_of_esl_ref_form_no_circle():
    """Folders and single modules of `esl_ref` in layers: none imports what, by whatever way, imports it.

    The encoding's field widths are below the architecture, which the rest of the encoding needs.
    """
    folder = ROOT / "esl_ref"
    needs: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        names = (name.split(".")[1:] for name in imported_modules(path) if name.startswith("esl_ref."))
        part = _part(path.relative_to(folder).with_suffix("").parts)
        needs.setdefault(part, set()).update({_part(tuple(name)) for name in names} - {part})
    while done := {part for part, used in needs.items() if not used & needs.keys()}:
        needs = {part: used for part, used in needs.items() if part not in done}
    assert not needs, f"circles among {sorted(needs)}"


def _part(names: tuple[str, ...]) -> str:
    return "program.fields" if names[:2] == ("program", "fields") else names[0]


def test_rtl_takes_only_the_contract_from_esl_ref():
    """The verb `rtl` may know more: it is the command line of the package, not part of the gateware."""
    for path in (ROOT / "rtl").rglob("*.py"):
        if path.name == "cli.py":
            continue
        used = {name for name in imported_modules(path) if name.split(".")[0] == "esl_ref"}
        wrong = {name for name in used if ".".join(name.split(".")[:2]) not in FROM_ESL_REF}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_sources_begin_with_the_licence_line():
    kinds = {".py", ".sv", ".v", ".cpp", ".h", ".vlt"}
    for path in tracked():
        generated = path.parts[:2] == ("golden", "packages")  # data, byte for byte what the exporter writes
        if path.suffix in kinds and not generated and (ROOT / path).stat().st_size:
            head = (ROOT / path).read_text().splitlines()[:2]
            assert any("SPDX-License-Identifier: Apache-2.0" in line for line in head), path


def test_top_level_is_as_agreed():
    assert {path.parts[0] for path in tracked()} <= TOP_LEVEL


def test_licence_is_the_whole_text():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
