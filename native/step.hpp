// The only loop: one chunk of one tensor, tile by tile, every part read once and written once.
//
// A tile lives in the first-level cache: the rule leaves u (and D) there, the placement takes them from there. Numbers
// that are T in memory are used where they lie; all others pass through a tile of their own.
#pragma once
#include "decays.hpp"
#include "engine.hpp"
#include "formats/formats.hpp"

#include <utility>

namespace hl {

constexpr int TILE = 2 * BLOCK;

template <class T>
using Sweep = void (*)(const void *rule, int n, const T *g, T gradient, T *const *s, T *u, T *D);

template <class T>
using Before = void (*)(const Place<T> &, int n, const T *w, const T *g, T gradient, const T *anchor, T *out);

template <class T>
using After = void (*)(const Place<T> &, int n, T *w, const T *u, const T *D, const T *anchor);

// What a tensor's step needs, ready in T. `rule` holds the functor.
template <class T>
struct Prepared {
    alignas(16) unsigned char rule[most_of_any_rule<T>().bytes];
    Sweep<T> sweep;
    Before<T> before;
    After<T> after, bare; // bare: without decay
    Place<T> place;
    T gradient, average, ema;
    int states;
    bool waits; // what reads the new weights waits for group lasso's shrink
    bool keeps_ema;
    unsigned never_negative;
    uint32_t seed;
};

// One rule over a tile: its lines, once per coordinate. K counts the states that the functor's call names, of which it
// may have fewer.
template <class F, class T, bool Metric, size_t... K>
void sweep(const void *rule, int n, const T *g_, T gradient, T *const *s_, T *u_, T *D_) {
    const F f = *static_cast<const F *>(rule);
    const T *__restrict g = g_;
    T *__restrict u = u_, *__restrict D = D_;
    T *const s[] = {(int(K) < F::states ? s_[K] : nullptr)...};
#pragma omp simd
    for (int i = 0; i < n; ++i) {
        T state[] = {(int(K) < F::states ? s[K][i] : T(0))...}, direction, metric;
        f(T(0), gradient * g[i], state[K]..., direction, metric);
        (void(int(K) < F::states ? s[K][i] = state[K] : T(0)), ...);
        u[i] = direction;
        if constexpr (Metric) D[i] = metric;
    }
}

template <class F, class T, size_t... K>
Sweep<T> sweep_of(bool metric, std::index_sequence<K...>) {
    return metric ? sweep<F, T, true, K...> : sweep<F, T, false, K...>;
}

// One format to another.
template <class T, class Memory, class F>
void convert(const Memory *__restrict from, T *__restrict to, int n, F f) {
#pragma omp simd
    for (int i = 0; i < n; ++i) to[i] = f(from[i], i);
}

// Numbers of a format as T, in `tile` unless they lie in memory as T.
template <class T>
T *decode(void *memory, uint8_t format, int64_t at, int n, T *tile) {
    if (format == (sizeof(T) == 8 ? HL_F64 : HL_F32)) return static_cast<T *>(memory) + at;
    const uint16_t *half = static_cast<uint16_t *>(memory) + at;
    if (format == HL_F32) convert(static_cast<float *>(memory) + at, tile, n, [](float x, int) { return T(x); });
    else if (format == HL_F64) convert(static_cast<double *>(memory) + at, tile, n, [](double x, int) { return T(x); });
    else if (format == HL_BF16) convert(half, tile, n, [](uint16_t h, int) { return T(from_bf16(h)); });
    else convert(half, tile, n, [](uint16_t h, int) { return T(from_fp16(h)); });
    return tile;
}

// The way back, for what `decode` put in a tile.
template <class T>
void encode(const T *tile, void *memory, uint8_t format, int64_t at, int n, bool dithered, uint32_t seed) {
    const uint32_t first = uint32_t(at);
    uint16_t *half = static_cast<uint16_t *>(memory) + at;
    if (format == HL_F32 && sizeof(T) == 8)
        convert(tile, static_cast<float *>(memory) + at, n, [](T x, int) { return float(x); });
    else if (format == HL_BF16 && dithered)
        convert(tile, half, n, [=](T x, int i) { return to_bf16<true>(float(x), first + i, seed); });
    else if (format == HL_BF16)
        convert(tile, half, n, [](T x, int) { return to_bf16<false>(float(x), 0, 0); });
    else if (format == HL_F16 && dithered)
        convert(tile, half, n, [=](T x, int i) { return to_fp16<true>(float(x), first + i, seed); });
    else if (format == HL_F16)
        convert(tile, half, n, [](T x, int) { return to_fp16<false>(float(x), 0, 0); });
}

template <class T, bool Unsigned>
void decode_blocks(const uint8_t *__restrict codes, const float *scale, int64_t at, int n, T *__restrict tile) {
    for (int block = 0; block < n; block += BLOCK) {
        const float s = scale[(at + block) / BLOCK];
        const int m = std::min(n - block, BLOCK);
#pragma omp simd
        for (int i = 0; i < m; ++i) tile[block + i] = T(from_fp8<Unsigned>(codes[at + block + i], s));
    }
}

// The largest magnitude of a block as its scale; NaN or infinite if one is.
template <class T>
float largest(const T *tile, int n) {
    uint32_t most = 0; // magnitudes are ordered as their bits are, and NaN and infinity come last
#pragma omp simd reduction(max : most)
    for (int i = 0; i < n; ++i) {
        const uint32_t b = bits_of(std::abs(float(tile[i])));
        most = b > most ? b : most;
    }
    return float_of(most);
}

template <class T, bool Unsigned>
void encode_blocks(const T *__restrict tile, uint8_t *__restrict codes, float *scale, int64_t at, int n, uint32_t seed) {
    for (int block = 0; block < n; block += BLOCK) {
        const int m = std::min(n - block, BLOCK);
        const float s = largest(tile + block, m), inverse = s == 0 ? 0 : 1 / (s < 1.17549435e-38f ? 1.17549435e-38f : s);
        scale[(at + block) / BLOCK] = s;
        const uint32_t first = uint32_t(at) + block;
#pragma omp simd
        for (int i = 0; i < m; ++i)
            codes[at + block + i] = to_fp8<Unsigned>(float(tile[block + i]), inverse, first + i, seed);
    }
}

template <class T>
T *decode_state(const hl_entry &e, int k, bool never_negative, int64_t at, int n, T *tile) {
    if (e.state_format != HL_FP8) return decode<T>(e.state[k], e.state_format, at, n, tile);
    const uint8_t *codes = static_cast<uint8_t *>(e.state[k]);
    if (never_negative) decode_blocks<T, true>(codes, e.scale[k], at, n, tile);
    else decode_blocks<T, false>(codes, e.scale[k], at, n, tile);
    return tile;
}

template <class T>
void encode_state(const T *tile, const hl_entry &e, int k, bool never_negative, int64_t at, int n, uint32_t seed) {
    if (e.state_format != HL_FP8) return encode<T>(tile, e.state[k], e.state_format, at, n, e.dithered, seed);
    uint8_t *codes = static_cast<uint8_t *>(e.state[k]);
    if (never_negative) encode_blocks<T, true>(tile, codes, e.scale[k], at, n, seed);
    else encode_blocks<T, false>(tile, codes, e.scale[k], at, n, seed);
}

// The weights back to memory: decay and step share this one rounding.
template <class T>
void store_weights(T *w, T *kahan, const hl_entry &e, const hl_row &r, int64_t at, int n, uint32_t seed) {
    if (!kahan) return encode<T>(w, e.w, e.w_format, at, n, r.rounding == HL_STOCHASTIC, seed);
    encode<T>(w, e.w, e.w_format, at, n, false, 0);
    T rounded[TILE];
    const T *in_memory = decode<T>(e.w, e.w_format, at, n, rounded);
#pragma omp simd
    for (int i = 0; i < n; ++i) {
        const T rest = w[i] - in_memory[i];
        kahan[i] = rest - rest == 0 ? rest : T(0); // what is not finite is not carried on
    }
    encode<T>(kahan, e.kahan, e.w_format, at, n, false, 0);
}

// ASGD's average, and any rule's: x += share*(w - x), exactly w where the share is 1.
template <class T>
void average(T *__restrict x, const T *__restrict w, int64_t n, T share) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) x[i] = share == 1 ? w[i] : x[i] + share * (w[i] - x[i]);
}

