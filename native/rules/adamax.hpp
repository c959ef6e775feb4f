// Adamax: m = b1*m + (1-b1)*g; D = max(b2*D, |g| + eps); u = m_hat/D.
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct Adamax : Rule<2, 2> {
    T b1, one_b1, b2, eps, m_scale;
    Adamax(const hl_row &r, Clock &k)
        : b1(r.hyper[0]), one_b1(1 - r.hyper[0]), b2(r.hyper[1]), eps(r.hyper[2]),
          m_scale(1 / (1 - std::pow(r.hyper[0], k.t))) {}
    inline void operator()(T, T g, T &m, T &norm, T &, T &u, T &D) const {
        m = b1 * m + one_b1 * g;
        T old = b2 * norm, now = std::abs(g) + eps;
        norm = old > now || old != old ? old : now; // maximum, and a NaN stays one
        D = norm;
        u = m * m_scale / D;
    }
};

}  // namespace hl
