// RAdam: u = m_hat while rho <= 5, then m_hat/D with D = (sqrt(v) + eps)/(r*sqrt(1-b2^t)).
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct RAdam : Rule<2, 2> {
    T b1, one_b1, b2, one_b2, eps, m_scale, d_scale;
    bool rectified;
    RAdam(const hl_row &r, Clock &k)
        : b1(r.hyper[0]), one_b1(1 - r.hyper[0]), b2(r.hyper[1]), one_b2(1 - r.hyper[1]), eps(r.hyper[2]),
          m_scale(1 / (1 - std::pow(r.hyper[0], k.t))), d_scale(0) {
        const double b2t = std::pow(r.hyper[1], k.t), rho_inf = 2 / (1 - r.hyper[1]) - 1;
        const double rho = rho_inf - 2 * k.t * b2t / (1 - b2t);
        rectified = rho > 5;
        if (rectified) {
            const double top = (rho - 4) * (rho - 2) * rho_inf, bottom = (rho_inf - 4) * (rho_inf - 2) * rho;
            d_scale = 1 / (std::sqrt(top / bottom) * std::sqrt(1 - b2t));
        }
    }
    inline void operator()(T, T g, T &m, T &v, T &, T &u, T &D) const {
        m = b1 * m + one_b1 * g;
        v = b2 * v + one_b2 * (g * g);
        D = rectified ? (std::sqrt(v) + eps) * d_scale : T(1);
        u = m * m_scale / D;
    }
};

}  // namespace hl