// x where the mask is true, y elsewhere, in x.
template <class T>
void blend(const uint8_t *__restrict mask, int n, T *__restrict x, const T *__restrict y) {
#pragma omp simd
    for (int i = 0; i < n; ++i) x[i] = mask[i] ? x[i] : y[i];
}

// The gradient with the decay in it, in `out`.
template <class T>
void decay_before(const Prepared<T> &p, const uint8_t *mask, int n, const T *w, const T *g, const T *anchor, T *out) {
    T bare[TILE];
    if (mask) convert(g, bare, n, [&](T x, int) { return p.gradient * x; });
    p.before(p.place, n, w, g, p.gradient, anchor, out);
    if (mask) blend(mask, n, out, bare);
}

// The weights after the step, with the decay after the rule in them.
template <class T>
void step_weights(const Prepared<T> &p, const uint8_t *mask, int n, T *w, const T *u, const T *D, const T *anchor) {
    T bare[TILE];
    if (mask) std::memcpy(bare, w, sizeof(T) * size_t(n));
    p.after(p.place, n, w, u, D, anchor);
    if (!mask) return;
    p.bare(p.place, n, bare, u, D, anchor);
    blend(mask, n, w, bare);
}

template <class T>
void tile(const hl_entry &e, const hl_row &r, const Prepared<T> &p, int64_t at, int n) {
    alignas(64) T w_[TILE], g_[TILE], u[TILE], D[TILE], s_[STATES][TILE], anchor_[TILE], kahan_[TILE];
    T *s[STATES], *w = decode<T>(e.w, e.w_format, at, n, w_), *kahan = nullptr;
    const T *g = decode<T>(const_cast<void *>(e.g), e.g_format, at, n, g_), *anchor = u;
    if (e.anchor) anchor = decode<T>(const_cast<void *>(e.anchor), e.w_format, at, n, anchor_);
    const uint8_t *mask = e.mask ? e.mask + at : nullptr;
    if (e.kahan && w == w_) {
        kahan = decode<T>(e.kahan, e.w_format, at, n, kahan_);
        for (int i = 0; i < n; ++i) w[i] += kahan[i];
    }
    for (int k = 0; k < p.states; ++k) s[k] = decode_state<T>(e, k, p.never_negative >> k & 1, at, n, s_[k]);
    T gradient = p.gradient;
    if (p.before) {
        decay_before(p, mask, n, w, g, e.anchor ? anchor : w, g_);
        g = g_, gradient = 1;
    }
    p.sweep(p.rule, n, g, gradient, s, u, D);
    step_weights(p, mask, n, w, u, D, anchor);
    if (p.average != 0) average(s[0], w, n, p.average);
    for (int k = 0; k < p.states; ++k)
        if (s[k] == s_[k]) encode_state<T>(s[k], e, k, p.never_negative >> k & 1, at, n, p.seed + 101 + k);
    if (w == w_) store_weights<T>(w, kahan, e, r, at, n, p.seed + 7);
    if (p.keeps_ema && !p.waits) average(static_cast<T *>(e.ema) + at, decode<T>(e.w, e.w_format, at, n, w_), n, p.ema);
}

}  // namespace hl
