// One rule over a run of coordinates, its lines once for each, and in the same pass what else a step allows: the weights
// are moved, narrow states decoded before and encoded after, so that nothing of it passes through memory in between.
#pragma once
#include "decays.hpp"
#include "entry.hpp"
#include "lanes.hpp"

#include <utility>

namespace hl {

// Where a run's numbers lie. The states are T, or codes where the sweep is for these.
template <class T>
struct Run {
    const T *g;
    T *w;
    void *state[STATES];
    float *scale[STATES];
    T gradient, kept, rate; // the rule sees gradient*g; the new weights are w*kept - rate*u
    uint32_t first, seed;   // of the dither; `first` is the index of the first coordinate
    T *u, *D;               // what a sweep that only finds them leaves there for the placement
};

template <class T>
using Sweep = void (*)(const void *rule, const Run<T> &, int n);

// The states that a functor's call names, of which it may have fewer, and those that it has.
template <class F>
using Named = std::make_index_sequence<(F::states > 3 ? F::states : 3)>;
template <class F>
using Kept = std::make_index_sequence<F::states>;

// States that are T in memory.
template <class F, class T, bool Moves, size_t... K>
void sweep(const void *rule, const Run<T> &r, int n) {
    const F f = *static_cast<const F *>(rule);
    const T *__restrict g = r.g, gradient = r.gradient, kept = r.kept, rate = r.rate;
    T *__restrict w = r.w, *__restrict u = r.u, *__restrict D = r.D;
    T *const s[] = {(int(K) < F::states ? static_cast<T *>(r.state[K]) : nullptr)...};
#pragma omp simd
    for (int i = 0; i < n; ++i) {
        T state[] = {(int(K) < F::states ? s[K][i] : T(0))...}, direction, metric;
        f(T(0), gradient * g[i], state[K]..., direction, metric);
        (void(int(K) < F::states ? s[K][i] = state[K] : T(0)), ...);
        if constexpr (Moves) w[i] = move(w[i], kept, rate, direction);
        else u[i] = direction, D[i] = metric;
    }
}

// The next lanes of states that are decoded.
template <class F, size_t... K>
inline void sweep_lanes(const F &f, const Run<float> &r, int i, Floats *s, std::index_sequence<K...>) {
    const float *g = r.g + i, gradient = r.gradient, kept = r.kept, rate = r.rate;
    float *w = r.w + i;
    HL_EACH_LANE {
        float u, D;
        f(0.0f, gradient * g[l], s[K].x[l]..., u, D);
        w[l] = move(w[l], kept, rate, u);
    }
}

// Dithered bf16 states; n is a multiple of LANES.
template <class F, size_t... K>
void sweep_bf16(const void *rule, const Run<float> &run, int n) {
    const F f = *static_cast<const F *>(rule);
    const Run<float> r = run;
    uint16_t *const codes[] = {static_cast<uint16_t *>(r.state[K])...};
    Dithers dithers(r.first, r.seed);
    for (int i = 0; i < n; i += LANES) {
        Floats s[Named<F>::size()] = {};
        (read_bf16(codes[K] + i, s[K]), ...);
        sweep_lanes(f, r, i, s, Named<F>());
        const Words random = dithers.next();
        (write_bf16<int(K)>(s[K], random, codes[K] + i), ...);
    }
}

inline void keep(const Floats &s, float *tile, Words &most) {
    HL_EACH_LANE {
        const uint32_t magnitude = bits_of(s.x[l]) & 0x7FFFFFFFu;
        most.x[l] = magnitude > most.x[l] ? magnitude : most.x[l];
        tile[l] = s.x[l];
    }
}

// Magnitudes are ordered as their bits are, and NaN and infinity come last.
inline float largest(const Words &most) {
    uint32_t found = 0;
#pragma omp simd reduction(max : found)
    for (int l = 0; l < LANES; ++l) found = most.x[l] > found ? most.x[l] : found;
    return float_of(found);
}

// All states of the block that begins at `at`; the run ends at `end`. Bit k of Positive: state k's codes have no sign.
// Where a scale's inverse is not exact enough for `fp8_code` the way is a slow one.
template <unsigned Positive, size_t... K>
void encode_blocks(const float (*x)[BLOCK], const float *scale, const Run<float> &r, int at, int end) {
    const float inverse[] = {inverse_of(scale[K])...};
    uint8_t *const to[] = {static_cast<uint8_t *>(r.state[K]) + at...};
    const int n = end - at < BLOCK ? end - at : BLOCK;
    const uint32_t first = r.first + uint32_t(at);
    ((r.scale[K][at / BLOCK] = scale[K]), ...);
    if (!((scale[K] < LARGE_SCALE) && ...)) {
        (encode_block<bool(Positive >> K & 1)>(x[K], inverse[K], to[K], n, first, r.seed, int(K)), ...);
        return;
    }
    Dithers dithers(first, r.seed);
    for (int i = 0; i < n; i += LANES) {
        const Words random = dithers.next();
        (write_fp8<bool(Positive >> K & 1), int(K)>(x[K] + i, inverse[K], random, to[K] + i), ...);
    }
}

// 8-bit states; n is a multiple of LANES. A block is encoded when the rule is through with the next one: by then its
// scale is known for long.
template <class F, size_t... K>
void sweep_fp8(const void *rule, const Run<float> &run, int n) {
    const F f = *static_cast<const F *>(rule);
    const Run<float> r = run;
    alignas(64) float tile[2][F::states][BLOCK];
    float scale[2][F::states];
    for (int at = 0, now = 0; at < n + BLOCK; at += BLOCK, now ^= 1) {
        const int m = n - at < BLOCK ? n - at : BLOCK;
        const uint8_t *const codes[] = {static_cast<uint8_t *>(r.state[K]) + at...};
        const float old[] = {(m > 0 ? r.scale[K][at / BLOCK] : 0.0f)...};
        Words most[F::states] = {};
        for (int i = 0; i < m; i += LANES) {
            Floats s[Named<F>::size()] = {};
            (read_fp8<bool(F::never_negative >> K & 1)>(codes[K] + i, old[K], s[K]), ...);
            sweep_lanes(f, r, at + i, s, Named<F>());
            (keep(s[K], tile[now][K] + i, most[K]), ...);
        }
        ((scale[now][K] = largest(most[K])), ...);
        if (at) encode_blocks<F::never_negative, K...>(tile[now ^ 1], scale[now ^ 1], r, at - BLOCK, n);
    }
}

}  // namespace hl
