# SPDX-License-Identifier: Apache-2.0
"""Mutation campaigns: defects planted in the RTL, and whether the co-simulation notices them."""
