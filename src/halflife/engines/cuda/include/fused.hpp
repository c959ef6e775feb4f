// What every generated kernel is made with: parts of tensors, runs of neighbours, columns, codes under a block's scale.
//
// One text for two kinds of processor. On a GPU a thread has V neighbours in registers, loaded and stored as one, and
// the 32 threads of a warp share a block's scale; on the CPU a loop walks along memory, and one thread has a block.
// The text (engines/cuda/text.py) is behind this file; where it is compiled for a GPU, HL_GPU is defined.
#pragma once
#include "formats/formats.hpp"

namespace hl {

// A NaN stays one. One choice after the other: a compiler puts no `||` of comparisons into lanes.
template <class T> inline T maximum(T a, T b) { const T larger = a > b ? a : b; return a != a ? a : larger; }
template <class T> inline T minimum(T a, T b) { const T less = a < b ? a : b; return a != a ? a : less; }
template <class T> inline T clamp(T x, T low, T high) { return minimum(maximum(x, low), high); }
template <class T> inline T sign(T x) { const T up = x > T(0) ? T(1) : T(0); return x < T(0) ? T(-1) : up; }

#define HL_OF_BOTH(name, of_float, of_double)          \
    inline float name(float x) { return of_float(x); } \
    inline double name(double x) { return of_double(x); }
HL_OF_BOTH(abs, ::fabsf, ::fabs)
HL_OF_BOTH(sqrt, ::sqrtf, ::sqrt)
HL_OF_BOTH(exp, ::expf, ::exp)
HL_OF_BOTH(log, ::logf, ::log)
HL_OF_BOTH(cos, ::cosf, ::cos)
HL_OF_BOTH(acos, ::acosf, ::acos)
HL_OF_BOTH(tanh, ::tanhf, ::tanh)
#undef HL_OF_BOTH
inline float pow(float x, float y) { return ::powf(x, y); }
inline double pow(double x, double y) { return ::pow(x, y); }

// y + a*x, rounded once where the processor can.
#if defined(HL_GPU) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline float fma(float a, float x, float y) { return ::fmaf(a, x, y); }
inline double fma(double a, double x, double y) { return ::fma(a, x, y); }
#else
template <class T> inline T fma(T a, T x, T y) { return y + a * x; }
#endif

// The larger magnitude, as bits: they are ordered as the numbers are, NaN and infinity last.
inline uint32_t most(uint32_t so_far, float x) {
    const uint32_t b = bits_of(x) & 0x7FFFFFFFu;
    return b > so_far ? b : so_far;
}

// How a coordinate's step divides, takes roots and rounds: as IEEE has it, by whatever the compiler makes of it.
struct Exact {
    template <class T> T divide(T a, T b) const { return a / b; }
    template <class T> T sqrt(T x) const { return hl::sqrt(x); }
    float from_bf16(uint16_t h) const { return hl::from_bf16(h); }
    float from_fp16(uint16_t h) const { return hl::from_fp16(h); }
    uint16_t nearest_bf16(float x) const { return to_bf16<false>(x, 0); }
    uint16_t nearest_fp16(float x) const { return to_fp16<false>(x, 0); }
    uint16_t dithered_bf16(float x, uint32_t random) const { return to_bf16<true>(x, random); }
    uint16_t dithered_fp16(float x, uint32_t random) const { return to_fp16<true>(x, random); }
};

constexpr uint32_t STATE_SALT = 101, SEED = 0x632BE5ABu; // as in engines/memory.py and engines/formats.py

constexpr int PART = HL_PART; // coordinates of one part: one block of threads, or one turn of a thread on the CPU

}  // namespace hl

// What a kernel is called with. `parts`: pairs of a tensor's place and the part's first coordinate. `columns`: the
// pointers, column by column, each with `tensors` of them; the scales of the coded columns come behind the others, the
// gradients stand in `grads`. `rows`: which line of `numbers` and `seeds` a tensor takes. `verdict`, if not null: whether
// to skip, and what multiplies the gradients.
#define HL_ARGUMENTS                                                                                              \
    const int64_t *parts, int n_parts, const uint64_t *columns, const uint64_t *grads, const int64_t *lengths,    \
        const int32_t *rows, int64_t tensors, const void *numbers, const uint32_t *seeds, const double *verdict

