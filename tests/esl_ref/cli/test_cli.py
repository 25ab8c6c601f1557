# SPDX-License-Identifier: Apache-2.0
"""The command line itself: verbs found lazily, exit codes, one sentence per user error."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

import esl_ref.cli as command_line
from esl_ref.errors import CheckFailed, EslError, ModelError, ToolError
from esl_ref.models import embedded_path


def outcome(capsys, *args: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `esl-ref ARGS`."""
    with pytest.raises(SystemExit) as stop:
        command_line.main(list(args))
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.fixture
def verb(monkeypatch):
    """Replace the group's commands by one verb `probe` that raises what the test says."""

    def install(error: BaseException | None) -> None:
        @click.command("probe")
        def command() -> None:
            """Raise."""
            if error is not None:
                raise error

        monkeypatch.setattr(command_line.cli, "list_commands", lambda ctx: ["probe"])
        monkeypatch.setattr(command_line.cli, "get_command", lambda ctx, name: command if name == "probe" else None)

    return install


@pytest.mark.parametrize(
    "error, code, text",
    [
        (None, 0, ""),
        (ModelError("3 bytes short", where="x.tflite", hint="download again"), 2, "x.tflite: 3 bytes short; download"),
        (CheckFailed("unequal"), 1, "unequal"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("no"), 2, "Error: no"),
        (NotADirectoryError(20, "Not a directory", "x/y"), 2, "esl-ref: x/y: Not a directory\n"),
        (OSError(28, "No space left on device"), 2, "esl-ref: output: No space left on device\n"),
    ],
)
def test_exit_codes(verb, capsys, error, code, text):
    verb(error)
    status, _, err = outcome(capsys, "probe")
    assert status == code and text in err and "Traceback" not in err
    if isinstance(error, EslError):
        assert err.count("\n") == 1 and err.startswith("esl-ref: ")


@pytest.mark.parametrize("defect", [ZeroDivisionError("a defect"), TimeoutError("raised by code")])
def test_defects_keep_their_traceback(verb, defect):
    verb(defect)
    with pytest.raises(type(defect)):
        command_line.main(["probe"])


def test_help_lists_every_verb_with_a_sentence(capsys):
    status, out, _ = outcome(capsys, "--help")
    assert status == 0
    listed = [line.split() for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert {"inspect", "lint", "plan", "rtl", "run", "sim"} <= {words[0] for words in listed}
    assert all(len(words) > 1 for words in listed)


def verbs(group: click.Group) -> Iterator[click.Command]:
    """All commands below `group`, those of its groups in their place."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield from verbs(command) if isinstance(command, click.Group) else (command,)


def test_every_verb_takes_json_and_has_help():
    """A verb with verbs of its own, such as `golden`, takes it in each of those."""
    context = click.Context(command_line.cli)
    for name in command_line.cli.list_commands(context):
        command = command_line.cli.get_command(context, name)
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in (command, *commands):
            assert each.help, name
        for each in commands:
            assert "--json" in {option for parameter in each.params for option in parameter.opts}, (name, each.name)


@pytest.mark.parametrize("args", [["no-such-verb"], ["inspect", "--no-such-option"]])
def test_usage_errors_are_code_2(capsys, args):
    status, _, err = outcome(capsys, *args)
    assert status == 2 and "Error: No such" in err


def test_verb_with_a_missing_module_says_so(capsys, monkeypatch):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("ghost", "no_such_module:command", "esl_ref.verbs")
    monkeypatch.setattr(command_line, "_registered_verbs", lambda: {"ghost": entry})
    status, _, err = outcome(capsys, "ghost", "x", "--y")
    assert status == ToolError.exit_code and "needs the Python module no_such_module" in err


def test_version_loads_no_numpy():
    """Start-up stays quick because verbs are imported only when they are used."""
    program = (
        "import sys, esl_ref.cli as c\n"
        "try: c.main(['--version'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -c 'from esl_ref.cli import main; main()' --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "" and done.stdout.startswith("Usage")


@pytest.mark.parametrize("what", ["--help", "--version", "inspect {} --json -", "inspect {}", "run {} --json -"])
def test_a_full_disk_behind_standard_output_is_one_sentence(what):
    call = [sys.executable, "-c", "from esl_ref.cli import main; main()", *what.format(embedded_path()).split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and re.fullmatch("esl-ref: .*output: No space left on device\n", done.stderr)
