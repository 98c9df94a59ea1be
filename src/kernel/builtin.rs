//! The manifests of the engine's kernels, as they stand in the source.

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
];
