// Attention the plain way: a workgroup a query of a head. One pass finds the greatest score, the next computes the scores
// again and adds up values, so that the number of keys has no limit. What no query sees is never read.
const MOST_DIM = 256u;
var<workgroup> weights: array<f32, THREADS>;

fn score(query: u32, key: u32) -> f32 {
    var product = 0.0;
    for (var d = 0u; d < s.dim; d += 1u) {
        product = fma(q[query + d], k[key + d], product);
    }
    return score_of(product);
}

@compute @workgroup_size(128)
fn attention(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) at: vec3u) {
    let group = at.y / (s.heads / s.groups);
    let query = at.z * s.q_batch + at.x * s.q_row + at.y * s.q_head;
    let keys = at.z * s.k_batch + group * s.k_head;
    let values = at.z * s.v_batch + group * s.v_head;
    let out = at.z * s.o_batch + at.x * s.o_row + at.y * s.o_head;
    let seen = keys_of(len[at.z], at.x);

    var most = LOWEST;
    for (var key = seen.start + i32(thread); key < seen.end; key += i32(THREADS)) {
        most = greater(most, score(query, keys + u32(key) * s.k_row));
    }
    most = block_max(thread, most);

    var sum = 0.0;
    var sums = array<f32, MOST_DIM / THREADS>();
    for (var base = seen.start; base < seen.end; base += i32(THREADS)) {
        let key = base + i32(thread);
        var weight = 0.0;
        if key < seen.end {
            weight = exp_(score(query, keys + u32(key) * s.k_row) - most);
        }
        sum += weight;
        workgroupBarrier(); // the weights of the last round have been used
        weights[thread] = weight;
        workgroupBarrier();
        let count = min(seen.end - base, i32(THREADS));
        for (var d = thread; d < s.dim; d += THREADS) {
            for (var i = 0; i < count; i += 1) {
                let value = v[values + u32(base + i) * s.v_row + d];
                sums[d / THREADS] = fma(weights[i], value, sums[d / THREADS]);
            }
        }
    }
    sum = block_sum(thread, sum);
    for (var d = thread; d < s.dim; d += THREADS) {
        if seen.start < seen.end {
            o[out + d] = sums[d / THREADS] / sum;
        } else {
            o[out + d] = 0.0;
        }
    }
}
