// What attention kernels share: which keys a query sees, and what a product becomes.
#pragma once

struct seen {
    int from, end; // empty where end <= from
};

static __device__ seen keys_of(const bizra_attention &s, int length, unsigned query) {
    seen keys = {0, length < (int)s.keys ? length : (int)s.keys};
    int position = length - (int)s.queries + (int)query;
    if (s.causal && position + 1 < keys.end) keys.end = position + 1;
    // A window may be wider than what an int holds.
    if (s.window && position >= 0 && s.window <= (unsigned)position) keys.from = position - (int)s.window + 1;
    return keys;
}

static __device__ float score_of(const bizra_attention &s, float product) {
    float score = s.scale * product;
    return s.softcap == 0 ? score : s.softcap * tanhf(score / s.softcap);
}
