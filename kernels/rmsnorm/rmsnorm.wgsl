// Root-mean-square normalisation of rows: a workgroup a row.
struct Rows {
    rows: u32,
    cols: u32,
    x_stride: u32,
    y_stride: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> s: Rows;

@compute @workgroup_size(128)
fn rmsnorm(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u,
           @builtin(num_workgroups) groups: vec3u) {
    for (var row = group.x; row < s.rows; row += groups.x) {
        let start = row * s.x_stride;
        var squares = 0.0;
        for (var i = thread; i < s.cols; i += THREADS) {
            squares = fma(x[start + i], x[start + i], squares);
        }
        squares = block_sum(thread, squares);
        let factor = 1.0 / sqrt(squares / f32(s.cols) + s.eps);
        for (var i = thread; i < s.cols; i += THREADS) {
            y[row * s.y_stride + i] = x[start + i] * factor * w[i];
        }
    }
}
