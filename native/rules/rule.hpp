// What every rule is: a functor built once per tensor and step, called once per coordinate.
//
// Its numbers are ready in T, so that the call is the paper's lines and nothing else; the names and the order of the
// lines are those of the Python rule. `u` is the direction, `D` the metric (1 where the rule has none). The call takes
// (w, g, its states, u, D), the states as references, one each but at least three: what a rule lacks stays unread.
#pragma once
#include <algorithm>
#include <cmath>

#include "../halflife.h"

namespace hl {

// A tensor's clock in this step: the step count from 1, the rule's scalars, and what to do with the weights around u.
struct Clock {
    double t;
    const double *scalar;
    double *next;                // the scalars after the step, where its clock says that they are written then
    bool first;
    double rate, shrink = 1;     // w*shrink - rate*u
    double average = 0;          // ASGD: ax += average*(w - ax)
};

// What rules.def calls a rule's clock: whether it counts its steps, how many scalars it keeps beside the count, and when
// they move. `before` moves them before the functor is made, in the precision (float unless `wide`) they are kept in.
struct Uncounted {
    static constexpr bool counts = false, moves_before = false, written_after = false;
    static constexpr bool sees_new_weights = false; // the rule reads the weights once they are stepped: Clock::average
    static constexpr int scalars = 0;
    static void before(const hl_row &, double, bool, double *) {}
};

struct Counted : Uncounted {
    static constexpr bool counts = true;
};

// The functor's constructor leaves what these scalars will be in Clock::next.
template <int N>
struct WrittenAfter : Counted {
    static constexpr bool written_after = true;
    static constexpr int scalars = N;
};

template <int States, unsigned Unsigned = 0>
struct Rule {
    static constexpr int states = States;
    static constexpr unsigned never_negative = Unsigned; // bit k: state k, which its 8-bit code need not sign
};

}  // namespace hl
