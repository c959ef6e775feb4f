// How numbers lie in memory: float and double as they are, bf16 and fp16, and 8-bit codes under a block's scale.
//
// Narrow formats are decoded into a tile, computed with in float and encoded again. An encoder takes the dither's seed:
// 0 rounds to nearest even (8-bit: half up), anything else adds the low bits of a hash of (flat index, seed).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace hl {

constexpr int BLOCK = 256; // coordinates under one scale in HL_FP8

inline uint32_t bits_of(float x) { uint32_t b; std::memcpy(&b, &x, 4); return b; }
inline float float_of(uint32_t b) { float x; std::memcpy(&x, &b, 4); return x; }

// Pseudo-random bits for one coordinate of one step: the multiplication by i costs an addition in a loop over i.
inline uint32_t dither(uint32_t i, uint32_t seed) {
    uint32_t x = i * 0x9E3779B1u + seed;
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    return x ^ x >> 13;
}

inline float from_bf16(uint16_t h) { return float_of(uint32_t(h) << 16); }

// `random`: the random bits of one coordinate; without a dither they are not looked at.
template <bool Dithered>
inline uint16_t to_bf16_by(float x, uint32_t random) {
    uint32_t b = bits_of(x), r = Dithered ? random & 0xFFFFu : 0x7FFFu + (b >> 16 & 1);
    bool finite = (b & 0x7F800000u) != 0x7F800000u;
    uint32_t whole = finite ? b + r : b | (b & 0x7FFFFFu ? 0x400000u : 0u);
    return uint16_t(whole >> 16);
}

template <bool Dithered>
inline uint16_t to_bf16(float x, uint32_t i, uint32_t seed) {
    return to_bf16_by<Dithered>(x, Dithered ? dither(i, seed) : 0);
}

inline float from_fp16(uint16_t h) {
    uint32_t magnitude = uint32_t(h & 0x7FFFu) << 13, sign = uint32_t(h & 0x8000u) << 16;
    float x = float_of(magnitude) * 5.192296858534828e33f; // 2^112
    uint32_t b = (h & 0x7C00u) == 0x7C00u ? magnitude | 0x7F800000u : bits_of(x);
    return float_of(b | sign);
}

// Below 2^-14 the spacing no longer shrinks: there 2^-14 is added before the rounding and taken away after it, which
// brings the lost bits to the same place.
template <bool Dithered>
inline uint16_t to_fp16_by(float x, uint32_t random) {
    const float a = std::abs(x), low = 6.103515625e-05f;
    const bool small = a < low;
    const uint32_t b = bits_of(small ? a + low : a);
    const uint32_t r = Dithered ? random & 0x1FFFu : 0x0FFFu + (b >> 13 & 1);
    uint32_t h = ((b + r) >> 13) - (small ? 0x1C400u : 0x1C000u); // 2^-14 is 0x400 in fp16, 0x1C400 here
    if (!Dithered && small) h = bits_of(a * 16777216.0f + 8388608.0f) & 0x7FFFFFu; // to nearest in one rounding
    const uint32_t most = a != a ? 0x7E00u : 0x7C00u, sign = bits_of(x) >> 16 & 0x8000u;
    return uint16_t(sign | (!(a < float_of(0x7F800000u)) || h > most ? most : h));
}

template <bool Dithered>
inline uint16_t to_fp16(float x, uint32_t i, uint32_t seed) {
    return to_fp16_by<Dithered>(x, Dithered ? dither(i, seed) : 0);
}

// 8-bit floats of x/scale: exponent and 3 mantissa bits; the largest of a block has the largest code.
constexpr uint32_t UNSIGNED_BASE = 761, SIGNED_BASE = 889;

template <bool Unsigned>
inline float from_fp8(uint8_t code, float scale) {
    const uint32_t c = Unsigned ? code : code & 0x7Fu, base = Unsigned ? UNSIGNED_BASE : SIGNED_BASE;
    const uint32_t magnitude = c ? (c + base) << 20 : 0u;
    return float_of(Unsigned ? magnitude : magnitude | uint32_t(code & 0x80u) << 24) * scale;
}

// `inverse` is 1/scale.
template <bool Unsigned>
inline uint8_t to_fp8_by(float x, float inverse, uint32_t random) {
    constexpr int32_t base = Unsigned ? UNSIGNED_BASE : SIGNED_BASE, top = Unsigned ? 255 : 127, least = Unsigned;
    const uint32_t sign = bits_of(x) >> 31, b = bits_of(std::abs(x) * inverse);
    int32_t c = int32_t((b + (random & 0xFFFFFu)) >> 20) - base;
    c = c < least ? least : c;
    c = c > top ? top : c;
    c = (bits_of(x) & 0x7FFFFFFFu) == 0 ? 0 : c; // 0 for 0 alone
    return uint8_t(Unsigned ? uint32_t(c) : uint32_t(c) | sign << 7);
}

template <bool Unsigned>
inline uint8_t to_fp8(float x, float inverse, uint32_t i, uint32_t seed) {
    return to_fp8_by<Unsigned>(x, inverse, dither(i, seed));
}

}  // namespace hl
