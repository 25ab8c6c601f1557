# SPDX-License-Identifier: Apache-2.0
"""The pages keep their word: commands run or at least parse, links lead somewhere, excerpts are the sources'."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import esl_ref.cli as command_line
from tests.docs.blocks import PAGES, ROOT, Command, blocks, commands, links, mentions, name

# Verbs that are run as they stand in the pages: seconds each, with nothing but what `make venv` installs.
CHEAP = {"inspect", "run", "plan", "rtl", "allocate", "golden", "quantise"}
# Verbs whose commands are parsed in the everyday suite, and why; those of SLOW are run by `make test-slow`.
SLOW = {
    "sim": "generates and Verilates an accelerator: minutes, and tests/sim does it with smaller means",
    "lint": "converts and lints a preset: a minute each, and tests/sim/test_lint.py does it",
}
NEVER = {
    "bench": "measures an otherwise idle machine for minutes to an hour, on third-party models",
    "fuzz": "hundreds of layers take an hour; tests/sim/test_fuzz.py runs some",
    "mutate": "hundreds of mutants take ten minutes; tests/sim/mutation runs some",
    "golden replay": "compiles a simulation: minutes, and tests/golden does it",
}
# What is neither esl-ref nor make nor python: allowed, not run.
OTHER = {
    "cat": "shows a file, which must exist",
    "git": "fetches the repository",
    "cd": "enters it",
    ".": "enters the virtual environment",
    "cc": "compiles the receiver's own program; tests/golden compiles the example",
}
# Pages whose commands print every line below them, but for where lines are broken.
PRINTED = {"docs/memory-accounting.md"}
COMMANDS = commands()
ESL_REF = [c for c in COMMANDS if c.words[0] == "esl-ref"]


def is_ours(command: Command) -> bool:
    """Whether all files it reads are in the repository or in a block of its page, so that it can be run."""
    given = [w for w in command.words if re.search(r"\.(tflite|onnx|cfg|weights|npy|npz|jpg|png|csv)$", w)]
    return all((ROOT / w).is_file() for w in given if w not in written_by(command))


def written_by(command: Command) -> set[str]:
    """Files after options that name results."""
    pairs = zip(command.words, command.words[1:], strict=False)
    return {value for option, value in pairs if option in ("--output", "--out", "--json", "--map", "--html")}


def is_cheap(command: Command) -> bool:
    machine = "--executor machine" in command.text and command.words[1] in ("sim", "fuzz")
    never = " ".join(command.words[1:3]) in NEVER
    return is_ours(command) and not never and (command.words[1] in CHEAP or machine)


def text_of(command: Command) -> str:
    return f"{command.page}: {command.text}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder like the top of the repository, in which `build/` is nobody's, with the pages' TOML files."""
    for entry in ("esl_ref", "golden"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    (tmp_path / "build").mkdir()
    for block in (b for page in PAGES for b in blocks(page) if b.language == "toml"):
        (tmp_path / f"{tomllib.loads(block.text)['name']}.toml").write_text(block.text)
    return tmp_path


def run(command: Command, folder: Path, seconds: int) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command.text], cwd=folder, capture_output=True, text=True, timeout=seconds,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == command.status, f"{text_of(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    if command.page in PRINTED:
        printed = " ".join(done.stdout.split())
        for line in command.output:
            assert " ".join(line.split()) in printed, f"{text_of(command)}\nprints no '{line}' but\n{done.stdout}"


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `esl-ref WORDS` calls, and its own arguments."""
    found: click.Command = command_line.cli
    rest = list(words)
    while isinstance(found, click.Group) and rest and (found.name == "golden" or not rest[0].startswith("-")):
        with click.Context(found) as context:
            inner = found.get_command(context, rest[0])
            if inner is None and found.name == "golden":  # `golden ...` is short for `golden export ...`
                inner, rest = found.get_command(context, "export"), ["export", *rest]
        assert inner is not None, f"no verb '{rest[0]}'"
        found, rest = inner, rest[1:]
    return found, rest


def parse(words: list[str], folder: Path) -> None:
    """As the command line would, without doing anything. Files that it insists on are made up."""
    verb, rest = resolve(words)
    for word in rest:
        if re.search(r"\.\w+$", word) and not word.startswith("-") and not (folder / word).exists():
            (folder / word).parent.mkdir(parents=True, exist_ok=True)
            (folder / word).touch()
    before = Path.cwd()
    os.chdir(folder)
    try:
        verb.make_context("esl-ref", rest).close()
    except click.exceptions.Exit as stop:  # --help and --version
        assert stop.exit_code == 0
    finally:
        os.chdir(before)


def test_there_are_commands():
    assert len(PAGES) > 8 and len(COMMANDS) > 20


@pytest.mark.parametrize("page", sorted({c.page for c in ESL_REF if is_cheap(c)}))
def test_cheap_commands_do_what_the_page_says(page, folder):
    """In the page's order and in one folder, as one may use what another wrote."""
    for command in ESL_REF:
        if command.page == page and is_cheap(command):
            run(command, folder, 300)


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in ESL_REF if c.words[1] in SLOW and not is_cheap(c) and is_ours(c)],
                         ids=text_of)  # fmt: skip
