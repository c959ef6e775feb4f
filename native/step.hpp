// One chunk of one tensor, every part read once and written once.
//
// Where all lies in memory as the rule's sweep takes it, one sweep goes through the chunk. Else it goes tile by tile: what
// lies in another format, and what a decay does before and after the sweep, passes through the first-level cache.
#pragma once
#include "engine.hpp"
#include "sweeps.hpp"

namespace hl {

constexpr int TILE = 2 * BLOCK;

template <class T>
using Before = void (*)(const Place<T> &, int n, const T *w, const T *g, T gradient, const T *anchor, T *out);

template <class T>
using Pass = void (*)(const Place<T> &, int n, T *w, const T *anchor);

template <class T>
using After = void (*)(const Place<T> &, int n, T *w, const T *u, const T *D, const T *anchor);

// What a tensor's step needs, ready in T. `rule` holds the functor. Of the decay's functions those are null that it does
// without.
template <class T>
struct Prepared {
    alignas(16) unsigned char rule[most_of_any_rule<T>().bytes];
    Sweep<T> sweep, finds, bf16, fp8; // finds: u and D; bf16, fp8: of states in these formats, null unless T is float
    Before<T> before;
    Pass<T> descend, prox;
    After<T> after, bare; // bare: without decay
    Place<T> place;
    T gradient, average, ema;
    int states;
    bool folds; // `descend` only multiplies, by 1 - tau
    bool waits; // what reads the new weights waits for group lasso's shrink
    bool keeps_ema;
    unsigned never_negative;
    uint32_t seed;
};

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

// The flat index in the whole tensor of a coordinate of the shard that is here: random bits go by that.
inline uint32_t index_of(const hl_entry &e, int64_t at) {
    return uint32_t(e.origin + at + (e.run ? at / e.run * e.gap : 0));
}

// The way back, for what `decode` put in a tile: the weights, or state k; `first` is the index of its first coordinate.
template <class T>
void encode(const T *tile, void *memory, uint8_t format, int64_t at, int n, bool dithered, uint32_t first,
            uint32_t seed, int k = 0) {
    uint16_t *half = static_cast<uint16_t *>(memory) + at;
    if (format == HL_F32 && sizeof(T) == 8)
        convert(tile, static_cast<float *>(memory) + at, n, [](T x, int) { return float(x); });
    else if (format == HL_BF16 && dithered)
        convert(tile, half, n, [=](T x, int i) { return to_bf16<true>(float(x), turned(dither(first + i, seed), k)); });
    else if (format == HL_BF16)
        convert(tile, half, n, [](T x, int) { return to_bf16<false>(float(x), 0); });
    else if (format == HL_F16 && dithered)
        convert(tile, half, n, [=](T x, int i) { return to_fp16<true>(float(x), turned(dither(first + i, seed), k)); });
    else if (format == HL_F16)
        convert(tile, half, n, [](T x, int) { return to_fp16<false>(float(x), 0); });
}

// The same with the random bits of each run of neighbours in the whole tensor.
template <class T>
void encode_dithered(const T *tile, const hl_entry &e, void *memory, uint8_t format, int64_t at, int n, uint32_t seed,
                     int k = 0) {
    for (int i = 0; i < n;) {
        const int64_t together = e.run ? e.run - (at + i) % e.run : n;
        const int m = together < n - i ? int(together) : n - i;
        encode<T>(tile + i, memory, format, at + i, m, true, index_of(e, at + i), seed, k);
        i += m;
    }
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
void encode_tile(const T *tile, uint8_t *codes, float *scale, int64_t at, int n, uint32_t seed, int k) {
    for (int block = 0; block < n; block += BLOCK) {
        const int m = std::min(n - block, BLOCK);
        const float s = scale[(at + block) / BLOCK] = largest(tile + block, m);
        encode_block<Unsigned>(tile + block, inverse_of(s), codes + at + block, m, uint32_t(at) + block, seed, k);
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
    if (e.state_format != HL_FP8 && e.dithered)
        return encode_dithered<T>(tile, e, e.state[k], e.state_format, at, n, seed, k);
    if (e.state_format != HL_FP8) return encode<T>(tile, e.state[k], e.state_format, at, n, false, 0, 0);
    uint8_t *codes = static_cast<uint8_t *>(e.state[k]);
    if (never_negative) encode_tile<T, true>(tile, codes, e.scale[k], at, n, seed, k);
    else encode_tile<T, false>(tile, codes, e.scale[k], at, n, seed, k);
}

// The weights back to memory: decay and step share this one rounding.
template <class T>
void store_weights(T *w, T *kahan, const hl_entry &e, const hl_row &r, int64_t at, int n, uint32_t seed) {
    if (r.rounding == HL_STOCHASTIC) return encode_dithered<T>(w, e, e.w, e.w_format, at, n, seed);
    encode<T>(w, e.w, e.w_format, at, n, false, 0, 0);
    if (!kahan) return;
    T rounded[TILE];
    const T *in_memory = decode<T>(e.w, e.w_format, at, n, rounded);
#pragma omp simd
    for (int i = 0; i < n; ++i) {
        const T rest = w[i] - in_memory[i];
        kahan[i] = rest - rest == 0 ? rest : T(0); // what is not finite is not carried on
    }
    encode<T>(kahan, e.kahan, e.w_format, at, n, false, 0, 0);
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

// The decay alone, where the mask is true.
template <class T>
void pass(const Prepared<T> &p, Pass<T> decay, const uint8_t *mask, int n, T *w, const T *anchor) {
    T bare[TILE];
    if (mask) std::memcpy(bare, w, sizeof(T) * size_t(n));
    decay(p.place, n, w, anchor);
    if (mask) blend(mask, n, w, bare);
}

// The weights after a step whose decay asks for u or D.
template <class T>
void step_weights(const Prepared<T> &p, const uint8_t *mask, int n, T *w, const T *u, const T *D, const T *anchor) {
    T bare[TILE];
    if (mask) std::memcpy(bare, w, sizeof(T) * size_t(n));
    p.after(p.place, n, w, u, D, anchor);
    if (!mask) return;
    p.bare(p.place, n, bare, u, D, anchor);
    blend(mask, n, w, bare);
}

// The sweep that takes the states' codes as they lie in memory, or null.
template <class T>
Sweep<T> narrow_sweep(const hl_entry &e, const Prepared<T> &p) {
    if (p.after || p.average != 0 || p.states == 0) return nullptr;
    return e.state_format == HL_FP8 ? p.fp8 : e.state_format == HL_BF16 && e.dithered && !e.run ? p.bf16 : nullptr;
}

// n numbers, and their last one again until they are `whole`.
template <class X>
void repeat_last(const void *from, int n, int whole, void *to) {
    std::memcpy(to, from, sizeof(X) * size_t(n));
    const X last = static_cast<const X *>(from)[n - 1];
    for (int i = n; i < whole; ++i) static_cast<X *>(to)[i] = last;
}

// A narrow sweep takes whole registers. A tensor's last numbers are swept in a copy in which the very last is repeated:
// that one changes no block's largest.
template <class T>
void sweep_in_copy(const void *rule, Sweep<T> sweep, Run<T> r, int n, int states, size_t bytes) {
    alignas(64) T g[BLOCK], w[BLOCK];
    alignas(64) uint8_t codes[STATES][BLOCK];
    const int whole = (n + LANES - 1) / LANES * LANES;
    const Run<T> lies = r;
    repeat_last<T>(r.g, n, whole, g);
    repeat_last<T>(r.w, n, whole, w);
    for (int k = 0; k < states; ++k) {
        bytes == 2 ? repeat_last<uint16_t>(r.state[k], n, whole, codes[k])
                   : repeat_last<uint8_t>(r.state[k], n, whole, codes[k]);
        r.state[k] = codes[k];
    }
    r.g = g, r.w = w;
    sweep(rule, r, whole);
    std::memcpy(lies.w, w, sizeof(T) * size_t(n));
    for (int k = 0; k < states; ++k) std::memcpy(lies.state[k], codes[k], bytes * size_t(n));
}

template <class T>
void sweep_narrow(const void *rule, Sweep<T> sweep, Run<T> r, int n, int states, bool blocks) {
    const int rest = n % LANES == 0 ? 0 : n % (blocks ? BLOCK : LANES), whole = n - rest;
    const size_t bytes = blocks ? 1 : 2;
    if (whole) sweep(rule, r, whole);
    if (!rest) return;
    r.g += whole, r.w += whole, r.first += uint32_t(whole);
    for (int k = 0; k < states; ++k) {
        r.state[k] = static_cast<uint8_t *>(r.state[k]) + bytes * size_t(whole);
        if (blocks) r.scale[k] += whole / BLOCK;
    }
    sweep_in_copy(rule, sweep, r, rest, states, bytes);
}

// Whether a chunk can be swept as it lies in memory.
template <class T>
bool as_it_lies(const hl_entry &e, const Prepared<T> &p) {
    constexpr uint8_t own = sizeof(T) == 8 ? HL_F64 : HL_F32;
    const bool folded = !p.descend || (p.folds && !e.mask), states = p.states == 0 || e.state_format == own;
    return e.w_format == own && e.g_format == own && (states || narrow_sweep(e, p)) && !p.before && folded && !p.prox &&
           !p.after && p.average == 0 && (!p.keeps_ema || p.waits);
}

// At most TILE coordinates, or any number of them where they can be swept as they lie.
template <class T>
void tile(const hl_entry &e, const hl_row &r, const Prepared<T> &p, int64_t at, int n) {
    alignas(64) T w_[TILE], g_[TILE], u[TILE], D[TILE], s_[STATES][TILE], anchor_[TILE], kahan_[TILE];
    T *w = decode<T>(e.w, e.w_format, at, n, w_), *kahan = nullptr;
    const T *g = decode<T>(const_cast<void *>(e.g), e.g_format, at, n, g_), *anchor = u;
    if (e.anchor) anchor = decode<T>(const_cast<void *>(e.anchor), e.w_format, at, n, anchor_);
    const uint8_t *mask = e.mask ? e.mask + at : nullptr;
    if (e.kahan && w == w_) {
        kahan = decode<T>(e.kahan, e.w_format, at, n, kahan_);
        for (int i = 0; i < n; ++i) w[i] += kahan[i];
    }
    const Sweep<T> narrow = narrow_sweep(e, p);
    const bool folds = p.folds && !mask, blocks = e.state_format == HL_FP8;
    const T kept = folds ? 1 - p.place.tau : p.place.shrink;
    const uint32_t first = blocks ? uint32_t(at) : index_of(e, at); // blocks of codes are the shard's own
    Run<T> run{g, w, {}, {}, p.gradient, kept, p.place.rate, first, p.seed + 101, u, D};
    T *s[STATES];
    for (int k = 0; k < p.states; ++k) {
        if (narrow) run.state[k] = static_cast<uint8_t *>(e.state[k]) + at * (blocks ? 1 : 2);
        else run.state[k] = s[k] = decode_state<T>(e, k, p.never_negative >> k & 1, at, n, s_[k]);
        if (narrow && blocks) run.scale[k] = e.scale[k] + at / BLOCK;
    }
    if (p.before) {
        decay_before(p, mask, n, w, g, e.anchor ? anchor : w, g_);
        run.g = g_, run.gradient = 1;
    }
    if (p.descend && !folds) pass(p, p.descend, mask, n, w, anchor);
    if (narrow) sweep_narrow(p.rule, narrow, run, n, p.states, blocks);
    else (p.after ? p.finds : p.sweep)(p.rule, run, n);
    if (p.after) step_weights(p, mask, n, w, u, D, anchor);
    if (p.prox) pass(p, p.prox, mask, n, w, anchor);
    if (p.average != 0) average(s[0], w, n, p.average);
    for (int k = 0; k < p.states && !narrow; ++k)
        if (s[k] == s_[k]) encode_state<T>(s[k], e, k, p.never_negative >> k & 1, at, n, p.seed + 101);
    if (w == w_) store_weights<T>(w, kahan, e, r, at, n, p.seed + 7);
    if (p.keeps_ema && !p.waits) average(static_cast<T *>(e.ema) + at, decode<T>(e.w, e.w_format, at, n, w_), n, p.ema);
}

}  // namespace hl
