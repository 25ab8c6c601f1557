# SPDX-License-Identifier: Apache-2.0
"""Graph + architecture -> executable Programs. Passes, in order: `segments.split`, `lower.lower`, `schedule.layerwise`,
`planner.plan_storage`, `emit.emit`."""

from esl_ref.compiler.model import Compiled, HostStep, ProgramStep, compile_model

__all__ = ["Compiled", "HostStep", "ProgramStep", "compile_model"]