def test_slow_commands_do_what_the_page_says(command, folder):
    run(command, folder, 850)


@pytest.mark.parametrize("command", ESL_REF, ids=text_of)
def test_every_command_has_a_verb_and_options_that_exist(command, folder, capsys):
    known = command.words[1].startswith("-") or command.words[1] in {*CHEAP, *SLOW, *NEVER}
    assert known, "say in this file how the pages' commands of this verb are tested"
    try:
        parse(command.words[1:], folder)
    except click.UsageError as error:
        pytest.fail(f"{text_of(command)}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_the_text_mentions_exists(page):
    for text in mentions(page):
        words = shlex.split(text)[1:]
        options = [w.split("=")[0] for w in words if w.startswith("-") and len(w) > 1]
        verb, _ = resolve([w for w in words if not w.startswith("-")] + options)
        known = {o for p in verb.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        assert set(options) <= known, f"{name(page)}: {text}"


MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[0] == "make"], ids=text_of)
def test_make_targets_and_variables_exist(command):
    """Not run: `make sim` takes minutes, `make test` would run this; tests/test_makefile.py tests what they call."""
    for word in command.words[1:]:
        variable, is_variable, _ = word.partition("=")
        rule = rf"^{variable}\s*\??=" if is_variable else rf"^{re.escape(word)}:"
        assert re.search(rule, MAKEFILE, re.MULTILINE), word


@pytest.mark.parametrize("command", [c for c in COMMANDS if re.match(r"python3?$", c.words[0])], ids=text_of)
def test_python_commands_name_something_that_exists(command):
    """Not run: they train, synthesise or rewrite the pages; their own tests run what they call."""
    if command.words[1] == "-m":
        assert importlib.util.find_spec(command.words[2]) is not None
    else:
        assert (ROOT / command.words[1]).is_file()


def test_nothing_else_is_asked_of_the_reader():
    tested = {"esl-ref", "make", "python", "python3"}
    for command in COMMANDS:
        assert command.words[0] in {*tested, *OTHER}, text_of(command)
        if command.words[0] == "cat":
            assert (ROOT / command.words[1]).is_file(), text_of(command)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in links(page):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{name(page)}: {target}"
        assert file.resolve().is_relative_to(ROOT), f"{name(page)}: {target} leads out of the repository"
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
            assert heading in slugs, f"{name(page)}: {target}"


def test_every_page_can_be_found():
    linked = {(page.parent / t.split("#")[0]).resolve() for page in PAGES for t in links(page) if t.split("#")[0]}
    for page in PAGES:
        assert page.name == "README.md" or page in linked, f"no page links to {name(page)}"


EXCERPTS = [b for page in PAGES for b in blocks(page) if re.match(r"<!-- from (\S+) -->", b.before)]


@pytest.mark.parametrize("block", EXCERPTS, ids=lambda b: f"{name(b.page)}:{b.before}")
def test_excerpts_are_the_sources(block):
    source = re.match(r"<!-- from (\S+) -->", block.before)[1]
    assert block.text.strip("\n") in (ROOT / source).read_text(), f"{name(block.page)} quotes {source} wrongly"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_in_the_text_exist(page):
    """`rtl/engine.py` and the like, relative to the repository or to esl_ref."""
    for text in re.findall(r"`((?:esl_ref|rtl|sim|golden|tests|docs)/[\w/.]+\.(?:py|toml|sv|vlt|md|tflite))`",
                           page.read_text()):  # fmt: skip
        assert (ROOT / text).is_file(), f"{name(page)}: {text}"
