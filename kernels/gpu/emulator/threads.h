// A block's threads as threads of the system, for the thread sanitizer: a dropped barrier becomes a race that is reported
// with both lines. Barriers order memory exactly as CUDA promises and no more: `__syncthreads` and `__syncwarp` do,
// shuffles don't.
#pragma once

#include <atomic>
#include <pthread.h>
#include <sched.h>

static thread_local dim3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;

namespace on_cpu {

// Those who wait and those who are waited for stand in one word, so that one who leaves for good and one who comes can't
// miss each other.
struct barrier {
    std::atomic<uint32_t> state{0}, round{0};

    void reset(unsigned members) { state.store(members << 16, std::memory_order_relaxed); }

    // `ordered` is whether what was written before is seen after.
    void wait(bool ordered = true) {
        uint32_t mine = round.load(std::memory_order_relaxed);
        uint32_t now = state.fetch_add(1, ordered ? std::memory_order_acq_rel : std::memory_order_relaxed) + 1;
        if ((now & 0xffff) == now >> 16) return open(now, ordered);
        while (round.load(ordered ? std::memory_order_acquire : std::memory_order_relaxed) == mine) sched_yield();
    }

    void leave() {
        uint32_t now = state.fetch_sub(1 << 16, std::memory_order_acq_rel) - (1 << 16);
        if ((now & 0xffff) != 0 && (now & 0xffff) == now >> 16) open(now, true);
    }

  private:
    // Nobody else is on the way: all that count are waiting.
    void open(uint32_t now, bool ordered) {
        state.store(now & 0xffff0000, std::memory_order_relaxed);
        round.fetch_add(1, ordered ? std::memory_order_release : std::memory_order_relaxed);
    }
};

struct warp {
    barrier meet;
    std::atomic<uint64_t> slots[2][32];
};

struct block {
    barrier meet, all;
    std::vector<warp> warps;
    explicit block(unsigned threads) : warps((threads + 31) / 32) {}
};

static block *running;
static thread_local unsigned turn;

inline warp &mine() { return running->warps[threadIdx.x / 32]; }
inline void block_wait() { running->meet.wait(); }
inline void warp_wait() { mine().meet.wait(); }

// x86 keeps the order that the sanitizer is not to see; elsewhere the barrier has to make it.
#if defined(__x86_64__)
constexpr bool SHUFFLE_ORDERS = false;
#else
constexpr bool SHUFFLE_ORDERS = true;
#endif

inline uint64_t exchange(uint64_t bits, unsigned from) {
    warp &w = mine();
    auto &slots = w.slots[turn ^= 1]; // slower lanes may still read the other half
    slots[threadIdx.x % 32].store(bits, std::memory_order_relaxed);
    w.meet.wait(SHUFFLE_ORDERS);
    return slots[from].load(std::memory_order_relaxed);
}

struct start {
    unsigned thread;
    const std::function<void()> *kernel;
};

inline void *body(void *given) {
    start *s = static_cast<start *>(given);
    threadIdx = {s->thread, 0, 0};
    block &b = *running;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) {
                if (s->thread == 0) {
                    b.meet.reset(blockDim.x);
                    for (unsigned w = 0; w < b.warps.size(); w++)
                        b.warps[w].meet.reset(blockDim.x - w * 32 < 32 ? blockDim.x - w * 32 : 32);
                }
                b.all.wait();
                blockIdx = {x, y, z};
                (*s->kernel)();
                mine().meet.leave();
                b.meet.leave();
                b.all.wait();
            }
    return nullptr;
}

// Threads that wait for different barriers wait for ever: whoever runs this sets a time.
inline bool run(const dim3 &grid, unsigned threads, const std::function<void()> &kernel) {
    block shared(threads);
    running = &shared;
    blockDim = {threads, 1, 1};
    gridDim = grid;
    shared.all.reset(threads);
    std::vector<start> starts;
    for (unsigned t = 0; t < threads; t++) starts.push_back({t, &kernel});
    std::vector<pthread_t> all(threads);
    for (unsigned t = 0; t < threads; t++)
        // Half a block would wait for the other half for ever.
        if (pthread_create(&all[t], nullptr, body, &starts[t]) != 0) __builtin_trap();
    for (pthread_t thread : all) pthread_join(thread, nullptr);
    return true;
}

} // namespace on_cpu