// What the clock's kernel is called with. `clocks`: the pointers, name by name. `given`: each row's numbers from outside.
#define HL_CLOCK_ARGUMENTS                                                                                       \
    const uint64_t *clocks, int64_t tensors, const int32_t *rows, const double *given, void *numbers,            \
        uint32_t *seeds, const double *verdict
#define HL_CLOCK_OF(C, k) reinterpret_cast<C *>(clocks[int64_t(k) * tensors + tensor])

#define HL_PART_OF(p)                                                                      \
    const int64_t tensor = parts[2 * int64_t(p)], at = parts[2 * int64_t(p) + 1];          \
    const int64_t left = lengths[tensor] - at;                                             \
    const int32_t row = rows[tensor];                                                      \
    const uint32_t seed = seeds[row];                                                      \
    const int n = left < hl::PART ? int(left) : hl::PART;                                  \
    const double from_verdict = verdict ? verdict[1] : 1.0;                                \
    (void)seed, (void)n, (void)from_verdict;
#define HL_POINTER(k) ((k) == 1 ? grads[tensor] : columns[int64_t(k) * tensors + tensor])
#define HL_INDEX(j) (uint32_t(at) + uint32_t(i) + uint32_t(j))
#define HL_SCALES(c, k) float *const c##_scales = reinterpret_cast<float *>(HL_POINTER(k)) + at / hl::BLOCK;

#ifdef HL_GPU

namespace hl {

template <class M, int V>
struct alignas(sizeof(M) * V < 16 ? sizeof(M) * V : 16) Pack {
    M of[V];
};

// Codes lie in registers of four.
template <int V>
struct Codes {
    uint32_t of[V / 4];
};

// V neighbours from memory and into it, as one.
template <class M, int V>
inline void get(const M *memory, Pack<M, V> &to) {
    __builtin_assume(__isGlobal(memory));
    to = *reinterpret_cast<const Pack<M, V> *>(memory);
}

template <class M, int V>
inline void put(const Pack<M, V> &from, M *memory) {
    __builtin_assume(__isGlobal(memory));
    *reinterpret_cast<Pack<M, V> *>(memory) = from;
}

template <int V>
inline void get(const uint8_t *memory, Codes<V> &to) {
    Pack<uint32_t, V / 4> words;
    get(reinterpret_cast<const uint32_t *>(memory), words);
    for (int q = 0; q < V / 4; ++q) to.of[q] = words.of[q];
}

template <int V>
inline void put(const Codes<V> &from, uint8_t *memory) {
    Pack<uint32_t, V / 4> words;
    for (int q = 0; q < V / 4; ++q) words.of[q] = from.of[q];
    put(words, reinterpret_cast<uint32_t *>(memory));
}

// Those before the end, of which there are `count`, one by one; the others are taken for zeros.
template <class M, int V>
inline void get_some(const M *memory, int count, Pack<M, V> &to) {
    for (int j = 0; j < V; ++j) to.of[j] = j < count ? memory[j] : M(0);
}

template <class M, int V>
inline void put_some(const Pack<M, V> &from, int count, M *memory) {
    for (int j = 0; j < V; ++j)
        if (j < count) memory[j] = from.of[j];
}

template <int V>
inline void get_some(const uint8_t *memory, int count, Codes<V> &to) {
    for (int q = 0; q < V / 4; ++q) to.of[q] = 0;
    for (int j = 0; j < V; ++j)
        if (j < count) to.of[j / 4] |= uint32_t(memory[j]) << j % 4 * 8;
}

template <int V>
inline void put_some(const Codes<V> &from, int count, uint8_t *memory) {
    for (int j = 0; j < V; ++j)
        if (j < count) memory[j] = uint8_t(from.of[j / 4] >> j % 4 * 8);
}

// x, of which the compiler knows nothing: masked, it is not to be made of masked parts.
inline uint32_t opaque(uint32_t x) {
    asm("" : "+r"(x));
    return x;
}

// The same as Exact has, bit for bit, where no number is out of the ordinary; `rare` says that one is, and then the
// results are not to be used. Without a branch, neighbours are worked on side by side. The sequences are those that
// the compiler itself has between its checks of the exponents; here the checks of all neighbours are one.
struct Quick : Exact {
    bool rare = false;

