// The C interface: picks the instruction-set level, moves the clocks, cuts the tensors in chunks, runs them in parallel.
#include <algorithm>
#include <cmath>
#include <numeric>
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
#pragma omp parallel for schedule(dynamic, run) num_threads(team) if (team > 1)
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

static bool whole_blocks(const hl_entry &e, const hl_row &r) {
    return e.w_format <= HL_F64 && r.rule != HL_ASGD && r.threshold == HL_SCALAR &&
           (e.n == 0 || (e.block > 0 && e.n % e.block == 0));
}

static bool known(const hl_entry &e, const hl_row &r) {
    const bool wide = e.w_format == HL_F64, half = e.w_format == HL_BF16 || e.w_format == HL_F16;
    return e.w_format <= HL_F16 && e.g_format <= HL_F16 && e.state_format <= HL_FP8 && e.clock_format <= HL_F64 &&
           (wide || e.state_format != HL_F64) && (half || !e.kahan) && r.rule >= HL_SGD && r.rule <= HL_LION &&
           r.placement >= HL_NONE && r.placement <= HL_IMPLICIT && r.regularizer >= HL_L2 &&
           (r.regularizer & ~HL_SUM) <= HL_GROUP_LASSO && (!in_blocks(r) || whole_blocks(e, r));
}

// NAdam's product of momenta moves before its rule reads it, in the precision in which it is kept, as torch has it.
static void move_nadam_product(const hl_entry &e, const hl_row &r, double t) {
    const double mu = r.hyper[0] * (1 - 0.5 * std::pow(0.96, t * r.hyper[3]));
    write(e, 1, e.clock_format == HL_F64 ? read(e, 1) * mu : double(float(read(e, 1)) * float(mu)));
}

// A tensor's clock, moved on by one in its own memory, and read back: what a checkpoint would restore is what is used.
static ClockNow tick(const hl_entry &e, const hl_row &r) {
    write(e, 0, read(e, 0) + 1);
    ClockNow now{read(e, 0), {0, 0}};
    if (r.rule == HL_NADAM) move_nadam_product(e, r, now.t);
    now.scalar[0] = read(e, 1), now.scalar[1] = read(e, 2);
    return now;
}

static bool same(const hl_entry &a, const ClockNow &s, const hl_entry &b, const ClockNow &t) {
    return a.row == b.row && a.first == b.first && (a.w_format == HL_F64) == (b.w_format == HL_F64) && s.t == t.t &&
           s.scalar[0] == t.scalar[0] && s.scalar[1] == t.scalar[1];
}

struct alignas(64) Slot {
    unsigned char bytes[SLOT];
};

// One slot for all neighbours that share row and clock; the index of each tensor's slot.
static std::vector<Slot> prepare(const hl_entry *entries, int64_t n, const hl_row *rows, std::vector<int64_t> &index) {
    std::vector<Slot> slots;
    index.resize(size_t(n));
    ClockNow last{};
    double next[2] = {0, 0};
    for (int64_t i = 0; i < n; ++i) {
        const hl_entry &e = entries[i];
        const ClockNow now = tick(e, rows[e.row]);
        if (i == 0 || !same(e, now, entries[i - 1], last)) {
            slots.emplace_back();
            engine().prepare(e, rows[e.row], now, slots.back().bytes, next);
        }
        if (rows[e.row].rule == HL_ASGD) write(e, 1, next[0]), write(e, 2, next[1]);
        index[size_t(i)] = int64_t(slots.size()) - 1;
        last = now;
    }
    return slots;
}

}  // namespace halflife

using namespace halflife;

extern "C" {

__attribute__((visibility("default"))) int hl_abi(void) { return HL_ABI; }

__attribute__((visibility("default"))) const char *hl_level(void) { return engine().level; }

__attribute__((visibility("default"))) int64_t hl_step(const hl_entry *entries, int64_t n_entries, const hl_row *rows,
                                                       int threads) {
    for (int64_t i = 0; i < n_entries; ++i)
        if (!known(entries[i], rows[entries[i].row])) return i + 1;
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
