// What every generated kernel is made with: parts of tensors, runs of neighbours, columns, codes under a block's scale.
//
// One text for two kinds of processor. On a GPU a thread has V neighbours in registers, loaded and stored as one, and
// the 32 threads of a warp share a block's scale; on the CPU a loop walks along memory, and one thread has a block.
// The text (engines/cuda/text.py) is behind this file; where it is compiled for a GPU, HL_GPU is defined.
#pragma once
#include "formats/formats.hpp"

namespace hl {

template <class T> inline T maximum(T a, T b) { return a > b || a != a ? a : b; } // a NaN stays one
template <class T> inline T minimum(T a, T b) { return a < b || a != a ? a : b; }
template <class T> inline T clamp(T x, T low, T high) { return minimum(maximum(x, low), high); }
template <class T> inline T sign(T x) { return T(x > T(0)) - T(x < T(0)); }
template <class T> inline T abs(T x) { return x < T(0) ? -x : x == T(0) ? T(0) : x; }

#define HL_OF_BOTH(name, of_float, of_double)          \
    inline float name(float x) { return of_float(x); } \
    inline double name(double x) { return of_double(x); }
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

template <class M, int V>
inline void view(const M *memory, int count, bool whole, Pack<M, V> &to) {
    if (whole && count >= V) to = *reinterpret_cast<const Pack<M, V> *>(memory);
    else
        for (int j = 0; j < V; ++j) to.of[j] = j < count ? memory[j] : M(0);
}

template <class M, int V>
inline void put(const Pack<M, V> &from, int count, bool whole, M *memory) {
    if (whole && count >= V) *reinterpret_cast<Pack<M, V> *>(memory) = from;
    else
        for (int j = 0; j < V; ++j)
            if (j < count) memory[j] = from.of[j];
}

inline uint32_t team_most(uint32_t x) {
    for (int apart = 16; apart; apart /= 2) {
        const uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, x, apart);
        x = other > x ? other : x;
    }
    return x;
}

}  // namespace hl

#define HL_THREADS 128
#define HL_WIDTH(v) ((v) == 256 ? 8 : (v)) // a block of 256 is a warp's: 32 threads of 8 neighbours
#define HL_KERNEL(name) extern "C" __global__ void __launch_bounds__(HL_THREADS) name(HL_ARGUMENTS)
#define HL_EACH_PART                              \
    if (verdict && verdict[0] != 0) return;       \
    HL_PART_OF(blockIdx.x)
#define HL_COLUMN(M, c, k)                                                 \
    M *const c##_at = reinterpret_cast<M *>(HL_POINTER(k)) + at;           \
    const bool c##_whole = reinterpret_cast<uint64_t>(c##_at) % sizeof(hl::Pack<M, V>) == 0;
#define HL_EACH_RUN for (int i = int(threadIdx.x) * V; i - int(threadIdx.x) * V < n; i += HL_THREADS * V)
#define HL_COUNT V
#define HL_ENTRY(name)
#define HL_CLOCK(name) extern "C" __global__ void __launch_bounds__(HL_THREADS) name(HL_CLOCK_ARGUMENTS)
#define HL_CLOCK_ENTRY(name)
#define HL_EACH_TENSOR                                                                  \
    const int64_t tensor = int64_t(blockIdx.x) * HL_THREADS + threadIdx.x;              \
    if (tensor >= tensors || (verdict && verdict[0] != 0)) return;
#define HL_VIEW(M, c)                                     \
    hl::Pack<M, V> c##_pack;                              \
    hl::view<M, V>(c##_at + i, n - i, c##_whole, c##_pack); \
    auto &c = c##_pack.of;
#define HL_PUT(M, c) hl::put<M, V>(c##_pack, n - i, c##_whole, c##_at + i);
#define HL_OLD_SCALE(c) const float c##_scale = i < n ? c##_scales[i / hl::BLOCK] : 0.0f;
#define HL_NEW_CODES(c) float c##_new[V]; uint32_t c##_most = 0;
#define HL_SIMD
#define HL_SIMD_MAX(...)
#define HL_ENCODE(c, unsigned_, k)                                                                              \
    const float c##_new_scale = hl::float_of(hl::team_most(c##_most)), c##_inverse = hl::inverse_of(c##_new_scale); \
    if (threadIdx.x % 32 == 0 && i < n) c##_scales[i / hl::BLOCK] = c##_new_scale;                               \
    for (int j = 0; j < V; ++j)                                                                                  \
        c[j] = hl::to_fp8<unsigned_>(c##_new[j], c##_inverse,                                                 \
                                        hl::turned(hl::dither(HL_INDEX(j), seed + hl::STATE_SALT), k));

#else

#define HL_PRAGMA(text) _Pragma(#text)
#define HL_WIDTH(v) ((v) == 256 ? 256 : hl::PART)
#define HL_KERNEL(name) static inline void name##_part(int part, HL_ARGUMENTS)
#define HL_EACH_PART HL_PART_OF(part)
#define HL_COLUMN(M, c, k) M *const c##_at = reinterpret_cast<M *>(HL_POINTER(k)) + at;
#define HL_EACH_RUN for (int i = 0; i < n; i += V)
#define HL_COUNT (n - i < V ? n - i : V)
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
#define HL_PUT(M, c)
#define HL_OLD_SCALE(c) const float c##_scale = c##_scales[i / hl::BLOCK];
#define HL_NEW_CODES(c) alignas(64) float c##_new[V]; uint32_t c##_most = 0;
#define HL_SIMD HL_PRAGMA(omp simd)
#define HL_SIMD_MAX(...) HL_PRAGMA(omp simd reduction(max : __VA_ARGS__))
#define HL_ENCODE(c, unsigned_, k)                                                                            \
    const float c##_new_scale = hl::float_of(c##_most), c##_inverse = hl::inverse_of(c##_new_scale);          \
    c##_scales[i / hl::BLOCK] = c##_new_scale;                                                                \
    HL_SIMD                                                                                                   \
    for (int j = 0; j < count; ++j)                                                                           \
        c[j] = hl::to_fp8<unsigned_>(c##_new[j], c##_inverse,                                              \
                                        hl::turned(hl::dither(HL_INDEX(j), seed + hl::STATE_SALT), k));

#endif
