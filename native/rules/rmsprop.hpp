// RMSprop: v = alpha*v + (1-alpha)*g^2, less gbar^2 if centered; D = sqrt(v) + eps or sqrt(v + eps); b = mu*b + g/D.
#pragma once
#include "rule.hpp"

namespace hl {

// States: v, then b with momentum, then gbar if centered.
template <class T, bool Momentum, bool Centered, bool EpsInside>
struct RMSprop : Rule<1 + Momentum + Centered, 1> {
    T alpha, one_alpha, eps, mu;
    RMSprop(const hl_row &r, Clock &)
        : alpha(r.hyper[0]), one_alpha(1 - r.hyper[0]), eps(r.hyper[1]), mu(r.hyper[2]) {}
    inline void operator()(T, T g, T &v, T &second, T &third, T &u, T &D) const {
        v = alpha * v + one_alpha * (g * g);
        T used = v;
        if constexpr (Centered) {
            T &gbar = Momentum ? third : second;
            gbar = alpha * gbar + one_alpha * g;
            used = v - gbar * gbar;
            used = used < 0 ? T(0) : used; // not max: a NaN stays one
        }
        D = EpsInside ? std::sqrt(used + eps) : std::sqrt(used) + eps;
        u = g / D;
        if constexpr (Momentum) second = u = mu * second + u;
    }
};

}  // namespace hl
