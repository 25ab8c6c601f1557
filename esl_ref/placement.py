# SPDX-License-Identifier: Apache-2.0
"""Where an operator runs, and why."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from esl_ref.ir import Graph, Op

__all__ = ["Placement", "Where", "placement"]


class Where(enum.Enum):
    """On the accelerator, or on the host. What runs nowhere the front end has refused."""

    ACCELERATOR = "accelerator"
    HOST = "host"


@dataclass(frozen=True)
class Placement:
    """`reason` is empty where the accelerator takes the operator."""

    where: Where
    reason: str = ""


def placement(op: Op, graph: Graph) -> Placement:
    """The compiler's own answer, so that what is printed is what is built."""
    from esl_ref.compiler.segments import host_reason  # here: the compiler takes a second to import

    reason = host_reason(op, graph)
    return Placement(Where.HOST, reason) if reason else Placement(Where.ACCELERATOR)
