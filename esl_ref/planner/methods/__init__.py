# SPDX-License-Identifier: Apache-2.0
"""The published planning methods, and row streaming, on shape graphs."""
