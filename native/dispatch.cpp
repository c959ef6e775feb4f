// The C interface: picks the instruction-set level, moves the clocks, cuts the tensors in chunks, runs them in parallel.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "engine.hpp"

namespace halflife {

#if defined(__x86_64__)
extern const Engine engine_v2, engine_v3, engine_v4;
static const Engine too_old = {"none", nullptr, nullptr, nullptr};

static const Engine &pick() {
    __builtin_cpu_init();
    const bool v2 = __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") &&
                    __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    return v4 ? engine_v4 : v3 ? engine_v3 : v2 ? engine_v2 : too_old;
}
#else
extern const Engine engine_generic;
static const Engine &pick() { return engine_generic; }
#endif

static const Engine &engine() {
    static const Engine &chosen = pick();
    return chosen;
}

// What the lines of rules.def say, by number.
struct Rule {
    const char *name, *variant, *hypers; // hypers: "(beta1, beta2)"
    int states, scalars;
    bool counts, moves_before, written_after, sees_new_weights;
    void (*before)(const hl_row &, double t, bool wide, double *scalars);
};

template <class F, class Clock>
static constexpr Rule rule(const char *name, const char *variant, const char *hypers) {
    return {name, variant, hypers, F::states, Clock::scalars, Clock::counts, Clock::moves_before, Clock::written_after,
            Clock::sees_new_weights, Clock::before};
}

struct Rules {
    using T = double;
    static const Rule all[];
};

#define HL_RULE(id, name, variant, hypers, clock, ...) rule<hl::__VA_ARGS__, hl::clock>(name, variant, #hypers),
const Rule Rules::all[] = {
#include "rules.def"
};
#undef HL_RULE

struct Chunk {
    int64_t entry, at, n;
};

constexpr int64_t WORTH_A_THREAD = 32768, SCALED = 256; // SCALED: coordinates under one scale in HL_FP8

// As many blocks of group lasso as make about a chunk and, in 8-bit states, begin where a scale does.
static int64_t in_whole_blocks(const hl_entry &e) {
    const int64_t whole = e.state_format == HL_FP8 ? std::lcm(e.block, int64_t(SCALED)) : e.block;
    return std::max<int64_t>(1, CHUNK / whole) * whole;
}

// `rows` may be null: then blocks do not matter.
static std::vector<Chunk> cut(const hl_entry *entries, int64_t n_entries, const hl_row *rows) {
    std::vector<Chunk> chunks;
    chunks.reserve(size_t(n_entries));
    for (int64_t i = 0; i < n_entries; ++i) {
        const hl_entry &e = entries[i];
        const int64_t most = rows && e.n && in_blocks(rows[e.row]) ? in_whole_blocks(e) : CHUNK;
        for (int64_t at = 0; at < e.n; at += most) chunks.push_back({i, at, std::min(most, e.n - at)});
    }
    return chunks;
}

static int threads_for(const std::vector<Chunk> &chunks, int threads) {
    int64_t total = 0;
    for (const Chunk &c : chunks) total += c.n;
    return int(std::max<int64_t>(1, std::min<int64_t>(threads, total / WORTH_A_THREAD)));
}

// How many neighbouring chunks a thread takes at a time: long runs for the memory's prefetcher, short ones for balance.
static int run_of(int64_t chunks, int threads) {
    return int(std::max<int64_t>(1, std::min<int64_t>(16, chunks / (8 * threads))));
}

// f(c) for the index c of every chunk, in parallel.
template <class F>
static void each(const std::vector<Chunk> &chunks, int threads, const F &f) {
    const int64_t n = int64_t(chunks.size());
    const int team = threads_for(chunks, threads), run = run_of(n, team);
    if (team == 1) { // without what it costs to begin a parallel region
        for (int64_t c = 0; c < n; ++c) f(size_t(c));
        return;
    }
#pragma omp parallel for schedule(dynamic, run) num_threads(team)
    for (int64_t c = 0; c < n; ++c) f(size_t(c));
}

static double read(const hl_entry &e, int k) {
    if (!e.clock[k]) return 0;
    return e.clock_format == HL_F64 ? *static_cast<double *>(e.clock[k]) : *static_cast<float *>(e.clock[k]);
}

static void write(const hl_entry &e, int k, double x) {
    if (!e.clock[k]) return;
    if (e.clock_format == HL_F64) *static_cast<double *>(e.clock[k]) = x;
    else *static_cast<float *>(e.clock[k]) = float(x);
}

// What a row asks of its entries.
struct Needs {
    bool known, clock, anchor, ema, dither, kahan, blocks, whole_blocks; // dither, kahan: where w has half precision
    int states, scalars;
};

static Needs needs_of(const hl_row &r) {
    if (r.rule < 0 || r.rule >= HL_RULES) return {};
    const Rule &rule = Rules::all[r.rule];
    const int regularizer = r.regularizer & ~HL_SUM;
    const bool known = r.placement >= HL_NONE && r.placement <= HL_IMPLICIT && r.regularizer >= HL_L2 &&
                       regularizer <= HL_GROUP_LASSO;
    const bool anchor = regularizer == HL_TOWARD_INIT && r.placement != HL_NONE, average = r.ema_decay >= 0;
    return {known, rule.counts, anchor, average, r.rounding == HL_STOCHASTIC, r.rounding == HL_KAHAN, in_blocks(r),
            !rule.sees_new_weights && r.threshold == HL_SCALAR, rule.states, rule.scalars};
}

static bool formats_fit(const hl_entry &e, const Needs &needs) {
    const bool wide = e.w_format == HL_F64, half = e.w_format == HL_BF16 || e.w_format == HL_F16;
    return e.w_format <= HL_F16 && e.g_format <= HL_F16 && e.state_format <= HL_FP8 && e.clock_format <= HL_F64 &&
           (wide || e.state_format != HL_F64) && (half || !e.kahan) &&
           (!needs.blocks || (needs.whole_blocks && !half && (e.n == 0 || (e.block > 0 && e.n % e.block == 0))));
}

// Whether nothing is null that the step reads or writes of this entry.
static bool all_there(const hl_entry &e, const Needs &needs) {
    const bool half = e.w_format == HL_BF16 || e.w_format == HL_F16, coded = e.state_format == HL_FP8;
    const bool clock = needs.clock || (needs.states && (coded || e.dithered)) || (half && needs.dither);
    bool there = e.w && e.g && (e.clock[0] || !clock) && (e.anchor || !needs.anchor) && (e.ema || !needs.ema) &&
                 (e.kahan || !(half && needs.kahan));
    for (int k = 0; k < needs.states; ++k) there = there && e.state[k] && (e.scale[k] || !coded);
    for (int k = 1; k <= needs.scalars; ++k) there = there && e.clock[k];
    return there;
}

// The index of the first entry that cannot be stepped, or -1.
static int64_t first_unknown(const hl_entry *entries, int64_t n, const hl_row *rows) {
    Needs needs{};
    for (int64_t i = 0; i < n; ++i) {
        const hl_entry &e = entries[i];
        if (i == 0 || e.row != entries[i - 1].row) needs = needs_of(rows[e.row]);
        if (!needs.known || !formats_fit(e, needs) || e.n < 0 || (e.n > 0 && !all_there(e, needs))) return i;
    }
    return -1;
}

// A tensor's clock, moved on by one in its own memory, and read back: what a checkpoint would restore is what is used.
static ClockNow tick(const hl_entry &e, const hl_row &r) {
    const Rule &rule = Rules::all[r.rule];
    write(e, 0, read(e, 0) + 1);
    ClockNow now{};
    now.t = read(e, 0);
    for (int k = 0; k < rule.scalars; ++k) now.scalar[k] = read(e, 1 + k);
    if (rule.moves_before) {
        rule.before(r, now.t, e.clock_format == HL_F64, now.scalar);
        for (int k = 0; k < rule.scalars; ++k) write(e, 1 + k, now.scalar[k]), now.scalar[k] = read(e, 1 + k);
    }
    return now;
}

static bool same(const hl_entry &a, const ClockNow &s, const hl_entry &b, const ClockNow &t) {
    return a.row == b.row && a.first == b.first && (a.w_format == HL_F64) == (b.w_format == HL_F64) && s.t == t.t &&
           std::equal(s.scalar, s.scalar + hl::SCALARS, t.scalar);
}

struct alignas(64) Slot {
    unsigned char bytes[SLOT];
};

// One slot for all neighbours that share row and clock; the index of each tensor's slot.
static std::vector<Slot> prepare(const hl_entry *entries, int64_t n, const hl_row *rows, std::vector<int64_t> &index) {
    std::vector<Slot> slots;
    index.resize(size_t(n));
    ClockNow last{};
    double next[hl::SCALARS] = {};
    for (int64_t i = 0; i < n; ++i) {
        const hl_entry &e = entries[i];
        const ClockNow now = tick(e, rows[e.row]);
        if (i == 0 || !same(e, now, entries[i - 1], last)) {
            slots.emplace_back();
            engine().prepare(e, rows[e.row], now, slots.back().bytes, next);
        }
        const Rule &rule = Rules::all[rows[e.row].rule];
        for (int k = 0; rule.written_after && k < rule.scalars; ++k) write(e, 1 + k, next[k]);
        index[size_t(i)] = int64_t(slots.size()) - 1;
        last = now;
    }
    return slots;
}

static std::string rules_text() {
    std::string text;
    for (int number = 0; number < HL_RULES; ++number) {
        const Rule &rule = Rules::all[number];
        char line[256];
        std::snprintf(line, sizeof line, "%d\t%s\t%s\t%d\t%d\t", number, rule.name, rule.variant, rule.states,
                      rule.scalars);
        text += line;
        for (const char *c = rule.hypers; *c; ++c)
            if (!std::strchr("(,)", *c)) text += *c;
        text += '\n';
    }
    return text;
}

static std::string sizes_text() {
    char text[256];
    std::snprintf(text, sizeof text, "hyper\t%d\npenalty\t%d\nstate\t%d\nclock\t%d\nrow\t%d\nentry\t%d\n",
                  int(HL_HYPERS), int(HL_PENALTIES), hl::STATES, 1 + hl::SCALARS, int(sizeof(hl_row)), int(sizeof(hl_entry)));
    return text;
}

}  // namespace halflife

