# SPDX-License-Identifier: Apache-2.0
"""A plan as one self-contained page of HTML."""

from esl_ref.report.page.page import page

__all__ = ["page"]
