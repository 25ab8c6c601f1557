# SPDX-License-Identifier: Apache-2.0
"""The Program: command encoding, image in memory, error codes. See docs/program.md for what each command does."""
