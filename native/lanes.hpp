// Narrow numbers as LANES floats at a time, and back: as many as fill one register.
//
// All is loops over arrays of LANES numbers of 32 bits, which compilers keep in registers; between 32 bits and fewer a
// loop is slow on most of them, so that there each instruction set has its own instruction.
#pragma once
#include "formats/formats.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hl {

#if defined(__AVX512BW__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

#define HL_EACH_LANE _Pragma("omp simd") for (int l = 0; l < LANES; ++l)

struct alignas(4 * LANES) Floats { float x[LANES]; };
struct alignas(4 * LANES) Words { uint32_t x[LANES]; };

#if defined(__AVX512BW__)
inline void widen(const uint16_t *from, Words &to) {
    _mm512_store_si512(to.x, _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from))));
}
inline void widen(const uint8_t *from, Words &to) {
    _mm512_store_si512(to.x, _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from))));
}
inline void widen(const int8_t *from, Words &to) {
    _mm512_store_si512(to.x, _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from))));
}
inline void narrow(const Words &from, uint16_t *to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm512_cvtepi32_epi16(_mm512_load_si512(from.x)));
}
inline void narrow(const Words &from, uint8_t *to) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm512_cvtepi32_epi8(_mm512_load_si512(from.x)));
}
#elif defined(__AVX2__)
inline void widen(const uint16_t *from, Words &to) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
    _mm256_store_si256(reinterpret_cast<__m256i *>(to.x), _mm256_cvtepu16_epi32(x));
}
inline void widen(const uint8_t *from, Words &to) {
    const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(from));
    _mm256_store_si256(reinterpret_cast<__m256i *>(to.x), _mm256_cvtepu8_epi32(x));
}
inline void widen(const int8_t *from, Words &to) {
    const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(from));
    _mm256_store_si256(reinterpret_cast<__m256i *>(to.x), _mm256_cvtepi8_epi32(x));
}
inline __m128i halves(const Words &from) {
    const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i *>(from.x));
    return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
inline void narrow(const Words &from, uint16_t *to) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), halves(from));
}
inline void narrow(const Words &from, uint8_t *to) {
    const __m128i x = halves(from);
    _mm_storel_epi64(reinterpret_cast<__m128i *>(to), _mm_packus_epi16(x, x));
}
#else
template <class Code>
inline void widen(const Code *from, Words &to) {
    for (int l = 0; l < LANES; ++l) to.x[l] = uint32_t(int32_t(from[l]));
}
template <class Code>
inline void narrow(const Words &from, Code *to) {
    for (int l = 0; l < LANES; ++l) to[l] = Code(from.x[l]);
}
#endif

// The dithers of neighbours, LANES at a time.
struct Dithers {
    Words at;
    inline Dithers(uint32_t first, uint32_t seed) {
        HL_EACH_LANE at.x[l] = (first + uint32_t(l)) * STRIDE + seed;
    }
    inline Words next() {
        Words found;
        HL_EACH_LANE {
            found.x[l] = mixed(at.x[l]);
            at.x[l] += LANES * STRIDE;
        }
        return found;
    }
};

inline void read_bf16(const uint16_t *codes, Floats &to) {
    Words c;
    widen(codes, c);
    HL_EACH_LANE to.x[l] = float_of(c.x[l] << 16);
}

template <int K>
inline void write_bf16(const Floats &from, const Words &dithers, uint16_t *codes) {
    Words c;
    HL_EACH_LANE c.x[l] = bf16_bits(from.x[l], random_bits<K, 16>(dithers.x[l])) >> 16;
    narrow(c, codes);
}

template <bool Unsigned>
inline void read_fp8(const uint8_t *codes, float scale, Floats &to) {
    Words c;
    Unsigned ? widen(codes, c) : widen(reinterpret_cast<const int8_t *>(codes), c);
    HL_EACH_LANE to.x[l] = fp8_unit<Unsigned>(c.x[l]) * scale;
}

template <bool Unsigned, int K>
inline void write_fp8(const float *from, float inverse, const Words &dithers, uint8_t *codes) {
    Words c;
    HL_EACH_LANE c.x[l] = fp8_code<Unsigned>(from[l], inverse, random_bits<K, 20>(dithers.x[l]));
    narrow(c, codes);
}

}  // namespace hl