using namespace halflife;

extern "C" {

__attribute__((visibility("default"))) int hl_abi(void) { return HL_ABI; }

__attribute__((visibility("default"))) const char *hl_level(void) { return engine().level; }

__attribute__((visibility("default"))) const char *hl_rules(void) {
    static const std::string text = rules_text();
    return text.c_str();
}

__attribute__((visibility("default"))) const char *hl_sizes(void) {
    static const std::string text = sizes_text();
    return text.c_str();
}

__attribute__((visibility("default"))) int64_t hl_step(const hl_entry *entries, int64_t n_entries, const hl_row *rows,
                                                       int threads) {
    const int64_t unknown = first_unknown(entries, n_entries, rows);
    if (unknown >= 0) return unknown + 1;
    std::vector<int64_t> index;
    const std::vector<Slot> slots = prepare(entries, n_entries, rows, index);
    const std::vector<Chunk> chunks = cut(entries, n_entries, rows);
    each(chunks, threads, [&](size_t i) {
        const Chunk &c = chunks[i];
        const hl_entry &e = entries[c.entry];
        engine().run(e, rows[e.row], slots[size_t(index[size_t(c.entry)])].bytes, c.at, c.n);
    });
    return 0;
}

__attribute__((visibility("default"))) double hl_gradient_norm(const hl_entry *entries, int64_t n_entries,
                                                               const hl_row *rows, int threads) {
    for (int64_t i = 0; i < n_entries; ++i)
        if (entries[i].n > 0 && !entries[i].g) return std::nan("");
    const std::vector<Chunk> chunks = cut(entries, n_entries, nullptr);
    std::vector<double> parts(chunks.size(), 0.0);
    each(chunks, threads, [&](size_t i) {
        const hl_entry &e = entries[chunks[i].entry];
        parts[i] = engine().square_sum(e, rows[e.row].gradient, chunks[i].at, chunks[i].n);
    });
    double sum = 0;
    for (double part : parts) sum += part;
    return std::sqrt(sum);
}

}
