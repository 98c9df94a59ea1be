/* bizra_gpu.h: what a GPU kernel is to `bizra kernel verify`.
 *
 * A kernel gets the operation's inputs and outputs in the order of bizra_kernel.h, each as a pointer to its first element
 * (in WGSL a storage buffer at that binding), and after them one struct of sizes by value (in WGSL the storage buffer at
 * the next binding, with the same fields in the same order). Strides count elements; the last dimension has none. Tensors
 * in blocks (q8_0, q4_0) lie as in GGUF files, rows one after the other.
 *
 * The manifest says how many threads a block has and how much of the output one block computes; the grid follows:
 *
 *     operation   manifest          blocks
 *     softmax     tile: [R]         x: rows / R, at most 65535: a kernel goes on in steps of the grid
 *     rmsnorm     tile: [R]         the same
 *     matmul      tile: [N, M]      x: n / N, y: m / M
 *     attention   tile: [S]         x: queries / S, y: heads, z: batch
 *
 * Outputs hold garbage before the call. Gaps between rows belong to nobody.
 */
#ifndef BIZRA_GPU_H
#define BIZRA_GPU_H

struct bizra_rows { /* softmax (eps is 0), rmsnorm */
    unsigned rows, cols, x_stride, y_stride;
    float eps;
};

struct bizra_matmul { /* y [m, n] = x [m, k] times w [n, k] transposed; w_stride is k for weights in blocks */
    unsigned m, n, k, x_stride, w_stride, y_stride;
};

struct bizra_attention { /* q and o [batch, queries, heads, dim]; k and v [batch, keys, groups, dim]; len [batch] */
    unsigned batch, queries, keys, heads, groups, dim;
    unsigned q_batch, q_row, q_head, k_batch, k_row, k_head;
    unsigned v_batch, v_row, v_head, o_batch, o_row, o_head;
    float scale;
    unsigned causal, window; /* a window of 0 is none */
    float softcap;           /* 0 is none */
};

#endif
