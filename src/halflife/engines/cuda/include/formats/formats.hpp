// How numbers lie in memory: float and double as they are, bf16 and fp16, and 8-bit codes under a block's scale.
//
// Narrow formats are decoded, computed with in float and encoded again. A dithered encoder takes random bits, the low
// ones of a word that is a hash of (flat index, seed); all states of a coordinate share that hash, see `random_bits`.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace hl {

constexpr int BLOCK = 256; // coordinates under one scale in HL_FP8

inline uint32_t bits_of(float x) { uint32_t b; std::memcpy(&b, &x, 4); return b; }
inline float float_of(uint32_t b) { float x; std::memcpy(&x, &b, 4); return x; }

// A mask: a compiler makes a slower choice of what it is given as one.
inline uint32_t all_or_none(bool all) { return 0u - uint32_t(all); }

// Pseudo-random bits for one coordinate of one step: a hash of i*STRIDE + seed, which costs a loop over i an addition.
constexpr uint32_t STRIDE = 0x9E3779B1u;

inline uint32_t mixed(uint32_t x) {
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    return x ^ x >> 13;
}

inline uint32_t dither(uint32_t i, uint32_t seed) { return mixed(i * STRIDE + seed); }

// The word turned right by 12 for each state before: the bits that decide a rounding are others for each of three.
inline uint32_t turned(uint32_t x, int k) { return x >> (12 * k & 31) | x << (-12 * k & 31); }

// The low bits of that, where k is known.
template <int K, int Bits>
inline uint32_t random_bits(uint32_t x) {
    constexpr int by = 12 * K & 31;
    constexpr uint32_t mask = (1u << Bits) - 1;
    return (by + Bits <= 32 ? x >> by : turned(x, K)) & mask;
}

inline float from_bf16(uint16_t h) { return float_of(uint32_t(h) << 16); }

// The bits of x, of which the upper 16 are its bf16, rounded by r; a NaN that some arithmetic gave stays one.
inline uint32_t bf16_bits(float x, uint32_t r) { return bits_of(x) + (r & all_or_none(x == x)); }

template <bool Dithered>
inline uint16_t to_bf16(float x, uint32_t random) {
    const uint32_t b = bits_of(x) | (x == x ? 0u : 0x400000u);
    return uint16_t((b + (x == x ? Dithered ? random & 0xFFFFu : 0x7FFFu + (b >> 16 & 1) : 0u)) >> 16);
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
inline uint16_t to_fp16(float x, uint32_t random) {
    const float a = std::abs(x), low = 6.103515625e-05f;
    const bool small = a < low;
    const uint32_t b = bits_of(small ? a + low : a);
    const uint32_t r = Dithered ? random & 0x1FFFu : 0x0FFFu + (b >> 13 & 1);
    uint32_t h = ((b + r) >> 13) - (small ? 0x1C400u : 0x1C000u); // 2^-14 is 0x400 in fp16, 0x1C400 here
    if (!Dithered && small) h = bits_of(a * 16777216.0f + 8388608.0f) & 0x7FFFFFu; // to nearest in one rounding
    const uint32_t most = a != a ? 0x7E00u : 0x7C00u, sign = bits_of(x) >> 16 & 0x8000u;
    return uint16_t(sign | (!(a < float_of(0x7F800000u)) || h > most ? most : h));
}

// 8-bit floats of x/scale: exponent and 3 mantissa bits; the largest of a block has the largest code.
constexpr uint32_t UNSIGNED_BASE = 761, SIGNED_BASE = 889;

// What a code stands for where the scale is 1; a code with a sign comes extended by it.
template <bool Unsigned>
inline float fp8_unit(uint32_t code) {
    const uint32_t c = Unsigned ? code << 20 : code << 20 & 0x87F00000u;
    const uint32_t base = (Unsigned ? UNSIGNED_BASE : SIGNED_BASE) << 20;
    return float_of(c + (base & all_or_none((Unsigned ? code : code & 0x7Fu) != 0)));
}

template <bool Unsigned>
inline float from_fp8(uint8_t code, float scale) {
    return fp8_unit<Unsigned>(Unsigned ? uint32_t(code) : uint32_t(int32_t(int8_t(code)))) * scale;
}

// The code of x with 20 random bits; `inverse` is 1/scale. It is 0 for 0 alone. Where the scale is below LARGE_SCALE its
// inverse is not subnormal, so that no |x|*inverse is above 1 and no code above the largest.
constexpr float LARGE_SCALE = 8.507059e37f; // 2^126

template <bool Unsigned>
inline uint32_t fp8_code(float x, float inverse, uint32_t random) {
    constexpr uint32_t base = Unsigned ? UNSIGNED_BASE : SIGNED_BASE;
    const int32_t c = int32_t(bits_of(std::abs(x) * inverse) + random - (base << 20)) >> 20;
    if (Unsigned) return uint32_t(x == 0 ? 0 : c < 1 ? 1 : c);
    return uint32_t(c < 0 ? 0 : c) | (bits_of(x) >> 24 & 0x80u);
}

// The same for any scale.
template <bool Unsigned>
inline uint8_t to_fp8(float x, float inverse, uint32_t random) {
    constexpr uint32_t top = Unsigned ? 255 : 127;
    const uint32_t c = fp8_code<Unsigned>(std::abs(x), inverse, random & 0xFFFFFu);
    const uint32_t sign = Unsigned ? 0 : bits_of(x) >> 24 & 0x80u;
    return uint8_t(sign | (x == 0 ? 0 : c > top ? top : c));
}

// 1/scale, 0 for a block of zeros.
inline float inverse_of(float scale) {
    const float least = 1.17549435e-38f;
    return scale == 0 ? 0 : 1 / (scale < least ? least : scale);
}

// Of state k, n neighbours in one block, of which the first has the flat index `first`.
template <bool Unsigned, class T>
__attribute__((noinline)) void encode_block(const T *__restrict x, float inverse, uint8_t *__restrict codes, int n,
                                            uint32_t first, uint32_t seed, int k) {
#pragma omp simd
    for (int i = 0; i < n; ++i)
        codes[i] = to_fp8<Unsigned>(float(x[i]), inverse, turned(dither(first + uint32_t(i), seed), k));
}

}  // namespace hl
