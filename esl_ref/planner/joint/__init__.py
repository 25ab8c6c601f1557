# SPDX-License-Identifier: Apache-2.0
"""The joint planner: group boundaries, strip heights and weight residency together."""

from esl_ref.planner.joint.front import NEAR, Candidate, front
from esl_ref.planner.joint.price import GroupPrice, Pricer
from esl_ref.planner.joint.rate import Rated, Rater, undominated
from esl_ref.planner.joint.search import Effort, Search, whole_layers

__all__ = [
    "NEAR", "Candidate", "Effort", "GroupPrice", "Pricer", "Rated", "Rater", "Search", "front", "undominated",
    "whole_layers",
]  # fmt: skip
