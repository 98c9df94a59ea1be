//! The manifests of this project's kernels and the sources of those for GPUs, as they stand in the source.

/// Where each lies in the source, and its text.
pub const MANIFESTS: &[(&str, &str)] = &[
    ("kernels/attention/kernel.yaml", include_str!("../../kernels/attention/kernel.yaml")),
    ("kernels/attention/f16.kernel.yaml", include_str!("../../kernels/attention/f16.kernel.yaml")),
    ("kernels/attention/q8.kernel.yaml", include_str!("../../kernels/attention/q8.kernel.yaml")),
    ("kernels/layernorm/kernel.yaml", include_str!("../../kernels/layernorm/kernel.yaml")),
    ("kernels/matmul/kernel.yaml", include_str!("../../kernels/matmul/kernel.yaml")),
    ("kernels/matmul/packed.kernel.yaml", include_str!("../../kernels/matmul/packed.kernel.yaml")),
    ("kernels/matmul/quantised.kernel.yaml", include_str!("../../kernels/matmul/quantised.kernel.yaml")),
    ("kernels/rmsnorm/kernel.yaml", include_str!("../../kernels/rmsnorm/kernel.yaml")),
    ("kernels/rope/kernel.yaml", include_str!("../../kernels/rope/kernel.yaml")),
    ("kernels/select/kernel.yaml", include_str!("../../kernels/select/kernel.yaml")),
    ("kernels/select/sample.kernel.yaml", include_str!("../../kernels/select/sample.kernel.yaml")),
    ("kernels/select/topk.kernel.yaml", include_str!("../../kernels/select/topk.kernel.yaml")),
    ("kernels/softmax/kernel.yaml", include_str!("../../kernels/softmax/kernel.yaml")),
    ("kernels/swiglu/kernel.yaml", include_str!("../../kernels/swiglu/kernel.yaml")),
    ("kernels/attention/gpu.kernel.yaml", include_str!("../../kernels/attention/gpu.kernel.yaml")),
    ("kernels/attention/flash-gpu.kernel.yaml", include_str!("../../kernels/attention/flash-gpu.kernel.yaml")),
    ("kernels/matmul/q8_0-gpu.kernel.yaml", include_str!("../../kernels/matmul/q8_0-gpu.kernel.yaml")),
    ("kernels/matmul/q4_0-gpu.kernel.yaml", include_str!("../../kernels/matmul/q4_0-gpu.kernel.yaml")),
    ("kernels/rmsnorm/gpu.kernel.yaml", include_str!("../../kernels/rmsnorm/gpu.kernel.yaml")),
    ("kernels/softmax/gpu.kernel.yaml", include_str!("../../kernels/softmax/gpu.kernel.yaml")),
];

/// The sources that those for GPUs name.
pub const SOURCES: &[(&str, &str)] = &[
    ("kernels/attention/attention.cu", include_str!("../../kernels/attention/attention.cu")),
    ("kernels/attention/attention.wgsl", include_str!("../../kernels/attention/attention.wgsl")),
    ("kernels/attention/flash.cu", include_str!("../../kernels/attention/flash.cu")),
    ("kernels/attention/flash.py", include_str!("../../kernels/attention/flash.py")),
    ("kernels/attention/flash.wgsl", include_str!("../../kernels/attention/flash.wgsl")),
    ("kernels/gpu/attend.cuh", include_str!("../../kernels/gpu/attend.cuh")),
    ("kernels/gpu/attend.wgsl", include_str!("../../kernels/gpu/attend.wgsl")),
    ("kernels/gpu/math.wgsl", include_str!("../../kernels/gpu/math.wgsl")),
    ("kernels/gpu/reduce.cuh", include_str!("../../kernels/gpu/reduce.cuh")),
    ("kernels/gpu/reduce.wgsl", include_str!("../../kernels/gpu/reduce.wgsl")),
    ("kernels/matmul/quantised.cu", include_str!("../../kernels/matmul/quantised.cu")),
    ("kernels/matmul/quantised.wgsl", include_str!("../../kernels/matmul/quantised.wgsl")),
    ("kernels/rmsnorm/rmsnorm.cu", include_str!("../../kernels/rmsnorm/rmsnorm.cu")),
    ("kernels/rmsnorm/rmsnorm.py", include_str!("../../kernels/rmsnorm/rmsnorm.py")),
    ("kernels/rmsnorm/rmsnorm.wgsl", include_str!("../../kernels/rmsnorm/rmsnorm.wgsl")),
    ("kernels/softmax/softmax.cu", include_str!("../../kernels/softmax/softmax.cu")),
    ("kernels/softmax/softmax.py", include_str!("../../kernels/softmax/softmax.py")),
    ("kernels/softmax/softmax.wgsl", include_str!("../../kernels/softmax/softmax.wgsl")),
];
