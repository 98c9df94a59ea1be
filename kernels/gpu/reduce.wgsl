// Sums and maxima over a workgroup of THREADS, which every thread gets. Needs math.wgsl.
const THREADS = 128u;
var<workgroup> scratch: array<f32, THREADS>;

fn block_sum(thread: u32, value: f32) -> f32 {
    workgroupBarrier(); // the result of the last reduction has been read
    scratch[thread] = value;
    for (var step = THREADS / 2u; step > 0u; step /= 2u) {
        workgroupBarrier();
        if thread < step {
            scratch[thread] += scratch[thread + step];
        }
    }
    workgroupBarrier();
    return scratch[0];
}

// The greatest that is a number.
fn block_max(thread: u32, value: f32) -> f32 {
    workgroupBarrier(); // as above
    scratch[thread] = value;
    for (var step = THREADS / 2u; step > 0u; step /= 2u) {
        workgroupBarrier();
        if thread < step {
            scratch[thread] = greater(scratch[thread], scratch[thread + step]);
        }
    }
    workgroupBarrier();
    return scratch[0];
}
