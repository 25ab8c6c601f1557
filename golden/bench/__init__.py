# SPDX-License-Identifier: Apache-2.0
"""The benches that every package carries: SystemVerilog, C and cocotb."""
