# SPDX-License-Identifier: Apache-2.0
"""The joint planner: group boundaries, strip heights and weight residency together."""

from esl_ref.planner.joint.front import Candidate, front
from esl_ref.planner.joint.price import GroupPrice, Pricer

__all__ = ["Candidate", "GroupPrice", "Pricer", "front"]
