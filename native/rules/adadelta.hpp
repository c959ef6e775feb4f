// Adadelta: v = rho*v + (1-rho)*g^2; D = sqrt(v+eps)/sqrt(a+eps); u = g/D; a = rho*a + (1-rho)*u^2.
#pragma once
#include "rule.hpp"

namespace hl {

template <class T>
struct Adadelta : Rule<2, 3> {
    T rho, one_rho, eps;
    Adadelta(const hl_row &r, Clock &) : rho(r.hyper[0]), one_rho(1 - r.hyper[0]), eps(r.hyper[1]) {}
    inline void operator()(T, T g, T &v, T &a, T &, T &u, T &D) const {
        v = rho * v + one_rho * (g * g);
        D = std::sqrt(v + eps) / std::sqrt(a + eps);
        u = g / D;
        a = rho * a + one_rho * (u * u);
    }
};

}  // namespace hl
