// Where the decay stands: before the rule, or around its step w*shrink - rate*u.
#pragma once
#include "halflife.h"

namespace hl {

template <class T>
struct Place {
    T tau, rate, shrink; // tau is scale*lam; with a metric it is divided by D
    const double *penalty;
};

// g <- gradient*g + lam*grad R(w)
template <class R, class T>
void before(const Place<T> &k, int n, const T *w, const T *g, T gradient, const T *anchor, T *out) {
    const R R_(k.penalty);
    const T lam = k.tau;
#pragma omp simd
    for (int i = 0; i < n; ++i) out[i] = gradient * g[i] + lam * R_.grad(w[i], anchor[i]);
}

// w*shrink - rate*u, rounding the step once, as torch's own addition does: SGD is equal to torch's to the last bit.
template <class T>
inline T move(T w, T shrink, T rate, T u) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return sizeof(T) == 8 ? T(__builtin_fma(-rate, u, w * shrink)) : T(__builtin_fmaf(float(-rate), float(u), float(w * shrink)));
#else
    return w * shrink - rate * u;
#endif
}

// The decay alone, before the step or after it, where a number is enough for its threshold.
template <class R, class T>
void descend(const Place<T> &k, int n, T *__restrict w, const T *anchor) {
    const R R_(k.penalty);
    const T tau = k.tau;
#pragma omp simd
    for (int i = 0; i < n; ++i) w[i] = R_.descend(w[i], tau, anchor[i]);
}

template <class R, class T>
void prox(const Place<T> &k, int n, T *__restrict w, const T *anchor) {
    const R R_(k.penalty);
    const T tau = k.tau;
#pragma omp simd
    for (int i = 0; i < n; ++i) w[i] = R_.prox(w[i], tau, anchor[i]);
}

// The step and the decay around it, where that asks for u or D.
template <int Placement, bool Metric, class R, class T>
void place(const Place<T> &k, int n, T *__restrict w, const T *__restrict u, const T *__restrict D, const T *anchor) {
    const R R_(k.penalty);
    const T rate = k.rate, shrink = k.shrink, tau = k.tau;
#pragma omp simd
    for (int i = 0; i < n; ++i) {
        const T t = Metric ? tau / D[i] : tau, a = anchor[i];
        T x = w[i];
        if constexpr (Placement == HL_EXPLICIT) x = R_.descend(x, t, a);
        if constexpr (Placement == HL_CAUTIOUS) x = u[i] * x < 0 ? x : R_.descend(x, t, a);
        x = move(x, shrink, rate, u[i]);
        if constexpr (Placement == HL_IMPLICIT) x = R_.prox(x, t, a);
        w[i] = x;
    }
}

}  // namespace hl
