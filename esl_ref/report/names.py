# SPDX-License-Identifier: Apache-2.0
"""Names as pictures and tables have room for them."""

from __future__ import annotations

import re

__all__ = ["short_name"]

_OPERATOR = re.compile(r"(Conv2D|depthwise|BiasAdd|Relu6?|FusedBatchNorm(V3)?|BatchNorm|bn|MatMul)\d*", re.IGNORECASE)


def short_name(name: str) -> str:
    """The end of a name, without what only says which operator it was; of several fused ones, the last."""
    parts = name.split(";")[-1].split("/")
    while len(parts) > 1 and _OPERATOR.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts[-2:])
