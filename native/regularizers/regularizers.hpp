// One function R each: the gradient where there is one, and prox_tau. `a` is the anchor, p the settings.
#pragma once
#include <cmath>

namespace hl {

template <class T>
inline T soft(T y, T tau) {
    T kept = std::abs(y) - tau;
    kept = kept < 0 ? T(0) : kept;
    return y > 0 ? kept : y < 0 ? -kept : y; // y itself: 0, and NaN
}

template <class T>
struct L2 {
    static constexpr bool has_grad = true;
    L2(const double *) {}
    inline T grad(T w, T) const { return w; }
    inline T descend(T w, T tau, T) const { return w * (1 - tau); }
    inline T prox(T y, T tau, T) const { return y / (1 + tau); }
};

template <class T>
struct L1 {
    static constexpr bool has_grad = false;
    L1(const double *) {}
    inline T prox(T y, T tau, T) const { return soft(y, tau); }
};

template <class T>
struct ElasticNet {
    static constexpr bool has_grad = false;
    T rho, one_rho;
    ElasticNet(const double *p) : rho(p[0]), one_rho(1 - p[0]) {}
    inline T prox(T y, T tau, T) const { return soft(y, tau * rho) / (1 + tau * one_rho); }
};

template <class T>
struct L0 {
    static constexpr bool has_grad = false;
    L0(const double *) {}
    inline T prox(T y, T tau, T) const { return std::abs(y) <= std::sqrt(2 * tau) ? T(0) : y; }
};

template <class T>
struct LHalf {
    static constexpr bool has_grad = false;
    LHalf(const double *) {}
    inline T prox(T y, T tau, T) const {
        T a = std::abs(y), pi = T(3.14159265358979323846);
        if (a <= T(1.5) * std::cbrt(tau * tau)) return 0;
        T third = a / 3, cosine = tau / 4 / (third * std::sqrt(third));
        return T(2) / 3 * y * (1 + std::cos(T(2) / 3 * (pi - std::acos(cosine < 1 ? cosine : T(1)))));
    }
};

template <class T>
struct Huber {
    static constexpr bool has_grad = true;
    T delta;
    Huber(const double *p) : delta(p[0]) {}
    inline T grad(T w, T) const { return w > delta ? delta : w < -delta ? -delta : w; }
    inline T descend(T w, T tau, T a) const { return w - tau * grad(w, a); }
    inline T prox(T y, T tau, T) const {
        return std::abs(y) <= delta * (1 + tau) ? y / (1 + tau) : soft(y, tau * delta);
    }
};

template <class T>
struct Box {
    static constexpr bool has_grad = false;
    T lo, hi;
    Box(const double *p) : lo(p[0]), hi(p[1]) {}
    inline T prox(T y, T, T) const { return y < lo ? lo : y > hi ? hi : y; }
};

template <class T>
struct NonNegative {
    static constexpr bool has_grad = false;
    NonNegative(const double *) {}
    inline T prox(T y, T, T) const { return y < 0 ? T(0) : y; }
};

template <class T>
struct TowardInit {
    static constexpr bool has_grad = true;
    TowardInit(const double *) {}
    inline T grad(T w, T a) const { return w - a; }
    inline T descend(T w, T tau, T a) const { return w - tau * (w - a); }
    inline T prox(T y, T tau, T a) const { return a + (y - a) / (1 + tau); }
};

// factor*R with a ridge and bounds beside it.
template <class R, class T>
struct Sum {
    static constexpr bool has_grad = R::has_grad;
    R of;
    T ridge, factor, lo, hi;
    Sum(const double *p) : of(p), ridge(p[2]), factor(p[3]), lo(p[4]), hi(p[5]) {}
    inline T grad(T w, T a) const { return ridge * w + factor * of.grad(w, a); }
    inline T descend(T w, T tau, T a) const { return w - tau * grad(w, a); }
    inline T prox(T y, T tau, T a) const {
        const T shrink = 1 + tau * ridge, x = of.prox(y / shrink, factor * (tau / shrink), a);
        return x < lo ? lo : x > hi ? hi : x;
    }
};

}  // namespace hl
