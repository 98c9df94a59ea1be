// Attention the plain way: a block a query of a head. One pass finds the greatest score, the next computes the scores
// again and adds up values, so that the number of keys has no limit. What no query sees is never read.
#include "bizra_gpu.h"
#include "reduce.cuh"
#include "attend.cuh"

#define MOST_DIM 256

extern "C" __global__ void attention(const float *q, const float *k, const float *v, const int *len, float *o,
                                     bizra_attention s) {
    __shared__ float scratch[WARPS], weights[THREADS];
    unsigned head = blockIdx.y, group = head / (s.heads / s.groups), b = blockIdx.z;
    const float *query = q + (size_t)b * s.q_batch + (size_t)blockIdx.x * s.q_row + (size_t)head * s.q_head;
    const float *keys = k + (size_t)b * s.k_batch + (size_t)group * s.k_head;
    const float *values = v + (size_t)b * s.v_batch + (size_t)group * s.v_head;
    float *out = o + (size_t)b * s.o_batch + (size_t)blockIdx.x * s.o_row + (size_t)head * s.o_head;
    seen see = keys_of(s, len[b], blockIdx.x);
    auto score = [&](int key) {
        const float *one = keys + (size_t)key * s.k_row;
        float product = 0;
        for (unsigned d = 0; d < s.dim; d++) product = fmaf(query[d], one[d], product);
        return score_of(s, product);
    };

    float most = __int_as_float(0xff800000);
    for (int key = see.from + (int)threadIdx.x; key < see.end; key += THREADS) most = fmaxf(most, score(key));
    most = block_max(most, scratch);

    float sum = 0, sums[MOST_DIM / THREADS] = {};
    for (int base = see.from; base < see.end; base += THREADS) {
        int key = base + (int)threadIdx.x, count = see.end - base < THREADS ? see.end - base : THREADS;
        float weight = key < see.end ? expf(score(key) - most) : 0.0f;
        sum += weight;
        __syncthreads(); // the weights of the last round have been used
        weights[threadIdx.x] = weight;
        __syncthreads();
        for (unsigned d = threadIdx.x; d < s.dim; d += THREADS)
            for (int i = 0; i < count; i++)
                sums[d / THREADS] = fmaf(weights[i], values[(size_t)(base + i) * s.v_row + d], sums[d / THREADS]);
    }
    sum = block_sum(sum, scratch);
    for (unsigned d = threadIdx.x; d < s.dim; d += THREADS)
        out[d] = see.from < see.end ? sums[d / THREADS] / sum : 0.0f;
}
