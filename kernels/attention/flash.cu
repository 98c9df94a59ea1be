// Attention the flash way (Dao et al. 2022), in f32: a block takes QUERIES queries of a head and meets the keys KEYS at a
// time, with a running maximum and sum, so that scores never leave the chip. Eight lanes share a query: each has four
// keys' scores, and every eighth column of the output in registers.
//
// What a query must not see is never multiplied, not even by zero: behind the end of a cache there may be NaN.
#include "bizra_gpu.h"
#include "reduce.cuh"
#include "attend.cuh"

#define LANES 8
#define QUERIES (THREADS / LANES)
#define KEYS 32
#define MOST_DIM 128

extern "C" __global__ void flash(const float *q, const float *k, const float *v, const int *len, float *o,
                                 bizra_attention s) {
    __shared__ float queries[QUERIES][MOST_DIM];
    __shared__ float keys[KEYS][MOST_DIM + 1]; // one more, so that lanes with different keys hit different banks
    __shared__ float values[KEYS][MOST_DIM];
    __shared__ float weights[QUERIES][KEYS + 1];
    const float minus_infinity = __int_as_float(0xff800000);
    unsigned head = blockIdx.y, group = head / (s.heads / s.groups), b = blockIdx.z, first = blockIdx.x * QUERIES;
    unsigned lane = threadIdx.x % LANES, row = threadIdx.x / LANES, query = first + row;
    int length = len[b];
    seen none = {0, 0}, see = query < s.queries ? keys_of(s, length, query) : none;
    // Later queries begin and end later, so the first and the last bound what all of the block see.
    unsigned last = first + QUERIES < s.queries ? first + QUERIES - 1 : s.queries - 1;
    int begin = keys_of(s, length, first).from / KEYS * KEYS, end = keys_of(s, length, last).end;

    for (unsigned i = threadIdx.x; i < QUERIES * s.dim; i += THREADS) {
        unsigned r = i / s.dim, d = i % s.dim;
        bool there = first + r < s.queries;
        size_t at = (size_t)b * s.q_batch + (size_t)(first + r) * s.q_row + (size_t)head * s.q_head + d;
        queries[r][d] = there ? q[at] : 0.0f;
    }

    float most = minus_infinity, sum = 0, out[MOST_DIM / LANES] = {};
    for (int base = begin; base < end; base += KEYS) {
        __syncthreads(); // the last tile has been used
        for (unsigned i = threadIdx.x; i < KEYS * s.dim; i += THREADS) {
            unsigned j = i / s.dim, d = i % s.dim;
            bool there = base + (int)j < end;
            size_t key = (size_t)(base + j);
            keys[j][d] = there ? k[(size_t)b * s.k_batch + key * s.k_row + (size_t)group * s.k_head + d] : 0.0f;
            values[j][d] = there ? v[(size_t)b * s.v_batch + key * s.v_row + (size_t)group * s.v_head + d] : 0.0f;
        }
        __syncthreads();

        float scores[KEYS / LANES], highest = minus_infinity;
        for (unsigned i = 0; i < KEYS / LANES; i++) {
            unsigned j = lane + i * LANES;
            int key = base + (int)j;
            scores[i] = minus_infinity;
            if (key < see.from || key >= see.end) continue;
            float parts[4] = {}; // short sums lose less
            for (unsigned d = 0; d < s.dim; d++) parts[d % 4] = fmaf(queries[row][d], keys[j][d], parts[d % 4]);
            scores[i] = score_of(s, (parts[0] + parts[1]) + (parts[2] + parts[3]));
            highest = fmaxf(highest, scores[i]);
        }
        for (int step = LANES / 2; step > 0; step /= 2)
            highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, step));
        highest = fmaxf(highest, most);
        float shrink = highest == most ? 1.0f : expf(most - highest), add = 0;
        most = highest;
        float level = most == minus_infinity ? 0.0f : most; // infinity less itself is no number
        for (unsigned i = 0; i < KEYS / LANES; i++) {
            unsigned j = lane + i * LANES;
            int key = base + (int)j;
            bool in = key >= see.from && key < see.end;
            float weight = in ? expf(scores[i] - level) : 0.0f;
            weights[row][j] = weight;
            add += weight;
        }
        for (int step = LANES / 2; step > 0; step /= 2) add += __shfl_xor_sync(0xffffffffu, add, step);
        sum = fmaf(sum, shrink, add);
        __syncwarp(); // a query's lanes are of one warp

        int from = see.from > base ? see.from - base : 0, to = see.end - base < KEYS ? see.end - base : KEYS;
        for (unsigned i = 0; lane + i * LANES < s.dim; i++) {
            float part = 0;
            for (int j = from; j < to; j++) part = fmaf(weights[row][j], values[j][lane + i * LANES], part);
            out[i] = fmaf(out[i], shrink, part);
        }
    }
    if (query >= s.queries) return;
    float *to = o + (size_t)b * s.o_batch + (size_t)query * s.o_row + (size_t)head * s.o_head;
    for (unsigned i = 0; lane + i * LANES < s.dim; i++)
        to[lane + i * LANES] = see.from < see.end ? out[i] / sum : 0.0f;
}
