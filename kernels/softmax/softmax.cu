// Softmax of rows: a block a row, three passes over it. A NaN gives NaN in all of its row, through the sum.
#include "bizra_gpu.h"
#include "reduce.cuh"

extern "C" __global__ void softmax(const float *x, float *y, bizra_rows s) {
    __shared__ float scratch[WARPS];
    for (unsigned row = blockIdx.x; row < s.rows; row += gridDim.x) {
        const float *from = x + (size_t)row * s.x_stride;
        float *to = y + (size_t)row * s.y_stride;
        float most = __int_as_float(0xff800000); // minus infinity
        for (unsigned i = threadIdx.x; i < s.cols; i += THREADS) most = fmaxf(most, from[i]);
        most = block_max(most, scratch);
        float sum = 0;
        for (unsigned i = threadIdx.x; i < s.cols; i += THREADS) sum += expf(from[i] - most);
        sum = block_sum(sum, scratch);
        for (unsigned i = threadIdx.x; i < s.cols; i += THREADS) to[i] = expf(from[i] - most) / sum;
    }
}
