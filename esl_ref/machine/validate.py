# SPDX-License-Identifier: Apache-2.0
"""The checks the hardware makes on a command before it runs: each has an ErrorCode."""

from __future__ import annotations

from esl_ref.arch import Arch
from esl_ref.program.commands import Command
from esl_ref.program.dense import WordPattern, nbytes
from esl_ref.program.fields import (
    COMPUTE_OPCODES,
    FORMAT_VERSION,
    LOAD_OPCODES,
    MAGIC,
    STORE_OPCODES,
    ErrorCode,
    Opcode,
)

__all__ = ["check_command", "check_header"]

TRANSFER_OPCODES = LOAD_OPCODES | STORE_OPCODES
Verdict = tuple[ErrorCode, str] | None


def check_header(command: Command, arch: Arch) -> Verdict:
    """Magic, version and architecture hash, in this order."""
    if command.opcode is not Opcode.HEADER or command["magic"] != MAGIC:
        return ErrorCode.BAD_MAGIC, "the stream does not start with a HEADER"
    if command["version"] != FORMAT_VERSION:
        return ErrorCode.BAD_VERSION, f"format version {command['version']}, this machine runs {FORMAT_VERSION}"
    if command["arch_hash"] != arch.hash():
        return ErrorCode.WRONG_ARCH, (
            f"built for architecture {command['arch_hash']:016x}, this machine is '{arch.name}' {arch.hash():016x}"
        )
    return None


def check_command(command: Command, arch: Arch) -> Verdict:
    """Ranges on chip, and alignment outside."""
    if command.opcode in TRANSFER_OPCODES and command["offset"] % arch.axi_bytes:
        return ErrorCode.BAD_ADDRESS, f"offset {command['offset']} is not a multiple of {arch.axi_bytes}, the bus width"
    if command.opcode is Opcode.LOAD_WEIGHTS:
        end = command["word"] + command["words"]
        if end > arch.weight_words:
            return ErrorCode.BAD_ADDRESS, f"weight words up to {end} of {arch.weight_words}"
        return _pattern(command, arch)
    for prefix in _buffers(command.opcode):
        end = command[f"{prefix}_base"] + command[f"{prefix}_wrap"]
        if end > arch.act_bytes:
            return ErrorCode.BAD_ADDRESS, f"{prefix} buffer ends at byte {end} of {arch.act_bytes}"
    if command.opcode is Opcode.DEPTHWISE_WINDOW and command["column"]:
        groups = max(1, command["groups"]) if command["line_keep"] else 1
        end = command["line_base"] + groups * command["cols"]
        if end > arch.line_depth:
            return ErrorCode.BAD_ADDRESS, f"line buffer columns up to {end} of {arch.line_depth}"
    return None


def _pattern(command: Command, arch: Arch) -> Verdict:
    """Whether the words of a LOAD_WEIGHTS take exactly the bytes it loads."""
    pattern, words = WordPattern.of(command), command["words"]
    problem = pattern.problem(arch)
    if not problem and words < 1:
        problem = "loads no weight words"
    if not problem and (needed := nbytes(words, pattern, arch)) != command["size"]:
        problem = f"{words} weight words take {needed} bytes, {command['size']} are loaded"
    return (ErrorCode.BAD_PATTERN, problem) if problem else None


def _buffers(opcode: Opcode) -> tuple[str, ...]:
    if opcode in (Opcode.LOAD_ROWS, Opcode.STORE_ROWS):
        return ("buf",)
    if opcode is Opcode.ELTWISE:
        return ("ifm", "ifm2", "ofm")
    return ("ifm", "ofm") if opcode in COMPUTE_OPCODES else ()
