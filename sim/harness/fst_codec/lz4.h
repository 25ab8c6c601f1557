// SPDX-License-Identifier: Apache-2.0
// Stands in for the system's <lz4.h> so that FST waves need no development package. Written from the LZ4 block format
// description (lz4/doc/lz4_Block_format.md): greedy matching through a hash of four bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace fst_codec {

constexpr int kMinMatch = 4;        // shortest match the format can express
constexpr int kLastLiterals = 5;    // the block's last bytes must be literals
constexpr int kMatchLimit = 12;     // no match may start closer to the end than this
constexpr int kMaxOffset = 65535;
constexpr int kHashBits = 14;

inline uint32_t load32(const uint8_t* at) {
    uint32_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

// What does not fit the token's four bits follows as bytes of 255 and a last smaller one.
inline uint8_t* put_length(uint8_t* out, int length) {
    for (length -= 15; length >= 255; length -= 255) *out++ = 255;
    *out++ = static_cast<uint8_t>(length);
    return out;
}

inline uint8_t* put_sequence(uint8_t* out, const uint8_t* literals, int count, int offset, int match) {
    uint8_t* const token = out++;
    *token = static_cast<uint8_t>((count < 15 ? count : 15) << 4);
    if (count >= 15) out = put_length(out, count);
    std::memcpy(out, literals, count);
    out += count;
    if (match == 0) return out;  // the last sequence ends after its literals
    *out++ = static_cast<uint8_t>(offset);
    *out++ = static_cast<uint8_t>(offset >> 8);
    const int length = match - kMinMatch;
    *token |= static_cast<uint8_t>(length < 15 ? length : 15);
    return length >= 15 ? put_length(out, length) : out;
}

}  // namespace fst_codec

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// Returns the compressed size, or 0 if `capacity` is below the bound.
inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
    using namespace fst_codec;
    if (size < 0 || capacity < LZ4_compressBound(size)) return 0;
    const uint8_t* const begin = reinterpret_cast<const uint8_t*>(source);
    uint8_t* const out_begin = reinterpret_cast<uint8_t*>(target);
    uint8_t* out = out_begin;
    std::vector<int> seen(size_t{1} << kHashBits, -1);
    int anchor = 0;
    for (int at = 0; at + kMatchLimit < size;) {
        int& slot = seen[(load32(begin + at) * 2654435761u) >> (32 - kHashBits)];
        const int candidate = slot;
        slot = at;
        if (candidate < 0 || at - candidate > kMaxOffset || load32(begin + candidate) != load32(begin + at)) {
            at++;
            continue;
        }
        int length = kMinMatch;
        while (at + length < size - kLastLiterals && begin[candidate + length] == begin[at + length]) length++;
        out = put_sequence(out, begin + anchor, at - anchor, at - candidate, length);
        at += length;
        anchor = at;
    }
    out = put_sequence(out, begin + anchor, size - anchor, 0, 0);
    return static_cast<int>(out - out_begin);
}
