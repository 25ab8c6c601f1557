# SPDX-License-Identifier: Apache-2.0
"""Reports: what a plan costs, in numbers and pictures."""
