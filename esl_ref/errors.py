# SPDX-License-Identifier: Apache-2.0
"""Typed errors: each says what is wrong, where, and what to do about it.

Every error a user can cause derives from `EslError`, so that the command line turns exactly these into one
sentence and exit code 2, and lets everything else through as the defect it is.
"""

from __future__ import annotations

__all__ = [
    "ArchError",
    "BudgetError",
    "CheckFailed",
    "EslError",
    "FieldError",
    "HazardError",
    "InputError",
    "LimitError",
    "ModelError",
    "NumericError",
    "PlanError",
    "ProgramError",
    "ToolError",
    "UnsupportedError",
]


class EslError(Exception):
    """Base of all errors that name a cause outside this code.

    `what` is the complaint, `where` the place (file, operator, tensor, command), `hint` what to do next.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(f"{where + ': ' if where else ''}{what}{'; ' + hint if hint else ''}")


class ModelError(EslError):
    """A model file is malformed: truncated, cyclic, inconsistent, or has impossible numbers."""


class UnsupportedError(EslError):
    """A well-formed model asks for an operator, type, rank or option that is not supported."""


class InputError(EslError):
    """User data (stimulus, image, option value) does not fit."""


class ArchError(EslError):
    """An architecture description is inconsistent, or does not match the artefact it is used with."""


class NumericError(EslError):
    """A number would not fit its width, or a scale has no fixed-point form."""


class PlanError(EslError):
    """No legal plan, or a plan that breaks its own rules."""


class BudgetError(PlanError):
    """The plan needs more on-chip bytes than it may use; says by how much and what would fit.

    `least`: bytes with which whoever raised this would have managed, if that is known.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", least: int | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.least = least


class LimitError(PlanError):
    """A plan asks for commands that no machine has: its maps are beyond what the fields of a command hold."""


class ProgramError(EslError):
    """A Program image is corrupt or built for another machine."""


class FieldError(ProgramError):
    """A number does not fit its field of a command."""


class HazardError(ProgramError):
    """A command reads stale, in-flight or never-written bytes, or overwrites bytes still needed."""


class ToolError(EslError):
    """A tool of the tool chain is missing, too old, or failed."""


class CheckFailed(EslError):
    """A comparison came out unequal: exit code 1, not 2."""

    exit_code = 1
