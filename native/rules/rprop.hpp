// Rprop: each coordinate's own step size, longer while the gradient keeps its sign, shorter (and no step) when it flips.
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct Rprop : Rule<2, 1> {
    T eta_minus, eta_plus, low, high;
    Rprop(const hl_row &r, Clock &k) : eta_minus(r.hyper[0]), eta_plus(r.hyper[1]), low(r.hyper[2]), high(r.hyper[3]) {
        k.rate = 1;
    }
    inline void operator()(T, T g, T &size, T &prev, T &, T &u, T &D) const {
        T c = g * prev;
        T factor = c > 0 ? eta_plus : c < 0 ? eta_minus : T(1);
        size = size * factor;
        size = size < low ? low : size > high ? high : size;
        prev = g = c < 0 ? T(0) : g;
        u = g > 0 ? size : g < 0 ? -size : T(0);
        D = 1;
    }
};

}  // namespace hl
