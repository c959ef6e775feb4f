// ASGD: w shrinks by 1 - gamma*lambda_d and steps by gamma*g; gamma was computed one step ago. ax averages the new w.
#pragma once
#include "rule.hpp"

namespace hl {

struct ASGDClock : WrittenAfter<2> { // eta, mu
    static constexpr bool sees_new_weights = true;
};

template <class T>
struct ASGD : Rule<1> {
    ASGD(const hl_row &r, Clock &k) {
        const double lambda = r.hyper[0], a = r.hyper[1], t0 = r.hyper[2];
        k.rate = k.scalar[0];
        k.shrink = 1 - lambda * k.rate;
        k.average = k.scalar[1];
        k.next[0] = r.lr / std::pow(1 + lambda * r.lr * k.t, a);
        k.next[1] = 1 / std::max(1.0, k.t - t0);
    }
    inline void operator()(T, T g, T &, T &, T &, T &u, T &D) const { u = g, D = 1; }
};

}  // namespace hl
