# Attention the flash way (Dao et al. 2022) in Triton, in f32: a program takes QUERIES queries of a head and meets the keys
# KEYS at a time, with a running maximum and sum, so that scores never leave the chip.
#
# What a query must not see has weight zero, and zero times NaN is NaN: where a tile's values are not all finite, they are
# met key by key, and only by those who see them. What nobody sees, such as what stands behind the end of a cache, is not
# read.
import triton
import triton.language as tl

QUERIES = tl.constexpr(16)
KEYS = tl.constexpr(32)
DIM = tl.constexpr(128)  # dimensions beyond the head's are zeros


@triton.jit
def tanh(x):
    size = tl.abs(x)
    z = x * x  # the series, as far as it counts where the other way loses digits
    near = x + x * z * (-0.33333333 + z * (0.13333333 + z * (-0.053968254 + z * (0.021869489 - z * 0.0088632355))))
    far = 1.0 - 2.0 / (tl.exp(2.0 * size) + 1.0)
    return tl.where(size < 0.2, near, tl.where(x < 0, -far, far))


@triton.jit
def flash(
    q, k, v, lengths, o,
    batch, queries, keys, heads, groups, dim,
    q_batch, q_row, q_head, k_batch, k_row, k_head, v_batch, v_row, v_head, o_batch, o_row, o_head,
    scale, causal, window, softcap,
):
    head = tl.program_id(1)
    group = head // (heads // groups)
    b = tl.program_id(2).to(tl.int64)
    length = tl.load(lengths + b)
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    position = length - queries + query
    end = tl.minimum(length, keys) + query * 0
    if causal != 0:
        end = tl.minimum(end, position + 1)
    start = query * 0
    if window != 0:
        start = tl.maximum(start, position - window + 1)
    end = tl.where(query < queries, end, 0)
    sees = start < end

    d = tl.arange(0, DIM)
    asked = q + b * q_batch + query.to(tl.int64)[:, None] * q_row + head * q_head + d[None, :]
    asking = tl.load(asked, mask=(query[:, None] < queries) & (d[None, :] < dim), other=0.0)
    most = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    out = tl.zeros([QUERIES, DIM], tl.float32)
    last = tl.max(end, 0)
    first = tl.min(tl.where(sees, start, last), 0) // KEYS * KEYS
    for base in range(first, last, KEYS):
        key = base + tl.arange(0, KEYS)
        there = (key[:, None] < last) & (d[None, :] < dim)
        row = key.to(tl.int64)[:, None]
        told = tl.load(k + b * k_batch + row * k_row + group * k_head + d[None, :], mask=there, other=0.0)
        value = tl.load(v + b * v_batch + row * v_row + group * v_head + d[None, :], mask=there, other=0.0)
        seen = (key[None, :] >= start[:, None]) & (key[None, :] < end[:, None])
        score = scale * tl.dot(asking, tl.trans(told), input_precision="ieee")
        if softcap != 0:
            score = softcap * tanh(score / softcap)
        score = tl.where(seen, score, float("-inf"))
        highest = tl.maximum(most, tl.max(score, 1))
        level = tl.where(highest == float("-inf"), 0.0, highest)  # of a query that has seen nothing yet
        shrink = tl.exp(most - level)
        weight = tl.where(seen, tl.exp(score - level[:, None]), 0.0)
        most = highest
        total = total * shrink + tl.sum(weight, 1)
        out = out * shrink[:, None]
        finite = value - value == 0
        if tl.min(finite.to(tl.int32)) == 1:
            out += tl.dot(weight, value, input_precision="ieee")
        else:
            for j in range(KEYS):
                one = base + j
                at = v + b * v_batch + one.to(tl.int64) * v_row + group * v_head + d[None, :]
                met = tl.load(at, mask=(one < last) & (d[None, :] < dim), other=0.0)
                share = tl.sum(tl.where(key[None, :] == one, weight, 0.0), 1)[:, None]
                sees_it = (one >= start) & (one < end)
                out += tl.where(sees_it[:, None], share * met, 0.0)
    answer = tl.where(sees[:, None], out / tl.where(sees, total, 1.0)[:, None], 0.0)
    written = o + b * o_batch + query.to(tl.int64)[:, None] * o_row + head * o_head + d[None, :]
    tl.store(written, answer, mask=(query[:, None] < queries) & (d[None, :] < dim))
