# SPDX-License-Identifier: Apache-2.0
"""Co-simulation: harness, benches, comparison, report."""
