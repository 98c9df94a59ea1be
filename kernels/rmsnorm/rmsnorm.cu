// Root-mean-square normalisation of rows: a block a row.
#include "bizra_gpu.h"
#include "reduce.cuh"

extern "C" __global__ void rmsnorm(const float *x, const float *w, float *y, bizra_rows s) {
    __shared__ float scratch[WARPS];
    for (unsigned row = blockIdx.x; row < s.rows; row += gridDim.x) {
        const float *from = x + (size_t)row * s.x_stride;
        float *to = y + (size_t)row * s.y_stride;
        float squares = 0;
        for (unsigned i = threadIdx.x; i < s.cols; i += THREADS) squares = fmaf(from[i], from[i], squares);
        squares = block_sum(squares, scratch);
        float factor = 1.0f / sqrtf(squares / s.cols + s.eps);
        for (unsigned i = threadIdx.x; i < s.cols; i += THREADS) to[i] = from[i] * factor * w[i];
    }
}
