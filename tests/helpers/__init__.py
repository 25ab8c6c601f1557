# SPDX-License-Identifier: Apache-2.0
"""Things several test folders share."""
