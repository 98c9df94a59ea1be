// Weights in blocks of 32 (Q8_0, Q4_0) times f32 activations, multiplied exactly and summed in f32: 32 lanes for an output
// column and ROWS rows, a lane for one value of each block.
struct Matmul {
    m: u32,
    n: u32,
    k: u32,
    x_stride: u32,
    w_stride: u32,
    y_stride: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<u32>; // blocks begin at any even byte
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> s: Matmul;

const ROWS = 4u;
const COLUMNS = 2u;
var<workgroup> scratch: array<f32, 64>;

fn byte(at: u32) -> u32 {
    return (w[at / 4u] >> (at % 4u * 8u)) & 255u;
}

// f16 to f32 by its bits: drivers may take denormals for zero.
fn half(at: u32) -> f32 {
    let bits = byte(at) | (byte(at + 1u) << 8u);
    let exponent = (bits >> 10u) & 31u;
    let fraction = bits & 1023u;
    var value = f32(fraction) * 5.9604644775390625e-8; // 2^-24
    if exponent != 0u {
        value = bitcast<f32>((select(exponent + 112u, 255u, exponent == 31u) << 23u) | (fraction << 13u));
    }
    return select(value, -value, (bits & 0x8000u) != 0u);
}

fn q8_0(block: u32, lane: u32) -> f32 {
    return half(block) * f32(bitcast<i32>(byte(block + 2u + lane) << 24u) >> 24u);
}

fn q4_0(block: u32, lane: u32) -> f32 {
    let nibble = (byte(block + 2u + lane % 16u) >> (lane / 16u * 4u)) & 15u;
    return half(block) * f32(i32(nibble) - 8);
}

fn store(thread: u32, sums: array<f32, ROWS>, column: u32, first: u32) {
    let lane = thread % 32u;
    for (var r = 0u; r < ROWS; r += 1u) {
        var mine = sums;
        workgroupBarrier(); // the last row's sum has been read
        scratch[thread] = mine[r];
        for (var step = 16u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if lane < step {
                scratch[thread] += scratch[thread + step];
            }
        }
        if lane == 0u && column < s.n && first + r < s.m {
            y[(first + r) * s.y_stride + column] = scratch[thread];
        }
    }
}

@compute @workgroup_size(64)
fn matmul_q8_0(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
    let column = group.x * COLUMNS + thread / 32u;
    let first = group.y * ROWS;
    let rows = min(ROWS, s.m - first);
    var sums = array<f32, ROWS>();
    for (var b = 0u; b < select(0u, s.k / 32u, column < s.n); b += 1u) {
        let weight = q8_0((column * (s.k / 32u) + b) * 34u, thread % 32u);
        for (var r = 0u; r < rows; r += 1u) {
            sums[r] = fma(weight, x[(first + r) * s.x_stride + b * 32u + thread % 32u], sums[r]);
        }
    }
    store(thread, sums, column, first);
}

@compute @workgroup_size(64)
fn matmul_q4_0(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
    let column = group.x * COLUMNS + thread / 32u;
    let first = group.y * ROWS;
    let rows = min(ROWS, s.m - first);
    var sums = array<f32, ROWS>();
    for (var b = 0u; b < select(0u, s.k / 32u, column < s.n); b += 1u) {
        let weight = q4_0((column * (s.k / 32u) + b) * 18u, thread % 32u);
        for (var r = 0u; r < rows; r += 1u) {
            sums[r] = fma(weight, x[(first + r) * s.x_stride + b * 32u + thread % 32u], sums[r]);
        }
    }
    store(thread, sums, column, first);
}
