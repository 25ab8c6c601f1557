# SPDX-License-Identifier: Apache-2.0
"""What stops the machine: faults the RTL reports as well, and hazards that only the ESL machine can see."""

from __future__ import annotations

from esl_ref.errors import HazardError, ProgramError
from esl_ref.program.fields import ErrorCode

__all__ = ["CommandHazard", "MachineFault"]


class MachineFault(ProgramError):
    """The engine stops: `code` and `index` are what ERROR_CODE and ERROR_INDEX of the RTL would read."""

    def __init__(self, code: ErrorCode, index: int, what: str, *, where: str = "", hint: str = "") -> None:
        self.code, self.index = code, index
        super().__init__(f"{what} [{code.name}]", where=where or f"command {index}", hint=hint)


class CommandHazard(HazardError):
    """Command `index` touches bytes [first, last] of `memory` ('act', 'weight', 'table', 'external') wrongly.

    `other` is the command it collides with, or -1 where there is none (a byte that was never written).
    """

    def __init__(
        self, index: int, what: str, *, where: str, memory: str = "", first: int = 0, last: int = 0, other: int = -1,
        hint: str = "",
    ) -> None:  # fmt: skip
        self.index, self.memory, self.first, self.last, self.other = index, memory, first, last, other
        super().__init__(what, where=where, hint=hint)