    double divide(double a, double b) { return a / b; }
    double sqrt(double x) { return hl::sqrt(x); }

    float divide(float a, float b) {
        float y;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(b));
        y = ::fmaf(y, ::fmaf(-b, y, 1.0f), y);
        const float q = a * y, exact = ::fmaf(y, ::fmaf(-b, q, a), q);
        // Neither the remainder nor the quotient is then rounded to a subnormal number, and nothing overflowed: a NaN,
        // which is what that leads to, is not above anything.
        rare |= !(::fabsf(b) >= 0x1p-28f) | !(::fabsf(exact) >= 0x1p-72f);
        return exact;
    }

    float sqrt(float x) {
        float y;
        asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
        float root;
        asm("mul.ftz.f32 %0, %1, %2;" : "=f"(root) : "f"(x), "f"(y));
        const float exact = ::fmaf(::fmaf(-root, root, x), 0.5f * y, root);
        rare |= !(exact >= 0x1p-50f); // as above; 0, all that is negative and infinity lead to a NaN too
        return exact;
    }

    uint16_t dithered_bf16(float x, uint32_t random) {
        rare |= x != x; // and infinity stays what it is
        return uint16_t((bits_of(x) + (opaque(random) & 0xFFFFu)) >> 16);
    }

    float from_fp16(uint16_t h) const {
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
        return x;
    }

    uint16_t nearest_fp16(float x) const {
        uint16_t h;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
        return h;
    }
#if __CUDA_ARCH__ >= 800
    uint16_t nearest_bf16(float x) const {
        uint16_t h;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(x));
        return h;
    }
#endif
};

// The larger magnitude; a NaN is the largest.
inline float most(float so_far, float x) {
#if __CUDA_ARCH__ >= 800
    float y;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(so_far), "f"(::fabsf(x)));
    return y;
#else
    return float_of(most(bits_of(so_far), x));
#endif
}

// The largest of a warp's numbers, none of which is negative.
inline float team_most(float x) {
    uint32_t b = bits_of(x);
#if __CUDA_ARCH__ >= 800
    b = __reduce_max_sync(0xFFFFFFFFu, b);
#else
    for (int apart = 16; apart; apart /= 2) {
        const uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, b, apart);
        b = other > b ? other : b;
    }
#endif
    return float_of(b);
}

// from_fp8 of the j-th of some codes.
template <bool Unsigned, int V>
inline float decode(const Codes<V> &codes, int j, float scale) {
    const uint32_t high = __byte_perm(codes.of[j / 4], 0, 0x0444 | (j % 4) << 12); // the code as the highest byte
    const uint32_t magnitude = Unsigned ? high : high & 0x7F000000u;
    const uint32_t bits = magnitude ? (magnitude >> 4) + ((Unsigned ? UNSIGNED_BASE : SIGNED_BASE) << 20) : 0u;
    return float_of(Unsigned ? bits : bits | (high & 0x80000000u)) * scale;
}

// to_fp8 of V neighbours under a scale, by their random bits; k is the state's place.
template <bool Unsigned, int V>
inline void encode(const float (&x)[V], float scale, const uint32_t (&random)[V], int k, Codes<V> &codes) {
    const bool ordinary = bits_of(scale) - 0x0D800000u <= 0x64000000u; // from 2^-100 to 2^100
    float least = 1;
    if (Unsigned)
        for (int j = 0; j < V; ++j) least = ::fminf(least, ::fabsf(x[j]));
    if (ordinary && least != 0) {
        // Then no x/scale is above 1, and none that is unsigned has the code 0: neither end is to be looked for.
        constexpr int32_t base = (Unsigned ? UNSIGNED_BASE : SIGNED_BASE) << 20, bottom = Unsigned << 20;
        float inverse;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(scale));
        inverse = ::fmaf(inverse, ::fmaf(-scale, inverse, 1.0f), inverse);
        uint32_t high[V];
        for (int j = 0; j < V; ++j) {
            const int32_t up = int32_t(turned(random[j], k) & 0xFFFFFu);
            const int32_t y = int32_t(bits_of(::fabsf(x[j]) * inverse)) - base + up;
            high[j] = uint32_t(y < bottom ? bottom : y) << 4;
            if (!Unsigned) high[j] |= bits_of(x[j]) & 0x80000000u;
        }
        for (int j = 0; j < V; j += 4) {
            const uint32_t low = __byte_perm(high[j], high[j + 1], 0x73), up = __byte_perm(high[j + 2], high[j + 3], 0x73);
            codes.of[j / 4] = __byte_perm(low, up, 0x5410);
        }
    } else {
        const float inverse = inverse_of(scale);
        for (int j = 0; j < V; ++j) {
            const uint32_t code = to_fp8<Unsigned>(x[j], inverse, turned(random[j], k));
            codes.of[j / 4] = (j % 4 ? codes.of[j / 4] : 0u) | code << j % 4 * 8;
        }
    }
}

}  // namespace hl

