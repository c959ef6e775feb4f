// What one instruction-set level offers to dispatch.cpp: the same functions, compiled for that level.
#pragma once
#include "entry.hpp"

namespace halflife {

struct ClockNow {           // a tensor's clock, already moved on
    double t, scalar[hl::SCALARS];
};

struct Engine {
    const char *level;
    // Fill `slot` (at least `slot_size` bytes) with what a tensor's step needs; `next` gets the scalars after it.
    void (*prepare)(const hl_entry &, const hl_row &, const ClockNow &, void *slot, double *next);
    void (*run)(const hl_entry &, const hl_row &, const void *slot, int64_t at, int64_t n);
    double (*square_sum)(const hl_entry &, double gradient, int64_t at, int64_t n);
};

// Group lasso's prox has no meaning for a part of a block, so that no chunk may end within one.
static inline bool in_blocks(const hl_row &r) { return r.regularizer == HL_GROUP_LASSO && r.placement == HL_IMPLICIT; }

// SLOT: what Prepared in step.hpp takes, the functor and all that stands beside it, in whole lines of the cache.
constexpr int SLOT = (hl::most_of_any_rule<double>().bytes + 384 + 63) / 64 * 64, CHUNK = 16384;

}  // namespace halflife
