// Lion: u = sign(b1*m + (1-b1)*g); m = b2*m + (1-b2)*g.
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct Lion : Rule<1> {
    T b1, one_b1, b2, one_b2;
    Lion(const hl_row &r, Clock &)
        : b1(r.hyper[0]), one_b1(1 - r.hyper[0]), b2(r.hyper[1]), one_b2(1 - r.hyper[1]) {}
    inline void operator()(T, T g, T &m, T &, T &, T &u, T &D) const {
        T lean = b1 * m + one_b1 * g;
        u = lean > 0 ? T(1) : lean < 0 ? T(-1) : T(0);
        m = b2 * m + one_b2 * g;
        D = 1;
    }
};

}  // namespace hl
