# SPDX-License-Identifier: Apache-2.0
"""Golden-vector packages: exported from a model, replayed in any simulator. See docs/golden.md for the format."""
