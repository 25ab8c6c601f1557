# SPDX-License-Identifier: Apache-2.0
"""What a model needs to write FST waves without development packages of the system.

Verilator's FST writer includes <lz4.h> and <zlib.h> and links both libraries, which a machine with nothing but a
compiler does not have. `harness/fst_codec` has the five functions it uses, header-only; the libraries it then still
asks for are empty archives beside the model.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from sim.toolchain import Toolchain, verilator_include

__all__ = ["wave_args"]

_CODEC = Path(__file__).parent / "harness" / "fst_codec"


def wave_args(folder: Path, tools: Toolchain) -> list[str]:
    """Verilator options for FST waves of the model that is built in `folder`."""
    args = ["--trace-fst", "--trace-structs"]
    if not (verilator_include(tools) / "fstcpp").is_dir():
        return args  # an older Verilator: it carries another writer with a compressor of its own
    for name in ("liblz4.a", "libz.a"):
        subprocess.run(["ar", "rcs", str(folder / name)], check=True)
    return [*args, "-CFLAGS", f"-I{_CODEC}", "-LDFLAGS", f"-L{folder}"]
