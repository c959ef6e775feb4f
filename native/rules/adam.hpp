// Adam: m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g^2; u = m_hat/D, D = sqrt(v_hat) + eps or sqrt(v_hat + eps).
#pragma once
#include "rule.hpp"

namespace hl {

template <class T, bool Max, bool EpsInside>
struct Adam : Rule<2 + Max, 6> {
    T b1, one_b1, b2, one_b2, eps, m_scale, v_scale;
    Adam(const hl_row &r, Clock &k)
        : b1(r.hyper[0]), one_b1(1 - r.hyper[0]), b2(r.hyper[1]), one_b2(1 - r.hyper[1]), eps(r.hyper[2]),
          m_scale(1 / (1 - std::pow(r.hyper[0], k.t))), v_scale(1 / (1 - std::pow(r.hyper[1], k.t))) {}
    inline void operator()(T, T g, T &m, T &v, T &v_max, T &u, T &D) const {
        m = b1 * m + one_b1 * g;
        v = b2 * v + one_b2 * (g * g);
        T used = v;
        if constexpr (Max) {
            v_max = v_max > v || v_max != v_max ? v_max : v; // maximum, and a NaN stays one
            used = v_max;
        }
        T v_hat = used * v_scale;
        D = EpsInside ? std::sqrt(v_hat + eps) : std::sqrt(v_hat) + eps;
        u = m * m_scale / D;
    }
};

}  // namespace hl
