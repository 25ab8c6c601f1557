# SPDX-License-Identifier: Apache-2.0
"""Weights in external memory: only the bytes that matter, one lane of one word after the other.

LOAD_WEIGHTS spreads them into weight words. The words of a load fall into *groups*: requantisation records first, then
weights in runs whose last word may use fewer bytes per lane. The last group may use fewer lanes. One definition of that
order serves the compiler, the ESL machine, its timing, and the tests of the RTL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from esl_ref.arch import HEADER_BYTES, Arch
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = ["WordPattern", "lay", "load_command", "nbytes", "spread"]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WordPattern:
    """Which bytes of the weight words of a load lie in memory; fields of LOAD_WEIGHTS under the same names.

    group_words   words of a group
    record_words  words at its start that hold records: lane bytes as in `Arch.header_words`, over and over
    run_words     words of a run; runs follow each other to the end of the group
    inner_bytes   bytes of a lane in the words of a run but the last
    last_bytes    bytes of a lane in the last word of a run
    last_lanes    lanes used in the last group
    """

    group_words: int
    record_words: int
    run_words: int
    inner_bytes: int
    last_bytes: int
    last_lanes: int

    @classmethod
    def of(cls, command: Command) -> WordPattern:
        """Of a LOAD_WEIGHTS command."""
        return cls(*(command[name] for name in cls.__dataclass_fields__))

    def problem(self, arch: Arch) -> str:
        """What is wrong with it, as the hardware checks it; '' if nothing."""
        if not 0 <= self.record_words <= self.group_words or self.group_words < 1:
            return f"{self.record_words} record words in groups of {self.group_words} words"
        if self.run_words < 1:
            return "runs of no words"
        for name in ("inner_bytes", "last_bytes", "last_lanes"):
            if not 1 <= getattr(self, name) <= arch.lanes:
                return f"{name} {getattr(self, name)} is not 1 to {arch.lanes}"
        return ""

    def sizes(self, words: int, arch: Arch) -> tuple[Ints, Ints]:
        """Of each word: (bytes in memory of a lane, lanes in memory)."""
        place = np.arange(self.group_words, dtype=np.int64)
        group = np.where((place - self.record_words) % self.run_words == self.run_words - 1,
                         self.last_bytes, self.inner_bytes)  # fmt: skip
        records = place[: self.record_words]
        group[: self.record_words] = np.minimum(HEADER_BYTES - records % arch.header_words * arch.lanes, arch.lanes)
        index = np.arange(words, dtype=np.int64)
        last = index // self.group_words == (words - 1) // self.group_words
        return group[index % self.group_words], np.where(last, self.last_lanes, arch.lanes)

    def used(self, words: int, arch: Arch) -> npt.NDArray[np.bool_]:
        """Which bytes of the words lie in memory: [words, lane, byte]."""
        size, lanes = self.sizes(words, arch)
        index = np.arange(arch.lanes)
        return (index < lanes[:, None])[:, :, None] & (index < size[:, None])[:, None, :]


def lay(words: Bytes, pattern: WordPattern, arch: Arch) -> bytes:
    """Weight words [words, lane, byte] -> their bytes in memory, filled up to whole bus words of any width.

    ValueError if a byte that is left out, of a lane that is used, is not zero.
    """
    cube = words.reshape(-1, arch.lanes, arch.lanes)
    used = pattern.used(len(cube), arch)
    if cube[used.any(axis=2) & (cube * ~used).any(axis=2)].size:
        raise ValueError("a weight word has bytes that its pattern leaves out")
    dense = cube[used].tobytes()
    return dense + bytes(-len(dense) % 16)


def spread(raw: bytes, words: int, pattern: WordPattern, arch: Arch) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """The inverse: (weight words [words, lane, byte], whether each lane is written [words, lane])."""
    used = pattern.used(words, arch)
    cube: Bytes = np.zeros(used.shape, np.uint8)
    cube[used] = np.frombuffer(raw, np.uint8)[: int(used.sum())]
    return cube, used[:, :, 0].copy()


@lru_cache(maxsize=4096)
def nbytes(words: int, pattern: WordPattern, arch: Arch) -> int:
    """Bytes that they take in memory."""
    size, lanes = pattern.sizes(words, arch)
    return int(size @ lanes)


def load_command(words: int, pattern: WordPattern, arch: Arch, **fields: int) -> Command:
    """LOAD_WEIGHTS of so many words; `fields` are the others."""
    return Command(
        Opcode.LOAD_WEIGHTS, {"words": words, "size": nbytes(words, pattern, arch), **asdict(pattern), **fields}
    )
