// SGD: b1 = g1, then b = mu*b + (1-tau)*g; u = g (plain), b (momentum) or g + mu*b (nesterov).
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct SGD : Rule<0> {
    SGD(const hl_row &, Clock &) {}
    inline void operator()(T, T g, T &, T &, T &, T &u, T &D) const { u = g, D = 1; }
};

template <class T, bool Nesterov>
struct SGDMomentum : Rule<1> {
    T mu, a;
    SGDMomentum(const hl_row &r, Clock &k) : mu(r.hyper[0]), a(k.first ? 1 : 1 - r.hyper[1]) {}
    inline void operator()(T, T g, T &b, T &, T &, T &u, T &D) const {
        b = mu * b + a * g;
        u = Nesterov ? g + mu * b : b;
        D = 1;
    }
};

}  // namespace hl
