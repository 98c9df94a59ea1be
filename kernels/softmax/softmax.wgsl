// Softmax of rows: a workgroup a row, three passes over it. A NaN gives NaN in all of its row, through the sum.
struct Rows {
    rows: u32,
    cols: u32,
    x_stride: u32,
    y_stride: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> s: Rows;

@compute @workgroup_size(128)
fn softmax(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u,
           @builtin(num_workgroups) groups: vec3u) {
    for (var row = group.x; row < s.rows; row += groups.x) {
        let start = row * s.x_stride;
        var most = LOWEST;
        for (var i = thread; i < s.cols; i += THREADS) {
            most = greater(most, x[start + i]);
        }
        most = block_max(thread, most);
        var sum = 0.0;
        for (var i = thread; i < s.cols; i += THREADS) {
            sum += exp_(x[start + i] - most);
        }
        sum = block_sum(thread, sum);
        for (var i = thread; i < s.cols; i += THREADS) {
            y[row * s.y_stride + i] = exp_(x[start + i] - most) / sum;
        }
    }
}