#define HL_THREADS 128
#define HL_WIDTH(v) ((v) == 256 ? 8 : (v)) // a block of 256 is a warp's: 32 threads of 8 neighbours
#define HL_KERNEL(name) extern "C" __global__ void __launch_bounds__(HL_THREADS) name(HL_ARGUMENTS)
#define HL_EACH_PART                              \
    if (verdict && verdict[0] != 0) return;       \
    HL_PART_OF(blockIdx.x)                        \
    bool aligned = true;
#define HL_COLUMN(M, c, k)                                                 \
    M *const c##_at = reinterpret_cast<M *>(HL_POINTER(k)) + at;           \
    aligned &= reinterpret_cast<uint64_t>(c##_at) % alignof(hl::Pack<M, V>) == 0;
#define HL_EACH_RUN _Pragma("unroll 1") for (int first = 0; first < n; first += HL_THREADS * V)
#define HL_RUN const int i = first + int(threadIdx.x) * V; const bool full = aligned && i + V <= n;
#define HL_ENTRY(name)
#define HL_CLOCK(name) extern "C" __global__ void __launch_bounds__(HL_THREADS) name(HL_CLOCK_ARGUMENTS)
#define HL_CLOCK_ENTRY(name)
#define HL_EACH_TENSOR                                                                  \
    const int64_t tensor = int64_t(blockIdx.x) * HL_THREADS + threadIdx.x;              \
    if (tensor >= tensors || (verdict && verdict[0] != 0)) return;
#define HL_VIEW(M, c)        \
    hl::Pack<M, V> c##_pack; \
    auto &c = c##_pack.of;
#define HL_VIEW_CODES(c) hl::Codes<V> c##_pack;
#define HL_WHOLE if (full)
#define HL_GET(c) hl::get(c##_at + i, c##_pack);
#define HL_PUT(c) hl::put(c##_pack, c##_at + i);
#define HL_GET_SOME(c) hl::get_some(c##_at + i, n - i, c##_pack);
#define HL_PUT_SOME(c) hl::put_some(c##_pack, n - i, c##_at + i);
#define HL_OLD_SCALE(c)                                                             \
    hl::Pack<float, 1> c##_scale_pack = {0.0f};                                     \
    if (i < n) hl::get(c##_scales + i / hl::BLOCK, c##_scale_pack);                 \
    const float c##_scale = c##_scale_pack.of[0];
#define HL_RANDOM                                                                   \
    uint32_t random[V];                                                             \
    for (int j = 0; j < V; ++j) random[j] = hl::opaque(hl::dither(HL_INDEX(j), seed + hl::STATE_SALT));
#define HL_NEW_CODES(c) float c##_new[V], c##_most = 0;
#define HL_NONE_YET(c) c##_most = 0;
#define HL_COORDINATES const auto coordinates = [&](auto &math) {
#define HL_SIMD _Pragma("unroll")
#define HL_SIMD_MAX(...) HL_SIMD
#define HL_EACH_COORDINATE for (int j = 0; j < V; ++j)
#define HL_RARELY       \
    };                  \
    hl::Quick quick;    \
    coordinates(quick); \
    if (quick.rare)
#define HL_AGAIN hl::Exact exact; coordinates(exact);
#define HL_DECODE(c, unsigned_) hl::decode<unsigned_>(c##_pack, j, c##_scale)
#define HL_ENCODE(c, unsigned_, k)                                                      \
    const float c##_new_scale = hl::team_most(c##_most);                                \
    if (threadIdx.x % 32 == 0 && i < n) c##_scales[i / hl::BLOCK] = c##_new_scale;      \
    hl::encode<unsigned_>(c##_new, c##_new_scale, random, k, c##_pack);

#else

#define HL_PRAGMA(text) _Pragma(#text)
#define HL_WIDTH(v) ((v) == 256 ? 256 : hl::PART)
#define HL_KERNEL(name) static inline void name##_part(int part, HL_ARGUMENTS)
#define HL_EACH_PART HL_PART_OF(part)
#define HL_COLUMN(M, c, k) M *const c##_at = reinterpret_cast<M *>(HL_POINTER(k)) + at;
#define HL_EACH_RUN for (int i = 0; i < n; i += V)
#define HL_RUN const int count = n - i < V ? n - i : V;
#define HL_ENTRY(name)                                                                                     \
    extern "C" __attribute__((visibility("default"))) void name(HL_ARGUMENTS, int threads) {              \
        if (verdict && verdict[0] != 0) return;                                                           \
        HL_PRAGMA(omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1))               \
        for (int p = 0; p < n_parts; ++p)                                                                 \
            name##_part(p, parts, n_parts, columns, grads, lengths, rows, tensors, numbers, seeds, verdict); \
    }
#define HL_CLOCK(name) static inline void name##_of(int64_t tensor, HL_CLOCK_ARGUMENTS)
#define HL_EACH_TENSOR
#define HL_CLOCK_ENTRY(name)                                                                   \
    extern "C" __attribute__((visibility("default"))) void name(HL_CLOCK_ARGUMENTS) {         \
        if (verdict && verdict[0] != 0) return;                                               \
        for (int64_t tensor = 0; tensor < tensors; ++tensor)                                  \
            name##_of(tensor, clocks, tensors, rows, given, numbers, seeds, verdict);         \
    }
#define HL_VIEW(M, c) M *__restrict c = c##_at + i;
#define HL_VIEW_CODES(c) HL_VIEW(uint8_t, c)
#define HL_RANDOM                                                                                         \
    alignas(64) uint32_t random[V];                                                                       \
    HL_SIMD                                                                                               \
    for (int j = 0; j < count; ++j) random[j] = hl::dither(HL_INDEX(j), seed + hl::STATE_SALT);
#define HL_WHOLE if (true)
#define HL_GET(c)
#define HL_PUT(c)
#define HL_GET_SOME(c)
#define HL_PUT_SOME(c)
#define HL_OLD_SCALE(c) const float c##_scale = c##_scales[i / hl::BLOCK];
#define HL_NEW_CODES(c) alignas(64) float c##_new[V]; uint32_t c##_most = 0;
#define HL_NONE_YET(c)
#define HL_COORDINATES const hl::Exact math;
#define HL_SIMD HL_PRAGMA(omp simd)
#define HL_SIMD_MAX(...) HL_PRAGMA(omp simd reduction(max : __VA_ARGS__))
#define HL_EACH_COORDINATE for (int j = 0; j < count; ++j)
#define HL_RARELY if (false)
#define HL_AGAIN
#define HL_DECODE(c, unsigned_) hl::from_fp8<unsigned_>(c[j], c##_scale)
#define HL_ENCODE(c, unsigned_, k)                                                                            \
    const float c##_new_scale = hl::float_of(c##_most), c##_inverse = hl::inverse_of(c##_new_scale);          \
    c##_scales[i / hl::BLOCK] = c##_new_scale;                                                                \
    if (c##_new_scale < hl::LARGE_SCALE) {                                                                    \
        HL_SIMD                                                                                               \
        for (int j = 0; j < count; ++j)                                                                       \
            c[j] = uint8_t(hl::fp8_code<unsigned_>(c##_new[j], c##_inverse, hl::random_bits<k, 20>(random[j]))); \
    } else {                                                                                                  \
        HL_SIMD                                                                                               \
        for (int j = 0; j < count; ++j)                                                                       \
            c[j] = hl::to_fp8<unsigned_>(c##_new[j], c##_inverse, hl::turned(random[j], k));                  \
    }

#endif
