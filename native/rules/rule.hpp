// What every rule is: a functor built once per tensor and step, called once per coordinate.
//
// Its numbers are ready in T, so that the call is the paper's lines and nothing else; the names and the order of the
// lines are those of the Python rule. `u` is the direction, `D` the metric (1 where the rule has none).
#pragma once
#include <algorithm>
#include <cmath>

#include "../halflife.h"

namespace hl {

// A tensor's clock in this step: the step count from 1, the rule's scalars, and what to do with the weights around u.
struct Clock {
    double t, scalar[2];
    bool first;
    double rate, shrink = 1;     // w*shrink - rate*u
    double average = 0;          // ASGD: ax += average*(w - ax)
    double next[2] = {0, 0};     // the scalars after the step
};

template <int States, unsigned Unsigned = 0>
struct Rule {
    static constexpr int states = States;
    static constexpr unsigned never_negative = Unsigned; // bit k: state k, which its 8-bit code need not sign
};

}  // namespace hl
