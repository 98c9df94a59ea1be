// Sums and maxima over a block of WARPS warps, which every thread gets.
#pragma once

#define WARPS 4
#define THREADS (32 * WARPS)

static __device__ float warp_sum(float value) {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

static __device__ float warp_max(float value) {
    for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
    return value;
}

static __device__ float block_sum(float value, float *scratch) {
    value = warp_sum(value);
    __syncthreads(); // the scratch of the last reduction has been read
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = scratch[0];
    for (int warp = 1; warp < WARPS; warp++) sum += scratch[warp];
    return sum;
}

static __device__ float block_max(float value, float *scratch) {
    value = warp_max(value);
    __syncthreads(); // as above
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    float most = scratch[0];
    for (int warp = 1; warp < WARPS; warp++) most = fmaxf(most, scratch[warp]);
    return most;
}
