// NAdam: m_hat = mu_next*m/(1 - P*mu_next) + (1-mu)*g/(1 - P); P, the product of all mu, moved with the clock.
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct NAdam : Rule<2, 2> {
    T b1, one_b1, b2, one_b2, eps, of_m, of_g, v_scale;
    static double mu(const hl_row &r, double t) { return r.hyper[0] * (1 - 0.5 * std::pow(0.96, t * r.hyper[3])); }
    NAdam(const hl_row &r, Clock &k)
        : b1(r.hyper[0]), one_b1(1 - r.hyper[0]), b2(r.hyper[1]), one_b2(1 - r.hyper[1]), eps(r.hyper[2]),
          v_scale(1 / (1 - std::pow(r.hyper[1], k.t))) {
        const double mu_next = mu(r, k.t + 1), P = k.scalar[0];
        of_m = mu_next / (1 - P * mu_next);
        of_g = (1 - mu(r, k.t)) / (1 - P);
    }
    inline void operator()(T, T g, T &m, T &v, T &, T &u, T &D) const {
        m = b1 * m + one_b1 * g;
        v = b2 * v + one_b2 * (g * g);
        D = std::sqrt(v * v_scale) + eps;
        u = (of_m * m + of_g * g) / D;
    }
};

// The product of momenta moves before the rule reads it, in the precision in which it is kept, as torch has it.
struct NAdamClock : Counted {
    static constexpr bool moves_before = true;
    static constexpr int scalars = 1;
    static void before(const hl_row &r, double t, bool wide, double *product) {
        const double mu = NAdam<double>::mu(r, t);
        *product = wide ? *product * mu : double(float(*product) * float(mu));
    }
};

}  // namespace hl
