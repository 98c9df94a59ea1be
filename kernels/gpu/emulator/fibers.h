// A block's threads as fibers: each runs to its next barrier, in an order that changes from launch to launch (forward,
// backward, then shuffled). A kernel that lacks a barrier then gives other bits, here in a fixed order of events, so that it
// is found on every machine and every time. Threads that wait for different barriers are told, not waited for.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace on_cpu {

enum wait_for { NOTHING, WARP, BLOCK, END };

struct fiber {
    ucontext_t first;
    jmp_buf at;
    char *stack = nullptr;
    bool begun;
    wait_for wait;
};

constexpr size_t STACK = 1 << 18, GUARD = 1 << 16; // the guard is larger than any page

static std::vector<fiber> fibers; // stacks are kept from launch to launch
static jmp_buf scheduler;
static unsigned current, launches;
static const std::function<void()> *kernel_of_launch;
static uint64_t slots[1024];
static uint32_t chance;

// `_setjmp` saves no signals, which is what makes it quick: contexts begin a fiber and jumps go on.
inline void pause(wait_for what) {
    fiber &f = fibers[current];
    f.wait = what;
    if (_setjmp(f.at) == 0) _longjmp(scheduler, 1);
}

inline void block_wait() { pause(BLOCK); }
inline void warp_wait() { pause(WARP); }

// A warp's lanes meet twice: once all have given, and once all have taken.
inline uint64_t exchange(uint64_t bits, unsigned from) {
    unsigned first = threadIdx.x / 32 * 32, source = first + from;
    slots[threadIdx.x] = bits;
    pause(WARP);
    bits = slots[source < blockDim.x ? source : threadIdx.x];
    pause(WARP);
    return bits;
}

inline void body() {
    (*kernel_of_launch)();
    fibers[current].wait = END;
    _longjmp(scheduler, 1);
}

inline void resume(unsigned thread) {
    fiber &f = fibers[current = thread];
    threadIdx = {thread, 0, 0};
    if (_setjmp(scheduler) != 0) return;
    if (f.begun) _longjmp(f.at, 1);
    f.begun = true;
    setcontext(&f.first);
}

// Opens the barriers between `from` and `to` at which all that haven't ended wait. Whether one was opened.
inline bool open(unsigned from, unsigned to, wait_for what) {
    bool any = false;
    for (unsigned t = from; t < to; t++) {
        if (fibers[t].wait != what && fibers[t].wait != END) return false;
        any |= fibers[t].wait == what;
    }
    for (unsigned t = from; t < to; t++)
        if (fibers[t].wait == what) fibers[t].wait = NOTHING;
    return any;
}

inline void shuffle_order(std::vector<unsigned> &order) {
    for (size_t i = order.size(); i > 1; i--) {
        chance ^= chance << 13, chance ^= chance >> 17, chance ^= chance << 5;
        std::swap(order[i - 1], order[chance % i]);
    }
}

inline bool run_block(unsigned threads, std::vector<unsigned> &order) {
    for (unsigned t = 0; t < threads; t++) {
        fiber &f = fibers[t];
        f.begun = false, f.wait = NOTHING;
        getcontext(&f.first);
        f.first.uc_stack.ss_sp = f.stack + GUARD;
        f.first.uc_stack.ss_size = STACK;
        f.first.uc_link = nullptr;
        makecontext(&f.first, body, 0);
    }
    for (;;) {
        if (launches > 2) shuffle_order(order);
        for (unsigned t : order)
            if (fibers[t].wait == NOTHING) resume(t);
        bool on = false, ended = true;
        for (unsigned t = 0; t < threads; t++) ended &= fibers[t].wait == END;
        if (ended) return true;
        for (unsigned t = 0; t < threads; t += 32) on |= open(t, t + 32 < threads ? t + 32 : threads, WARP);
        on |= open(0, threads, BLOCK);
        if (!on) return false;
    }
}

inline bool run(const dim3 &grid, unsigned threads, const std::function<void()> &kernel) {
    while (fibers.size() < threads) fibers.emplace_back();
    for (unsigned t = 0; t < threads; t++) {
        if (fibers[t].stack) continue;
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void *stack = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (stack == MAP_FAILED || mprotect(stack, GUARD, PROT_NONE) != 0) __builtin_trap();
        fibers[t].stack = static_cast<char *>(stack);
    }
    launches++;
    chance = 2463534242u + launches;
    std::vector<unsigned> order(threads);
    for (unsigned t = 0; t < threads; t++) order[t] = launches == 2 ? threads - 1 - t : t;
    kernel_of_launch = &kernel;
    blockDim = {threads, 1, 1};
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                if (!run_block(threads, order)) return false;
            }
    return true;
}

} // namespace on_cpu
