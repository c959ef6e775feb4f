// Adagrad: s += g^2; D = sqrt(s) + eps; u = g/D; rate lr/(1 + (t-1)*lr_decay).
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct Adagrad : Rule<1, 1> {
    T eps;
    Adagrad(const hl_row &r, Clock &k) : eps(r.hyper[2]) { k.rate = r.lr / (1 + (k.t - 1) * r.hyper[0]); }
    inline void operator()(T, T g, T &s, T &, T &, T &u, T &D) const {
        s = s + g * g;
        D = std::sqrt(s) + eps;
        u = g / D;
    }
};

}  // namespace hl
