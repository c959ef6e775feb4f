/* The C interface of the native engine: two tables in, one pass over memory. No Python, no torch.
 *
 * A table of entries (one per tensor) and a table of rows (one per parameter group) describe one step; the caller owns
 * both and all memory they point to, and keeps it alive during the call. Every call is safe from any thread, but two
 * calls must not share tensors.
 */
#ifndef HALFLIFE_H
#define HALFLIFE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HL_ABI = 2 };

enum hl_format { HL_F32, HL_F64, HL_BF16, HL_F16, HL_FP8 }; /* FP8: codes of 8 bits, one float scale per 256 */
enum hl_rule {
    HL_SGD, HL_ASGD, HL_ADAGRAD, HL_ADADELTA, HL_RMSPROP, HL_ADAM, HL_NADAM, HL_RADAM, HL_ADAMAX, HL_RPROP, HL_LION
};
enum hl_placement { HL_NONE, HL_BEFORE, HL_EXPLICIT, HL_CAUTIOUS, HL_IMPLICIT };
enum hl_threshold { HL_SCALAR, HL_METRIC }; /* tau = scale*lam, or scale*lam/D for each coordinate */
enum hl_regularizer {
    HL_L2, HL_L1, HL_ELASTIC_NET, HL_L0, HL_L_HALF, HL_HUBER, HL_BOX, HL_NON_NEGATIVE, HL_TOWARD_INIT, HL_GROUP_LASSO,
    HL_SUM = 16 /* added to one of them, bounds and group lasso aside: with a ridge and bounds beside it */
};
enum hl_rounding { HL_NEAREST, HL_STOCHASTIC, HL_KAHAN };

/* One parameter group's update and its numbers in this step. */
typedef struct hl_row {
    int32_t rule, variant; /* variant: the rule's own words, see rules/ */
    int32_t placement, threshold, regularizer, rounding;
    double lr;             /* the learning rate in force */
    double scale;          /* tau/lam: lr, eta or lr*eta; with HL_METRIC it is divided by D */
    double lam;
    double gradient;       /* multiplies every gradient: -1 to maximize, the clip factor, 1/loss scale */
    double hyper[6];       /* the rule's hyper-parameters, in the order of its Python fields */
    double penalty[6];     /* the regularizer's settings; in a sum from the third on the ridge's weight, the
                              regularizer's own, and the bounds */
    double ema_decay;      /* below 0: no average of the weights is kept */
} hl_row;

/* One tensor: where its parts lie. Unused pointers are null. */
typedef struct hl_entry {
    void *w;
    const void *g;
    void *state[3];
    float *scale[3];       /* of states in HL_FP8 */
    const void *anchor;    /* in w's format */
    const uint8_t *mask;   /* where it is 0 the coordinate is not decayed */
    void *kahan;           /* in w's format: what rounding took from w so far */
    void *ema;             /* float, or double where w is */
    void *clock[3];        /* 0-d tensors: step, and the rule's scalars (mu_product | eta, mu) */
    int64_t n, block;      /* block: the coordinates in one block of group lasso, which lie together; else 0 */
    int32_t row;
    uint8_t w_format, g_format, state_format, clock_format; /* clock: HL_F32 or HL_F64 */
    int32_t first;         /* 1 on the first step of a state that does not start at zero (SGD's momentum) */
    int32_t dithered;      /* 1: states in HL_BF16 are rounded by a dither (HL_FP8 always is), else to nearest */
} hl_entry;

/* Returns HL_ABI, so that a stale library is noticed. */
int hl_abi(void);

/* The instruction set in use: "v2", "v3" or "v4" (x86-64-v2 and so on), or "generic" on other processors; "none" on an
 * x86-64 processor that lacks even v2, where the two calls below must not be made. */
const char *hl_level(void);

/* One step of all entries. The clocks are moved on by one first. Returns 0, or 1 + the index of an entry whose row or
 * formats it does not know; then nothing was changed. */
int64_t hl_step(const hl_entry *entries, int64_t n_entries, const hl_row *rows, int threads);

/* The L2 norm of all gradients, each multiplied by its row's ``gradient``; NaN or infinite if any of them is. The sum
 * runs in double, chunk by chunk in a fixed order: the same bits for any number of threads. */
double hl_gradient_norm(const hl_entry *entries, int64_t n_entries, const hl_row *rows, int threads);

#ifdef __cplusplus
}
#endif
#endif
