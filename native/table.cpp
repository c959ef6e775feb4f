// Every rule, placement, regularizer and format, instantiated for one instruction-set level (HL_LEVEL).
//
// No standard container and no function that is not inlined may stand here: the linker would keep one copy of it for
// all levels, perhaps one that the processor cannot run. So all is in a namespace named after the level.
#define HL_JOIN_(a, b) a##b
#define HL_JOIN(a, b) HL_JOIN_(a, b)
#define hl HL_JOIN(hl_, HL_LEVEL)
#define HL_TEXT_(a) #a
#define HL_TEXT(a) HL_TEXT_(a)

// GCC 12 sees something uninitialized in its own header of intrinsics.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <new>

#include "regularizers/regularizers.hpp"
#include "step.hpp"

namespace hl {
namespace {

template <class F, size_t... K>
void use_narrow(Prepared<float> &p, std::index_sequence<K...>) {
    p.bf16 = sweep_bf16<F, K...>;
    p.fp8 = sweep_fp8<F, K...>;
}

template <class F, class T, size_t... K>
void use_sweeps(Prepared<T> &p, std::index_sequence<K...>) {
    p.sweep = sweep<F, T, true, K...>;
    p.finds = sweep<F, T, false, K...>;
    p.bf16 = p.fp8 = nullptr;
    if constexpr (LANES > 4 && sizeof(T) == 4 && F::states > 0) use_narrow<F>(p, Kept<F>());
}

template <class F, class T>
void use(Prepared<T> &p, const hl_row &r, Clock &k) {
    static_assert(sizeof(F) <= sizeof(p.rule));
    new (p.rule) F(r, k);
    use_sweeps<F>(p, Named<F>());
    p.states = F::states;
    p.never_negative = F::never_negative;
}

template <class T>
void use_rule(Prepared<T> &p, const hl_row &r, Clock &k) {
    switch (r.rule) {
#define HL_RULE(id, rule, variant, hypers, clock, ...) \
    case HL_##id: return use<__VA_ARGS__, T>(p, r, k);
#include "rules.def"
#undef HL_RULE
    }
}

template <class R, class T>
void use_penalty(Prepared<T> &p, const hl_row &r) {
    const bool metric = r.threshold == HL_METRIC;
    if constexpr (R::has_grad) {
        if (r.placement == HL_BEFORE) p.before = before<R, T>;
        if (r.placement == HL_EXPLICIT && metric) p.after = place<HL_EXPLICIT, true, R, T>;
        if (r.placement == HL_EXPLICIT && !metric) p.descend = descend<R, T>;
        if (r.placement == HL_CAUTIOUS)
            p.after = metric ? place<HL_CAUTIOUS, true, R, T> : place<HL_CAUTIOUS, false, R, T>;
    }
    if (r.placement == HL_IMPLICIT && metric) p.after = place<HL_IMPLICIT, true, R, T>;
    if (r.placement == HL_IMPLICIT && !metric) p.prox = prox<R, T>;
}

template <class R, class T>
void use_summand(Prepared<T> &p, const hl_row &r) {
    r.regularizer & HL_SUM ? use_penalty<Sum<R, T>, T>(p, r) : use_penalty<R, T>(p, r);
}

template <class T>
void use_regularizer(Prepared<T> &p, const hl_row &r) {
    p.before = nullptr, p.descend = p.prox = nullptr, p.after = nullptr;
    p.bare = place<HL_NONE, false, L2<T>, T>;
    switch (r.regularizer & ~HL_SUM) {
    case HL_L2: return use_summand<L2<T>, T>(p, r);
    case HL_L1: return use_summand<L1<T>, T>(p, r);
    case HL_ELASTIC_NET: return use_summand<ElasticNet<T>, T>(p, r);
    case HL_L0: return use_summand<L0<T>, T>(p, r);
    case HL_L_HALF: return use_summand<LHalf<T>, T>(p, r);
    case HL_HUBER: return use_summand<Huber<T>, T>(p, r);
    case HL_BOX: return use_penalty<Box<T>, T>(p, r);
    case HL_NON_NEGATIVE: return use_penalty<NonNegative<T>, T>(p, r);
    case HL_TOWARD_INIT: return use_summand<TowardInit<T>, T>(p, r);
    default: return; // group lasso waits for the whole block: see shrink_blocks
    }
}

template <class T>
void prepare(const hl_entry &e, const hl_row &r, const halflife::ClockNow &now, void *slot, double *next) {
    static_assert(sizeof(Prepared<T>) <= halflife::SLOT);
    Prepared<T> &p = *new (slot) Prepared<T>;
    Clock k{now.t, now.scalar, next, e.first != 0, r.lr};
    use_rule<T>(p, r, k);
    use_regularizer<T>(p, r);
    const double tau = r.placement == HL_BEFORE ? r.lam : r.scale * r.lam;
    p.place = Place<T>{T(tau), T(k.rate), T(k.shrink), r.penalty};
    p.folds = p.descend && r.regularizer == HL_L2 && k.shrink == 1;
    p.gradient = T(r.gradient);
    p.average = T(k.average);
    p.ema = T(1 - r.ema_decay);
    p.seed = uint32_t(now.t) * 0x632BE5ABu;
    p.waits = halflife::in_blocks(r);
    p.keeps_ema = r.ema_decay >= 0;
}

void prepare_any(const hl_entry &e, const hl_row &r, const halflife::ClockNow &now, void *slot, double *next) {
    e.w_format == HL_F64 ? prepare<double>(e, r, now, slot, next) : prepare<float>(e, r, now, slot, next);
}

// Group lasso's prox of whole blocks that the step has moved: y*max(1 - tau/|y|, 0).
template <class T>
void shrink_blocks(const hl_entry &e, const Prepared<T> &p, int64_t at, int64_t n) {
    for (T *__restrict w = static_cast<T *>(e.w) + at, *end = w + n; w < end; w += e.block) {
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < e.block; ++i) sum += double(w[i]) * double(w[i]);
        const T norm = T(std::sqrt(sum)), rest = 1 - p.place.tau / norm, kept = norm == 0 || rest < 0 ? T(0) : rest;
#pragma omp simd
        for (int64_t i = 0; i < e.block; ++i) w[i] *= kept;
    }
    if (p.keeps_ema) average(static_cast<T *>(e.ema) + at, static_cast<T *>(e.w) + at, n, p.ema);
}

template <class T>
void run(const hl_entry &e, const hl_row &r, const Prepared<T> &p, int64_t at, int64_t n) {
    const int64_t most = as_it_lies(e, p) ? n : TILE;
    for (int64_t i = 0; i < n; i += most) tile<T>(e, r, p, at + i, int(n - i < most ? n - i : most));
    if (p.waits) shrink_blocks<T>(e, p, at, n);
}

void run_any(const hl_entry &e, const hl_row &r, const void *slot, int64_t at, int64_t n) {
    e.w_format == HL_F64 ? run<double>(e, r, *static_cast<const Prepared<double> *>(slot), at, n)
                         : run<float>(e, r, *static_cast<const Prepared<float> *>(slot), at, n);
}

template <class T>
double square_sum(const hl_entry &e, double gradient, int64_t at, int64_t n) {
    double sum = 0;
    T scratch[TILE];
    for (int64_t end = at + n; at < end; at += TILE) {
        const int m = int(end - at < TILE ? end - at : TILE);
        const T *g = decode<T>(const_cast<void *>(e.g), e.g_format, at, m, scratch);
        double part = 0;
#pragma omp simd reduction(+ : part)
        for (int i = 0; i < m; ++i) part += double(g[i]) * double(g[i]);
        sum += part;
    }
    return sum * gradient * gradient;
}

double square_sum_any(const hl_entry &e, double gradient, int64_t at, int64_t n) {
    return e.g_format == HL_F64 ? square_sum<double>(e, gradient, at, n) : square_sum<float>(e, gradient, at, n);
}

}  // namespace
}  // namespace hl

namespace halflife {
extern const Engine HL_JOIN(engine_, HL_LEVEL);
const Engine HL_JOIN(engine_, HL_LEVEL) = {HL_TEXT(HL_LEVEL), hl::prepare_any, hl::run_any, hl::square_sum_any};
}  // namespace halflife
