// CUDA C++ on a CPU, so that a kernel can be run where there is no GPU.
//
// The threads of a block are fibers (fibers.h: one thread of the system, in an order that changes from launch to launch)
// or, with BIZRA_THREADS, threads of the system (threads.h: for the thread sanitizer). Blocks run one after the other.
//
// Not here: blocks that run at the same time, dynamic shared memory, textures, atomics, tensor cores, half types. What uses
// them doesn't compile, which is said.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static // a block at a time: the one that runs has it to itself

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

#ifdef BIZRA_THREADS
#include "threads.h"
#else
#include "fibers.h"
#endif

namespace on_cpu {

enum outcome { DONE, OTHER_ARGUMENTS, OTHER_BARRIERS };

template <class... A, size_t... I>
outcome call(void (*kernel)(A...), void *const *args, const dim3 &grid, unsigned threads, std::index_sequence<I...>) {
    return run(grid, threads, [&] { kernel(*static_cast<std::remove_reference_t<A> *>(args[I])...); })
               ? DONE
               : OTHER_BARRIERS;
}

// As cuLaunchKernel takes it: `args` points to each argument; `sizes` are what the caller takes them for.
template <class... A>
outcome launch(void (*kernel)(A...), void *const *args, const size_t *sizes, size_t count, const dim3 &grid,
               unsigned threads) {
    const size_t expected[] = {sizeof(A)...};
    if (count != sizeof...(A) || threads == 0 || threads > 1024) return OTHER_ARGUMENTS;
    for (size_t i = 0; i < count; i++)
        if (sizes[i] != expected[i]) return OTHER_ARGUMENTS;
    return call(kernel, args, grid, threads, std::index_sequence_for<A...>());
}

template <class T> T shuffle(T value, unsigned from) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most eight bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    bits = exchange(bits, from % 32);
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}

inline unsigned lane() { return threadIdx.x % 32; }

} // namespace on_cpu

inline void __syncthreads() { on_cpu::block_wait(); }
inline void __syncwarp(unsigned = 0xffffffffu) { on_cpu::warp_wait(); }
template <class T> T __shfl_sync(unsigned, T value, int from) { return on_cpu::shuffle(value, from); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return on_cpu::shuffle(value, on_cpu::lane() ^ mask);
}
template <class T> T __shfl_down_sync(unsigned, T value, unsigned by) {
    unsigned lane = on_cpu::lane();
    return on_cpu::shuffle(value, lane + by < 32 ? lane + by : lane);
}
template <class T> T __shfl_up_sync(unsigned, T value, unsigned by) {
    unsigned lane = on_cpu::lane();
    return on_cpu::shuffle(value, lane >= by ? lane - by : lane);
}

inline float __int_as_float(int bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline int __float_as_int(float value) {
    int bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
inline float __uint_as_float(unsigned bits) { return __int_as_float(static_cast<int>(bits)); }
inline unsigned __float_as_uint(float value) { return static_cast<unsigned>(__float_as_int(value)); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
