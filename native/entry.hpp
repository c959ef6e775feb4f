// One tensor's entry. Its arrays are as long as the neediest functor of rules.def asks; hl_sizes tells the caller.
#pragma once
#include "halflife.h"
#include "rules/all.hpp"

namespace hl {

struct Most {
    int states, scalars, bytes; // bytes: of a functor
};

template <class T>
constexpr Most most_of_any_rule() {
    Most most{1, 1, 1};
#define HL_RULE(id, rule, variant, hypers, clock, ...)                                    \
    most.states = most.states < __VA_ARGS__::states ? __VA_ARGS__::states : most.states;  \
    most.scalars = most.scalars < clock::scalars ? clock::scalars : most.scalars;         \
    most.bytes = most.bytes < int(sizeof(__VA_ARGS__)) ? int(sizeof(__VA_ARGS__)) : most.bytes;
#include "rules.def"
#undef HL_RULE
    return most;
}

constexpr int STATES = most_of_any_rule<double>().states, SCALARS = most_of_any_rule<double>().scalars;

}  // namespace hl

// Where the parts of a tensor lie. Unused pointers are null.
struct hl_entry {
    void *w;
    const void *g;
    void *state[hl::STATES];
    float *scale[hl::STATES];    // of states in HL_FP8
    const void *anchor;          // in w's format
    const uint8_t *mask;         // where it is 0 the coordinate is not decayed
    void *kahan;                 // in w's format: what rounding took from w so far
    void *ema;                   // float, or double where w is
    void *clock[1 + hl::SCALARS]; // 0-d tensors: step, and the rule's scalars (mu_product | eta, mu)
    int64_t n, block;            // block: the coordinates in one block of group lasso, which lie together; else 0
    int64_t origin, run, gap;    // of a shard: the flat index in the whole tensor of its first coordinate; after each `run`
                                 // coordinates, `gap` of others lie there; run 0: all are neighbours
    int32_t row;
    uint8_t w_format, g_format, state_format, clock_format; // clock: HL_F32 or HL_F64
    int32_t first;               // 1 on the first step of a state that does not start at zero (SGD's momentum)
    int32_t dithered;            // 1: states in HL_BF16 are rounded by a dither (HL_FP8 always is), else to nearest
};
