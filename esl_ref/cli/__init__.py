# SPDX-License-Identifier: Apache-2.0
"""The command `esl-ref`: a group of verbs that are imported only when they are used.

A verb of this package is a module `esl_ref/cli/verb_<name>.py` with a click command named `command`. Verbs that need
rtl, sim or golden, which this package may not import, are entry points of the group `esl_ref.verbs`.

Exit codes: 0 good, 1 a comparison or check failed, 2 bad input or usage, 130 interrupted, 143 terminated. Only
`EslError`, and what the operating system refuses (a folder, room on a disk), become one sentence; any other exception
is a defect and keeps its traceback.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from esl_ref import __version__
from esl_ref.cli.ending import Terminated, unwound_by_sigterm
from esl_ref.errors import EslError, InputError, ToolError

__all__ = ["main", "registered"]

_PREFIX = "verb_"
_GROUP = "esl_ref.verbs"


class VerbGroup(click.Group):
    """Group whose commands are found by name and loaded lazily, so that `--version` needs no numpy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_own_verbs(), *_registered_verbs()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _own_verbs():
            command = importlib.import_module(f"esl_ref.cli.{_PREFIX}{cmd_name.replace('-', '_')}").command
            return _checked(cmd_name, command)
        return registered(cmd_name)


def _own_verbs() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return [name.removeprefix(_PREFIX).replace("_", "-") for name in names if name.startswith(_PREFIX)]


def _registered_verbs() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def registered(verb: str) -> click.Command | None:
    """The command that another package registers under this name; None if none does."""
    entry = _registered_verbs().get(verb)
    return None if entry is None else _checked(verb, _load(entry))


def _checked(verb: str, command: object) -> click.Command:
    if not isinstance(command, click.Command):
        raise TypeError(f"the verb {verb} is a {type(command).__name__}, not a click command")
    return command


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        return _unavailable(entry.name, str(error.name))


def _unavailable(verb: str, module: str) -> click.Command:
    """Stand-in for a verb that cannot be imported, so that help and the other verbs still work."""

    @click.command(verb, help=f"(not available: the Python module {module} is not installed)",
                   context_settings={"ignore_unknown_options": True})  # fmt: skip
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise ToolError(
            f"the verb {verb} needs the Python module {module}, which is not installed",
            hint="install with `make venv`, or `pip install -e .`",
        )

    return command


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="esl-ref")
def cli() -> None:
    """ESL reference model and co-simulation kit for CNN inference accelerators.

    \b
    A quantised network goes in; out come four things that agree on every byte:
      a reference result   esl-ref run MODEL
      a memory plan        esl-ref plan MODEL
      generated RTL        esl-ref rtl MODEL --out DIR
      a co-simulation      esl-ref sim MODEL

    Start with `esl-ref inspect MODEL`. Every verb takes --json FILE and explains itself with --help.

    \b
    Exit codes: 0 good, 1 mismatch or failed check, 2 bad input or usage.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line with `args` (default: the process's) and exit the process."""
    sys.exit(_flushed(_status(args)))


def _status(args: Sequence[str] | None) -> int:
    try:
        with unwound_by_sigterm():
            status = cli.main(args=args, prog_name="esl-ref", standalone_mode=False)
    except EslError as error:
        return _said(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("esl-ref: interrupted", err=True)
        return 130
    except Terminated:
        click.echo("esl-ref: terminated", err=True)
        return 143
    except BrokenPipeError:  # the reader of our output has gone, for example `| head`
        _discard_output()
        return 0
    except OSError as error:
        if error.errno is None:  # not the operating system's word: raised by code, such as a TimeoutError
            raise
        return _said(_refusal(error))
    return status if isinstance(status, int) else 0


def _said(error: EslError) -> int:
    click.echo(f"esl-ref: {error}", err=True)
    return error.exit_code


def _refusal(error: OSError) -> EslError:
    """Whoever opens a file knows best what to say of it; this is for all places that leave it to the system. Writes
    have no file's name: those to named files say it themselves, so that it is help or version that has no room."""
    return InputError(str(error.strerror), where=str(error.filename or "output"))


def _flushed(status: int) -> int:
    """`status`, or 2 if standard output does not take what is left: at exit that would be a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        # A verb that failed has said why, perhaps this very thing.
        return status or _said(InputError(f"cannot write the output: {error.strerror}", where="standard output"))
    return status


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
