# SPDX-License-Identifier: Apache-2.0
"""The AXI4 side: link layouts, burst splitter, read master, write master."""
