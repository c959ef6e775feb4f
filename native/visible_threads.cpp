// libgomp in the little that our loops need of it, made of std::thread, for ThreadSanitizer alone (HALFLIFE_SANITIZE=thread).
//
// ThreadSanitizer does not see how the real libgomp's threads wait for each other and reports the end of every loop as a
// race. What g++ makes of `#pragma omp parallel for schedule(dynamic, run) num_threads(team)` is compiled as ever; only the
// calls it makes end here. The counter is relaxed: it orders nothing, so that no race between two chunks hides behind it.
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace {

struct Team {
    std::once_flag begun;
    std::atomic<long> next{0};
    long end = 0, step = 1, run = 1;
};

thread_local Team *team;

bool take(long *from, long *to) {
    const long many = team->run * team->step;
    *from = team->next.fetch_add(many, std::memory_order_relaxed);
    *to = *from + many < team->end ? *from + many : team->end;
    return *from < team->end;
}

}  // namespace

extern "C" {

void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned) {
    Team mine;
    std::vector<std::thread> others;
    const auto work = [&] {
        team = &mine;
        body(data);
    };
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (std::thread &other : others) other.join();
}

bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long run, long *from, long *to) {
    std::call_once(team->begun, [=] {
        team->next.store(start, std::memory_order_relaxed);
        team->end = end, team->step = step, team->run = run;
    });
    return take(from, to);
}

bool GOMP_loop_nonmonotonic_dynamic_next(long *from, long *to) { return take(from, to); }

void GOMP_loop_end_nowait() {}

}
