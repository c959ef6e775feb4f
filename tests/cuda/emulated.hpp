// What the GPU's half of fused.hpp is made with, for g++: a block of threads of the CPU, whose warps wait for each other.
// An approximate instruction is off by as much as it may be, in turn up and down.
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define HL_GPU 1
#define __CUDA_ARCH__ 900
#define __global__
#define __launch_bounds__(n)
#define __builtin_assume(x)
#define __isGlobal(x) true

struct Place { unsigned x; };
static thread_local Place threadIdx;
static Place blockIdx;

struct Warp {
    std::barrier<> together{32};
    unsigned of[32];
};
static std::unique_ptr<Warp> warps[4];

inline unsigned __reduce_max_sync(unsigned, unsigned x) {
    Warp &warp = *warps[threadIdx.x / 32];
    warp.of[threadIdx.x % 32] = x;
    warp.together.arrive_and_wait();
    unsigned most = 0;
    for (unsigned other : warp.of) most = other > most ? other : most;
    warp.together.arrive_and_wait();
    return most;
}

inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const uint64_t bytes = uint64_t(b) << 32 | a;
    unsigned x = 0;
    for (int k = 0; k < 4; ++k) x |= unsigned(bytes >> (selector >> 4 * k & 7) * 8 & 0xFF) << 8 * k;
    return x;
}

namespace emulated {

inline float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

inline float off(float x) {
    static thread_local unsigned turn = 0;
    uint32_t b;
    std::memcpy(&b, &x, 4);
    if (std::isnormal(x)) b += ++turn % 3 - 1;
    std::memcpy(&x, &b, 4);
    return flushed(x);
}

inline float rcp_approx_ftz_f32(float x) { return off(1 / flushed(x)); }
inline float rsqrt_approx_ftz_f32(float x) { return off(float(1 / std::sqrt(double(flushed(x))))); }
inline float mul_ftz_f32(float a, float b) { return flushed(flushed(a) * flushed(b)); }
inline float max_NaN_f32(float a, float b) { return a != a || b != b ? NAN : a > b ? a : b; }
inline float cvt_f32_f16(uint16_t h) { _Float16 x; std::memcpy(&x, &h, 2); return float(x); }
inline uint16_t cvt_rn_f16_f32(float x) { _Float16 h = _Float16(x); uint16_t b; std::memcpy(&b, &h, 2); return b; }

inline uint16_t cvt_rn_bf16_f32(float x) {
    uint32_t b;
    std::memcpy(&b, &x, 4);
    return x != x ? 0x7FFF : uint16_t((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}

template <class Body> void blocks(int count, Body body) {
    for (int block = 0; block < count; ++block) {
        blockIdx.x = block;
        for (auto &warp : warps) warp = std::make_unique<Warp>();
        std::vector<std::thread> threads;
        for (unsigned k = 0; k < 128; ++k) threads.emplace_back([&, k] { threadIdx.x = k; body(); });
        for (auto &thread : threads) thread.join();
    }
}

}  // namespace emulated
