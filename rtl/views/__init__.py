# SPDX-License-Identifier: Apache-2.0
"""The register map for readers of Markdown, C and SystemRDL: views of the one table in `esl_ref.registers`."""
