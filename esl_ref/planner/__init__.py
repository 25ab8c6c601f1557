# SPDX-License-Identifier: Apache-2.0
"""Planner: order, strips, residency and addresses."""
