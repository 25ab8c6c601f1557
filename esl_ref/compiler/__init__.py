# SPDX-License-Identifier: Apache-2.0
"""Graph + architecture -> executable Programs.

The passes, in order: fold padding into convolutions (`fold`), cut into accelerator and host segments (`segments`),
lower operators to tasks over views of storages (`lower`, `bind`), let the planner choose groups (`planner.choose`),
order the work row by row (`schedule`), shrink storages to live rows (`rolling`), reorder so that nothing waits for
the pipe (`overlap`), place storages (`planner.storage`), and write commands with their waits (`emit`).
`esl_ref.pipeline` runs them.
"""

from esl_ref.compiler.model import Choice, Compiled, HostStep, ProgramStep

__all__ = ["Choice", "Compiled", "HostStep", "ProgramStep"]
