/* The C interface of the native engine: two tables in, one pass over memory. No Python, no torch.
 *
 * A table of entries (one per tensor) and a table of rows (one per parameter group) describe one step; the caller owns
 * both and all memory they point to, and keeps it alive during the call. Every call is safe from any thread, but two
 * calls must not share tensors. In a process that was forked, a call on several threads may wait for ever.
 */
#ifndef HALFLIFE_H
#define HALFLIFE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HL_ABI = 3 };

enum hl_format { HL_F32, HL_F64, HL_BF16, HL_F16, HL_FP8 }; /* FP8: codes of 8 bits, one float scale per 256 */
enum hl_rule {
#define HL_RULE(id, ...) HL_##id,
#include "rules.def"
#undef HL_RULE
    HL_RULES /* how many there are */
};
enum hl_placement { HL_NONE, HL_BEFORE, HL_EXPLICIT, HL_CAUTIOUS, HL_IMPLICIT };
enum hl_threshold { HL_SCALAR, HL_METRIC }; /* tau = scale*lam, or scale*lam/D for each coordinate */
enum hl_regularizer {
    HL_L2, HL_L1, HL_ELASTIC_NET, HL_L0, HL_L_HALF, HL_HUBER, HL_BOX, HL_NON_NEGATIVE, HL_TOWARD_INIT, HL_GROUP_LASSO,
    HL_SUM = 16 /* added to one of them, bounds and group lasso aside: with a ridge and bounds beside it */
};
enum hl_rounding { HL_NEAREST, HL_STOCHASTIC, HL_KAHAN };

/* As many numbers as the rule with the most hyper-parameters has. */
union hl_hypers {
#define HL_DOUBLES(...) __VA_OPT__(double __VA_ARGS__;)
#define HL_RULE(id, rule, variant, hypers, ...) struct { HL_DOUBLES hypers } id;
#include "rules.def"
#undef HL_RULE
};
enum { HL_HYPERS = sizeof(union hl_hypers) / sizeof(double), HL_PENALTIES = 6 };

/* One parameter group's update and its numbers in this step. */
typedef struct hl_row {
    int32_t rule, placement, threshold, regularizer, rounding;
    double lr;                    /* the learning rate in force */
    double scale;                 /* tau/lam: lr, eta or lr*eta; with HL_METRIC it is divided by D */
    double lam;
    double gradient;              /* multiplies every gradient: -1 to maximize, the clip factor, 1/loss scale */
    double hyper[HL_HYPERS];      /* the rule's hyper-parameters, in the order of rules.def */
    double penalty[HL_PENALTIES]; /* the regularizer's settings; in a sum from the third on the ridge's weight, the
                                     regularizer's own, and the bounds */
    double ema_decay;             /* below 0: no average of the weights is kept */
} hl_row;

/* One tensor: where its parts lie. The fields are those of entry.hpp. */
typedef struct hl_entry hl_entry;

/* Returns HL_ABI, so that a stale library is noticed. */
int hl_abi(void);

/* The instruction set in use: "v2", "v3" or "v4" (x86-64-v2 and so on), or "generic" on other processors; "none" on an
 * x86-64 processor that lacks even v2, where no step may be made and no norm be asked for. */
const char *hl_level(void);

/* Every rule, a line each, in the order of their numbers; between tabs: number, rule, variant, how many states, how many
 * scalars beside the step count, and the hyper-parameters' names with blanks between. */
const char *hl_rules(void);

/* How long the tables' arrays are and how many bytes a row and an entry have, a line each, a tab before the number:
 * "hyper", "penalty", "state", "clock", "row" and "entry". */
const char *hl_sizes(void);

/* One step of all entries. The clocks are moved on by one first. Returns 0, or 1 + the index of an entry whose row or
 * formats it does not know, or that lacks what its row needs (a null pointer); then nothing was changed. */
int64_t hl_step(const hl_entry *entries, int64_t n_entries, const hl_row *rows, int threads);

/* The L2 norm of all gradients, each multiplied by its row's ``gradient``; NaN or infinite if any of them is, NaN if
 * one is not there (a null pointer). The sum runs in double, chunk by chunk in a fixed order: the same bits for any
 * number of threads. */
double hl_gradient_norm(const hl_entry *entries, int64_t n_entries, const hl_row *rows, int threads);

#ifdef __cplusplus
}
#endif
#endif
