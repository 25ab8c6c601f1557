// SPDX-License-Identifier: Apache-2.0
// Stands in for the system's <zlib.h> where FST waves are written: RFC 1950 streams of stored RFC 1951 blocks. Only an
// FST file's small tables pass through here; the value changes are compressed by lz4.h.
#pragma once

#include <cstdint>
#include <cstring>

typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef unsigned long uLongf;
enum { Z_OK = 0, Z_BUF_ERROR = -5 };

inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

inline uint32_t fst_codec_adler32(const Bytef* data, uLong size) {
    uint32_t low = 1, high = 0;
    for (uLong i = 0; i < size; i++) {
        low = (low + data[i]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

inline int compress2(Bytef* target, uLongf* capacity, const Bytef* source, uLong size, int /*level*/) {
    if (*capacity < compressBound(size)) return Z_BUF_ERROR;
    Bytef* out = target;
    *out++ = 0x78;  // deflate, 32 KiB window
    *out++ = 0x01;  // makes the header a multiple of 31
    uLong done = 0;
    do {
        const uLong part = size - done < 65535 ? size - done : 65535;
        *out++ = done + part == size;  // last block, stored
        for (const uLong field : {part, ~part}) {
            *out++ = static_cast<Bytef>(field);
            *out++ = static_cast<Bytef>(field >> 8);
        }
        if (part) std::memcpy(out, source + done, part);
        out += part;
        done += part;
    } while (done < size);
    const uint32_t sum = fst_codec_adler32(source, size);
    for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<Bytef>(sum >> shift);
    *capacity = out - target;
    return Z_OK;
}
