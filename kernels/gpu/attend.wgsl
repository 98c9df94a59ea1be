// What attention kernels share: their bindings, which keys a query sees, and what a product becomes.
struct Attention {
    batch: u32,
    queries: u32,
    keys: u32,
    heads: u32,
    groups: u32,
    dim: u32,
    q_batch: u32,
    q_row: u32,
    q_head: u32,
    k_batch: u32,
    k_row: u32,
    k_head: u32,
    v_batch: u32,
    v_row: u32,
    v_head: u32,
    o_batch: u32,
    o_row: u32,
    o_head: u32,
    scale: f32,
    causal: u32,
    window: u32,
    softcap: f32,
}
@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> len: array<i32>;
@group(0) @binding(4) var<storage, read_write> o: array<f32>;
@group(0) @binding(5) var<storage, read> s: Attention;

struct Seen {
    start: i32,
    end: i32, // nothing is seen where it is not beyond the start
}

fn keys_of(length: i32, query: u32) -> Seen {
    var seen = Seen(0, min(length, i32(s.keys)));
    let position = length - i32(s.queries) + i32(query);
    if s.causal != 0u {
        seen.end = min(seen.end, position + 1);
    }
    // A window may be wider than what an i32 holds.
    if s.window != 0u && position >= 0 && s.window <= u32(position) {
        seen.start = position - i32(s.window) + 1;
    }
    return seen;
}

fn score_of(product: f32) -> f32 {
    let score = s.scale * product;
    if s.softcap == 0.0 {
        return score;
    }
    return s.softcap * tanh_(score / s.softcap);
}
