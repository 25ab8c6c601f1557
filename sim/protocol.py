# SPDX-License-Identifier: Apache-2.0
"""What the codes of `harness/axi_checker.sv` mean. Sections refer to AMBA AXI4 (ARM IHI 0022)."""

from __future__ import annotations

__all__ = ["BREACHES", "describe_breach"]

BREACHES: dict[int, str] = {
    1: "ARVALID fell before ARREADY (A3.2.1)",
    2: "the AR payload changed while waiting for ARREADY (A3.2.1)",
    3: "AWVALID fell before AWREADY (A3.2.1)",
    4: "the AW payload changed while waiting for AWREADY (A3.2.1)",
    5: "WVALID fell before WREADY (A3.2.1)",
    6: "the W payload changed while waiting for WREADY (A3.2.1)",
    7: "RVALID fell before RREADY (A3.2.1)",
    8: "the R payload changed while waiting for RREADY (A3.2.1)",
    9: "BVALID fell before BREADY (A3.2.1)",
    10: "the B payload changed while waiting for BREADY (A3.2.1)",
    11: "a read burst crosses a 4 KiB boundary (A3.4.1)",
    12: "a write burst crosses a 4 KiB boundary (A3.4.1)",
    13: "a read burst is not INCR, which is all this memory serves",
    14: "a write burst is not INCR, which is all this memory serves",
    15: "ARSIZE is wider than the data bus (A3.4.1)",
    16: "AWSIZE is wider than the data bus (A3.4.1)",
    17: "WLAST is not on the last beat of its burst (A3.4.1)",
    18: "write data came with no write address",
    19: "RLAST is not on the last beat of its burst, or read data came unasked (A3.4.1)",
    20: "a write response came before its last data beat (A3.3.1)",
    21: "read data carries another burst's ID",
    22: "a write response carries another burst's ID",
    23: "a read overlaps a write that has no response yet, so its value is undefined",
    24: "a VALID was up in the cycle after reset (A3.1.2)",
}


def describe_breach(code: int, cycle: int) -> str:
    """One sentence for the first breach a run saw; `code` 0 means none and gives an empty string."""
    return f"{BREACHES.get(code, f'unknown breach {code}')} in cycle {cycle}" if code else ""
