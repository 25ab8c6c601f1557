# SPDX-License-Identifier: Apache-2.0
"""Weights and requantisation records in the order in which the machine reads them; see docs/program.md."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.compiler.tasks import Weights
from esl_ref.errors import NumericError, UnsupportedError
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant

__all__ = [
    "Packed", "addends", "conv_runs", "conv_slots", "fits_int8", "header_only", "pack_conv", "pack_depthwise",
    "scale_only", "tap_slots", "window_chunks", "window_slots",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Run = tuple[int, int, int]
Packed = tuple[Ints, Run]
"""Bytes of the array's slots, int [C, words, lanes], and the run that they make, as in `Weights`."""

INT8 = (-128, 127)


def _pad_axis(x: npt.NDArray[np.int64], axis: int, multiple: int) -> npt.NDArray[np.int64]:
    width = [(0, 0)] * x.ndim
    width[axis] = (0, -x.shape[axis] % multiple)
    return np.pad(x, width)


def records(arch: Arch, bias: Ints, requant: Requant, where: str) -> Bytes:
    """Requantisation records -> uint8 [groups, header_words, lanes * lanes]; unused lanes get zeros.

    MUL_ADD_SHIFT adds after the product, so there the record holds bias * multiplier + add.
    """
    channels, lanes = bias.size, arch.lanes
    if requant.profile is Profile.MUL_ADD_SHIFT:
        bias = bias * requant.multiplier + (0 if requant.add is None else requant.add)
    if bias.size and (int(bias.min()) < INT32_MIN or int(bias.max()) > INT32_MAX):
        raise NumericError("the bias with the input's zero point folded in leaves int32", where=where)
    groups = -(-channels // lanes)
    record = np.zeros((groups * lanes, arch.header_words * lanes), np.uint8)
    record[:channels, 0:4] = bias.astype("<i4").view(np.uint8).reshape(-1, 4)
    multiplier = np.broadcast_to(requant.multiplier, channels).astype("<i4")
    record[:channels, 4:8] = np.ascontiguousarray(multiplier).view(np.uint8).reshape(-1, 4)
    record[:channels, 8] = np.broadcast_to(requant.shift, channels).astype(np.int8).view(np.uint8)
    by_word = record.reshape(groups, lanes, arch.header_words, lanes).transpose(0, 2, 1, 3)
    return by_word.reshape(groups, arch.header_words, lanes * lanes)


def header_only(arch: Arch, bias: int, multiplier: int, shift: int, where: str) -> Weights:
    """One record for all lanes and groups: pooling and elementwise."""
    return scale_only(arch, bias, Requant(np.array([multiplier]), np.array([shift])), where)


def scale_only(arch: Arch, bias: int, requant: Requant, where: str) -> Weights:
    """The same for a per-tensor scale in its profile."""
    words = records(arch, np.full(arch.lanes, bias, np.int64), requant, where)
    return Weights(words, arch.header_words, arch.lanes, shared=True)


def _words(arch: Arch, lanes_first: npt.NDArray[np.int64], where: str) -> Bytes:
    """int [channels, words, lanes] -> uint8 [groups, words, lanes * lanes]."""
    if lanes_first.size and (lanes_first.min() < INT8[0] or lanes_first.max() > INT8[1]):
        raise UnsupportedError("weights less their zero point leave int8", where=where)
    padded = _pad_axis(lanes_first, 0, arch.lanes)
    groups = padded.shape[0] // arch.lanes
    grouped = padded.reshape(groups, arch.lanes, padded.shape[1], arch.lanes).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(grouped.astype(np.int8)).view(np.uint8).reshape(groups, padded.shape[1], -1)


def _run(arch: Arch, size: int) -> tuple[int, int, int]:
    """(words, bytes of a lane in words but the last, in the last) of a run of `size` bytes."""
    words = -(-size // arch.lanes)
    return words, arch.lanes, size - (words - 1) * arch.lanes


Variants = tuple[tuple[int, int], ...]


def _join(
    arch: Arch, weight: Ints, taps: npt.NDArray[np.int64], bias: Ints, zero_in: int, requant: Requant, where: str,
    run: tuple[int, int, int], variants: Variants = (),
) -> Weights:  # fmt: skip
    """Records in front of the weights, one set per variant (range of axis 1 of `weight`, the kernel rows). `run` as in
    `Weights`.

    The input zero point is folded into the bias over just the rows used: sum (x - z) w = sum x w - z sum w.
    """
    reach = np.abs(weight).reshape(weight.shape[0], -1).sum(axis=1) * 128
    if reach.size and int(reach.max()) > INT32_MAX:
        raise NumericError("the sum of products could leave int32", where=where)
    sets = []
    for low, high in variants or ((0, weight.shape[1]),):
        used = weight[:, low:high].reshape(weight.shape[0], -1).sum(axis=1)
        sets.append(records(arch, bias.astype(np.int64) - zero_in * used, requant, where))
    words = np.concatenate([*sets, _words(arch, taps, where)], axis=1)
    return Weights(words, arch.header_words, bias.size, run, variants=variants)


def pack_conv(
    arch: Arch, weight: Ints, parts: list[Packed], bias: Ints, zero_in: int, requant: Requant, where: str,
    variants: Variants = (),
) -> Weights:  # fmt: skip
    """Convolution weights [O, KH, KW, I] as the slots of the parts that they are summed in, one behind the other."""
    slots = np.concatenate([part for part, _ in parts], axis=1)
    return _join(arch, weight, slots, bias, zero_in, requant, where, _common_run([run for _, run in parts]), variants)


def _common_run(runs: list[Run]) -> Run:
    """The run that all parts have, or single words with all their bytes: memory knows one kind for all of a layer."""
    if len(set(runs)) == 1:
        return runs[0]
    most = max(used for words, inner, last in runs for used in ((inner, last) if words > 1 else (last,)))
    return 1, most, most


def conv_runs(weight: Ints, dense: bool) -> tuple[int, int]:
    """(runs per kernel row, bytes of a run): all bytes of a kernel row where they lie side by side, else a pixel's."""
    _, _, kw, i = weight.shape
    return (1, kw * i) if dense else (kw, i)


def conv_slots(arch: Arch, weight: Ints, *, dense: bool) -> Packed:
    """Convolution weights [O, KH, KW, I] run by run."""
    runs, run = conv_runs(weight, dense)
    taps = _pad_axis(weight.reshape(weight.shape[0], -1, runs, run), 3, arch.lanes)
    return taps.reshape(weight.shape[0], -1, arch.lanes), _run(arch, run)


def addends(weight: Ints) -> list[Ints]:
    """Weights as the sum of the fewest arrays that int8 holds; what leaves int8 goes on in the next."""
    parts, rest = [], weight
    while not fits_int8(rest):
        parts.append(np.clip(rest, *INT8))
        rest = rest - parts[-1]
    return [*parts, rest]


def fits_int8(weight: Ints) -> bool:
    """Whether int8 holds all weights."""
    return not weight.size or bool(weight.min() >= INT8[0] and weight.max() <= INT8[1])


def tap_slots(arch: Arch, weight: Ints) -> Packed:
    """Depthwise weights [KH, KW, C] for DEPTHWISE_TAPS: batches of L taps, the newest in slot 0."""
    kh, kw, channels = weight.shape
    flat = _pad_axis(weight.reshape(kh * kw, channels).T, 1, arch.lanes).reshape(channels, -1, arch.lanes)
    slots = flat[:, :, ::-1].copy()
    rest = kh * kw % arch.lanes
    if rest:  # the last batch has only `rest` taps: they sit in slots rest-1 ... 0
        slots[:, -1, :] = 0
        slots[:, -1, :rest] = flat[:, -1, :rest][:, ::-1]
    return slots, _run(arch, kh * kw)


def window_chunks(arch: Arch, kw: int, column: bool) -> int:
    """Array cycles per window of DEPTHWISE_WINDOW."""
    return -(-kw // arch.window_cols_per_chunk) if column else 1


def window_slots(arch: Arch, weight: Ints, *, column: bool) -> Packed:
    """Depthwise weights [KH, KW, C] for DEPTHWISE_WINDOW: slot = column age * R + row age, T slots per array cycle."""
    kh, kw, channels = weight.shape
    rows = arch.window_rows if column else 1
    per_chunk = arch.window_cols_per_chunk if column else arch.lanes
    chunks = window_chunks(arch, kw, column)
    aged = np.zeros((channels, chunks * per_chunk, rows), np.int64)
    aged[:, :kw, :kh] = weight[::-1, ::-1].transpose(2, 1, 0)
    slots = _pad_axis(aged.reshape(channels, chunks, per_chunk * rows), 2, arch.lanes)
    # The last column of an array cycle uses only the rows of the kernel.
    inner, last = ((columns - 1) * rows + kh for columns in (per_chunk, kw - (chunks - 1) * per_chunk))
    return slots, (chunks, inner, last)


def pack_depthwise(
    arch: Arch, weight: Ints, parts: list[Packed], bias: Ints, zero_in: int, requant: Requant, where: str
) -> Weights:
    """Depthwise weights [KH, KW, C] as the slots of the parts that they are summed in, one behind the other."""
    return pack_conv(arch, weight.transpose(2, 0, 1)[..., None], parts, bias, zero_in, requant, where)
