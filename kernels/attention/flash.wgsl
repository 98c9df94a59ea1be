// Attention the flash way (Dao et al. 2022), in f32: a workgroup takes QUERIES queries of a head and meets the keys KEYS at
// a time, with a running maximum and sum, so that scores never leave the chip. Eight lanes share a query: each has two keys'
// scores, and every eighth column of the output in registers. Tiles are small enough for the 16 KiB of shared memory that
// every WebGPU device has: values take the place of keys.
//
// What a query must not see is never multiplied, not even by zero: behind the end of a cache there may be NaN.
const LANES = 8u;
const QUERIES = 8u;
const KEYS = 16u;
const MOST_DIM = 128u;
const ROW = MOST_DIM + 1u; // one more, so that lanes with different keys hit different banks
var<workgroup> queries: array<f32, QUERIES * MOST_DIM>;
var<workgroup> tile: array<f32, KEYS * ROW>;
var<workgroup> weights: array<f32, QUERIES * KEYS>;

@compute @workgroup_size(64)
fn flash(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) at: vec3u) {
    let group = at.y / (s.heads / s.groups);
    let first = at.x * QUERIES;
    let lane = thread % LANES;
    let row = thread / LANES;
    let query = first + row;
    let length = len[at.z];
    var seen = keys_of(length, query);
    if query >= s.queries {
        seen = Seen(0, 0);
    }
    // Later queries begin and end later, so the first and the last bound what all of the workgroup see.
    let begin = keys_of(length, first).start / i32(KEYS) * i32(KEYS);
    let end = keys_of(length, min(first + QUERIES, s.queries) - 1u).end;

    for (var i = thread; i < QUERIES * s.dim; i += LANES * QUERIES) {
        let r = i / s.dim;
        let d = i % s.dim;
        var value = 0.0;
        if first + r < s.queries {
            value = q[at.z * s.q_batch + (first + r) * s.q_row + at.y * s.q_head + d];
        }
        queries[r * MOST_DIM + d] = value;
    }

    var most = LOWEST;
    var sum = 0.0;
    var out = array<f32, MOST_DIM / LANES>();
    for (var base = begin; base < end; base += i32(KEYS)) {
        workgroupBarrier(); // the last tile's values have been used
        for (var i = thread; i < KEYS * s.dim; i += LANES * QUERIES) {
            let j = i / s.dim;
            let d = i % s.dim;
            var value = 0.0;
            if base + i32(j) < end {
                value = k[at.z * s.k_batch + (u32(base) + j) * s.k_row + group * s.k_head + d];
            }
            tile[j * ROW + d] = value;
        }
        workgroupBarrier();
        for (var j = lane; j < KEYS; j += LANES) {
            let key = base + i32(j);
            var score = LOWEST;
            if key >= seen.start && key < seen.end {
                var product = 0.0;
                for (var d = 0u; d < s.dim; d += 1u) {
                    product = fma(queries[row * MOST_DIM + d], tile[j * ROW + d], product);
                }
                score = score_of(product);
            }
            weights[row * KEYS + j] = score;
        }
        workgroupBarrier();
        let start = u32(clamp(seen.start - base, 0, i32(KEYS)));
        let stop = u32(clamp(seen.end - base, 0, i32(KEYS)));
        var highest = most;
        for (var j = start; j < stop; j += 1u) {
            highest = greater(highest, weights[row * KEYS + j]);
        }
        var shrink = 1.0;
        if highest != most {
            shrink = exp_(most - highest);
        }
        most = highest;
        workgroupBarrier(); // all have read the scores, which now become weights
        for (var j = lane; j < KEYS; j += LANES) {
            var weight = 0.0;
            if j >= start && j < stop {
                weight = exp_(weights[row * KEYS + j] - most);
            }
            weights[row * KEYS + j] = weight;
        }
        for (var i = thread; i < KEYS * s.dim; i += LANES * QUERIES) {
            let j = i / s.dim;
            let d = i % s.dim;
            var value = 0.0;
            if base + i32(j) < end {
                value = v[at.z * s.v_batch + (u32(base) + j) * s.v_row + group * s.v_head + d];
            }
            tile[j * ROW + d] = value;
        }
        workgroupBarrier();
        var add = 0.0;
        for (var j = start; j < stop; j += 1u) {
            add += weights[row * KEYS + j];
        }
        sum = fma(sum, shrink, add);
        for (var i = 0u; lane + i * LANES < s.dim; i += 1u) {
            var value = out[i] * shrink;
            for (var j = start; j < stop; j += 1u) {
                value = fma(weights[row * KEYS + j], tile[j * ROW + lane + i * LANES], value);
            }
            out[i] = value;
        }
    }
    if query >= s.queries {
        return;
    }
    let to = at.z * s.o_batch + query * s.o_row + at.y * s.o_head;
    for (var i = 0u; lane + i * LANES < s.dim; i += 1u) {
        if seen.start < seen.end {
            o[to + lane + i * LANES] = out[i] / sum;
        } else {
            o[to + lane + i * LANES] = 0.0;
        }
    }
}
