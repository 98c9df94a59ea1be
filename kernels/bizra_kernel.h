/* bizra_kernel.h: what a kernel is to `bizra kernel verify`.
 *
 * A kernel is one function of type `bizra_kernel` that a shared library exports under any name:
 *
 *     int32_t my_softmax(const bizra_call *call);
 *
 * A manifest names it: `targets: {cpu: {library: libmine.so, entry: my_softmax}}`. Everything it needs comes with the
 * call; it may keep threads and caches of its own. It runs in a process that may not write files, start programs or
 * reach the network. Inputs are read-only. Outputs and workspace hold garbage; every element of every output has to be
 * written, and nothing outside of it.
 *
 * Tensors are row-major; strides count elements. The last stride is 1 unless the manifest's domain lists the layout
 * `transposed`; pointers are aligned to one element unless the manifest's contract says `align: BYTES`. Block-quantised
 * tensors (q8_0, q4_K, ...) lie as in GGUF files: shape counts values, rows are whole blocks and follow each other.
 *
 * The same types in Rust: `bizra_kernels::call`.
 */
#ifndef BIZRA_KERNEL_H
#define BIZRA_KERNEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with every change that an existing kernel could not run with. */
#define BIZRA_KERNEL_ABI 1

#define BIZRA_MAX_RANK 8

/* Numbers of GGUF's tensor types. */
typedef enum bizra_dtype {
    BIZRA_F32 = 0,
    BIZRA_F16 = 1,
    BIZRA_Q4_0 = 2,
    BIZRA_Q4_1 = 3,
    BIZRA_Q5_0 = 6,
    BIZRA_Q5_1 = 7,
    BIZRA_Q8_0 = 8,
    BIZRA_Q2_K = 10,
    BIZRA_Q3_K = 11,
    BIZRA_Q4_K = 12,
    BIZRA_Q5_K = 13,
    BIZRA_Q6_K = 14,
    BIZRA_I32 = 26,
    BIZRA_F64 = 28,
    BIZRA_BF16 = 30
} bizra_dtype;

/* Operations, and their tensors and parameters in order. Integer parameters have kind 0, the others kind 1.
 *
 *  MATMUL     in  x [M,K] f32, w [N,K] any weight type          out y [M,N]          y = x w^T
 *  ATTENTION  in  q [B,S,H,D], k [B,T,G,D], v [B,T,G,D], len [B] i32   out o [B,S,H,D]
 *             params scale (f64), causal (0 or 1), window (0 is none), softcap (f64, 0 is none)
 *             H is a multiple of G; query head h uses key head h / (H/G). Of sequence b, len[b] keys count; what lies
 *             beyond is garbage (NaN). Query i stands at position p = len[b] - S + i. It sees key j where j < len[b],
 *             and with causal j <= p, and with a window j > p - window. Scores are scale * q.k, then with softcap c:
 *             c * tanh(score / c).
 *  SOFTMAX    in  x [R,N]                                       out y [R,N]
 *  RMSNORM    in  x [R,N], w [N]                                out y [R,N]          params eps (f64)
 *  LAYERNORM  in  x [R,N], w [N], b [N]                         out y [R,N]          params eps (f64)
 *  ROPE       in  x [S,H,D]                                     out y [S,H,D]
 *             params base (f64), first (position of x[0]), dims (even; values beyond stay), halves (0: pairs 0-1, 2-3;
 *             1: pairs 0-dims/2, 1-dims/2+1). Pair i of position p turns by p * base^(-2i/dims).
 *  GATED      in  gate [R,N], up [R,N]                          out y [R,N]          y = f(gate) * up
 *             params activation (0 silu, 1 gelu by tanh, 2 gelu by erf)
 *  ARGMAX     in  x [R,N]                                       out i [R] i32
 *             the lowest index of the greatest value; NaN is never picked; -1 where all are NaN
 *  TOPK       in  x [R,N]                                       out i [R,k] i32, v [R,k]    params k
 *             greatest first, ties to the lower index; missing ones have index -1 and value NaN
 *  SAMPLE     in  x [R,N], u [R] f64                            out i [R] i32        params temperature (f64)
 *             the index in whose share of sum exp((x - max) / temperature), taken in order, u falls; -1 where all are
 *             NaN or minus infinity
 */
typedef enum bizra_op {
    BIZRA_MATMUL = 1,
    BIZRA_ATTENTION = 2,
    BIZRA_SOFTMAX = 3,
    BIZRA_RMSNORM = 4,
    BIZRA_LAYERNORM = 5,
    BIZRA_ROPE = 6,
    BIZRA_GATED = 7,
    BIZRA_ARGMAX = 8,
    BIZRA_TOPK = 9,
    BIZRA_SAMPLE = 10
} bizra_op;

typedef struct bizra_tensor {
    void *data;
    uint64_t bytes;
    uint32_t dtype; /* bizra_dtype */
    uint32_t rank;
    int64_t shape[BIZRA_MAX_RANK];
    int64_t strides[BIZRA_MAX_RANK]; /* in elements */
} bizra_tensor;

typedef struct bizra_param {
    const char *key;
    uint32_t kind; /* 0: i holds the value; 1: f does */
    uint32_t reserved;
    int64_t i;
    double f;
} bizra_param;

typedef struct bizra_call {
    uint32_t abi; /* BIZRA_KERNEL_ABI */
    uint32_t op;  /* bizra_op */
    uint32_t inputs_len;
    uint32_t outputs_len;
    uint32_t params_len;
    uint32_t threads; /* as many as the kernel may use, its caller's own included */
    const bizra_tensor *inputs;
    const bizra_tensor *outputs;
    const bizra_param *params;
    void *workspace; /* as many bytes as the manifest asks for */
    uint64_t workspace_bytes;
} bizra_call;

/* What a kernel returns. Anything but BIZRA_OK within the manifest's domain is a failure. */
#define BIZRA_OK 0
#define BIZRA_UNSUPPORTED 1 /* this shape, type or parameter is not implemented */
#define BIZRA_NO_HARDWARE 2 /* this processor lacks the instructions: the case is skipped, and said to be */
#define BIZRA_FAILED 3

typedef int32_t bizra_kernel(const bizra_call *call);

#ifdef __cplusplus
}
#endif

#endif
