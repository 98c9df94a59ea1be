// Weights in blocks of 32 (Q8_0, Q4_0) times f32 activations, multiplied exactly and summed in f32: a warp for an output
// column and ROWS rows, a lane for one value of each block.
#include "bizra_gpu.h"
#include "reduce.cuh"

#define ROWS 4

// f16 to f32 by its bits, denormals included.
static __device__ float half_at(const unsigned char *bytes) {
    unsigned half = bytes[0] | bytes[1] << 8, exponent = half >> 10 & 31, fraction = half & 1023;
    float value;
    if (exponent == 0) value = fraction * 5.9604644775390625e-8f; // 2^-24
    else value = __int_as_float((exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13);
    return half & 0x8000 ? -value : value;
}

// The value of this lane in a block: its scale is the first two bytes.
struct q8_0 {
    static const unsigned bytes = 34;
    static __device__ float at(const unsigned char *block, unsigned lane) {
        return half_at(block) * (float)(signed char)block[2 + lane];
    }
};

struct q4_0 {
    static const unsigned bytes = 18;
    static __device__ float at(const unsigned char *block, unsigned lane) {
        int nibble = block[2 + lane % 16] >> (lane / 16 * 4) & 15;
        return half_at(block) * (float)(nibble - 8);
    }
};

template <class Format>
static __device__ void product(const float *x, const unsigned char *w, float *y, const bizra_matmul &s) {
    unsigned lane = threadIdx.x % 32, column = blockIdx.x * WARPS + threadIdx.x / 32, first = blockIdx.y * ROWS;
    if (column >= s.n) return; // a whole warp leaves
    unsigned blocks = s.k / 32, rows = s.m - first < ROWS ? s.m - first : ROWS;
    const unsigned char *row = w + (size_t)column * blocks * Format::bytes;
    float sums[ROWS] = {};
    for (unsigned b = 0; b < blocks; b++) {
        float weight = Format::at(row + (size_t)b * Format::bytes, lane);
        for (unsigned r = 0; r < rows; r++)
            sums[r] = fmaf(weight, x[(size_t)(first + r) * s.x_stride + b * 32 + lane], sums[r]);
    }
    for (unsigned r = 0; r < rows; r++) {
        float sum = warp_sum(sums[r]);
        if (lane == 0) y[(size_t)(first + r) * s.y_stride + column] = sum;
    }
}

extern "C" __global__ void matmul_q8_0(const float *x, const unsigned char *w, float *y, bizra_matmul s) {
    product<q8_0>(x, w, y, s);
}

extern "C" __global__ void matmul_q4_0(const float *x, const unsigned char *w, float *y, bizra_matmul s) {
    product<q4_0>(x, w, y, s);
}
