//! Attention against its definition in f64, batches against single positions, and what may not be seen.

use super::*;
use crate::testing::{bits, each_level, noise};
use half::f16;

struct Case {
    heads: usize,
    kv_heads: usize,
    dim: usize,
    total: usize,
    first: usize,
    shape: Attention,
    cell: Cell,
}

impl Case {
    fn new(heads: usize, kv_heads: usize, dim: usize, total: usize, first: usize) -> Case {
        let scale = 1.0 / (dim as f32).sqrt();
        let shape = Attention { heads, scale, window: None, softcap: None, causal: true };
        Case { heads, kv_heads, dim, total, first, shape, cell: Cell::F32 }
    }

    fn cache(&self, keys: &[f32], values: &[f32]) -> Cache {
        let mut cache = Cache::new(self.cell, self.kv_heads, self.dim, self.total + 5).unwrap();
        let cut = self.total / 3 * self.kv_heads * self.dim;
        cache.push(&keys[..cut], &values[..cut]).unwrap();
        cache.push(&keys[cut..], &values[cut..]).unwrap();
        cache
    }

    fn run(&self, cache: &Cache, q: &[f32]) -> Vec<f32> {
        let pool = Pool::new(5);
        each_level(|level| {
            let mut out = vec![f32::NAN; q.len()];
            attention(&pool, level, &self.shape, cache, self.first, q, &mut out).unwrap();
            let width = self.heads * self.dim;
            let mut single = vec![f32::NAN; q.len()];
            for (i, (q, out)) in q.chunks(width).zip(single.chunks_mut(width)).enumerate() {
                attention(&Pool::new(1), level, &self.shape, cache, self.first + i, q, out).unwrap();
            }
            assert_eq!(bits(&out), bits(&single), "batch against single positions at {level}");
            out
        })
    }

    fn check(&self) {
        let row = self.kv_heads * self.dim;
        let (keys, values) = (noise(self.total * row, 1), noise(self.total * row, 2));
        let q = noise((self.total - self.first) * self.heads * self.dim, 3);
        let out = self.run(&self.cache(&keys, &values), &q);
        let stored = |x: f32| match self.cell {
            Cell::F32 | Cell::Q8 => f64::from(x),
            Cell::F16 => f16::from_f32(x).to_f64(),
        };
        let (keys, values) = match self.cell {
            Cell::Q8 => (rounded(&keys, self.dim), rounded(&values, self.dim)),
            Cell::F32 | Cell::F16 => (keys, values),
        };
        for (r, (q, out)) in q.chunks(self.dim).zip(out.chunks(self.dim)).enumerate() {
            let (position, head) = (self.first + r / self.heads, r % self.heads / (self.heads / self.kv_heads));
            let end = if self.shape.causal { position + 1 } else { self.total };
            let start = self.shape.window.map_or(0, |w| (position + 1).saturating_sub(w));
            let (mut weights, mut size) = (Vec::new(), 0f64);
            for p in start..end {
                let terms = || (0..self.dim).map(|d| f64::from(q[d]) * stored(keys[p * row + head * self.dim + d]));
                let mut score = terms().sum::<f64>() * f64::from(self.shape.scale);
                size = size.max(terms().map(f64::abs).sum());
                if let Some(cap) = self.shape.softcap {
                    score = f64::from(cap) * (score / f64::from(cap)).tanh();
                }
                weights.push(score);
            }
            let most = weights.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = weights.iter().map(|w| (w - most).exp()).sum();
            let u = 2f64.powi(-24);
            let delta = 2.0 * (self.dim as f64).sqrt() * u * f64::from(self.shape.scale.abs()) * size;
            let slack = 2.0 * delta
                + u * (16.0 + (weights.len() as f64).sqrt())
                + self.shape.softcap.map_or(0.0, |c| 8.0 * u * f64::from(c));
            for d in 0..self.dim {
                let terms = || {
                    let value = |p: usize| stored(values[(start + p) * row + head * self.dim + d]);
                    weights.iter().enumerate().map(move |(p, w)| (w - most).exp() / sum * value(p))
                };
                let (truth, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
                let found = f64::from(out[d]);
                assert!((found - truth).abs() <= slack * size, "row {r}, {d}: {found} for {truth} ± {}", slack * size);
            }
        }
    }
}

#[test]
fn follows_its_definition_over_shapes_and_lengths() {
    for (heads, kv, dim, total, first) in [
        (1, 1, 1, 1, 0),
        (2, 1, 16, 17, 0),
        (4, 4, 20, 33, 7),
        (6, 2, 64, 129, 100),
        (8, 1, 80, 130, 126),
        (14, 2, 64, 300, 257),
        (3, 3, 128, 260, 250),
        (25, 1, 8, 140, 120),
    ] {
        for cell in [Cell::F32, Cell::F16, Cell::Q8] {
            Case { cell, ..Case::new(heads, kv, dim, total, first) }.check();
        }
    }
}

/// What a cache of bytes holds of rows, worked out from the definition.
fn rounded(x: &[f32], dim: usize) -> Vec<f32> {
    let shared = |x: &[f32]| -> Vec<f32> {
        let scale = f16::from_f32(x.iter().fold(0f32, |m, v| m.max(v.abs())) / 127.0).to_f32();
        let byte = |v: &f32| (v * (1.0 / scale)).round_ties_even().clamp(-127.0, 127.0);
        x.iter().map(|v| if scale == 0.0 { 0.0 } else { byte(v) * scale }).collect()
    };
    x.chunks(dim).flat_map(|row| row.chunks(32).flat_map(shared)).collect()
}

#[test]
fn bytes_cost_half_of_f16_and_less_than_a_hundredth_in_accuracy() {
    let half = Cache::bytes(Cell::F16, 4, 64, 1024).unwrap();
    let bytes = Cache::bytes(Cell::Q8, 4, 64, 1024).unwrap();
    assert!(bytes * 100 <= half * 54, "{bytes} {half}");
    let exact = Case::new(8, 2, 64, 400, 380);
    let (keys, values) = (noise(400 * 128, 1), noise(400 * 128, 2));
    let q: Vec<f32> = noise(20 * 512, 3).iter().map(|x| x * 4.0).collect();
    let truth = exact.run(&exact.cache(&keys, &values), &q);
    let error = |cell| {
        let case = Case { cell, ..Case::new(8, 2, 64, 400, 380) };
        let found = case.run(&case.cache(&keys, &values), &q);
        let square = |x: &[f32]| x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let off: Vec<f32> = found.iter().zip(&truth).map(|(a, b)| a - b).collect();
        (square(&off) / square(&truth)).sqrt()
    };
    assert!(error(Cell::Q8) < 0.01, "{}", error(Cell::Q8));
    assert!(error(Cell::F16) < error(Cell::Q8) / 4.0);
}

#[test]
fn what_bytes_cannot_hold_becomes_nan_in_its_own_position() {
    for bad in [f32::NAN, f32::INFINITY, -f32::INFINITY, 3e38] {
        let case = Case { cell: Cell::Q8, ..Case::new(1, 1, 48, 3, 0) };
        let (keys, mut values) = (noise(3 * 48, 1), noise(3 * 48, 2));
        values[48 + 40] = bad;
        let out = case.run(&case.cache(&keys, &values), &noise(3 * 48, 3));
        assert!(out[..48].iter().all(|x| x.is_finite()), "{bad}");
        assert!(out[48..48 + 32].iter().all(|x| x.is_finite()) && out[48 + 32..96].iter().all(|x| x.is_nan()), "{bad}");
    }
    let case = Case { cell: Cell::Q8, ..Case::new(1, 1, 16, 2, 0) };
    let out = case.run(&case.cache(&[1e-12; 32], &[0.0; 32]), &noise(32, 3));
    assert_eq!(out, [0.0; 32]);
}

#[test]
fn windows_caps_and_both_directions() {
    for (window, softcap, causal, scale) in [
        (Some(1), None, true, 0.3),
        (Some(40), None, true, 0.3),
        (Some(129), Some(5.0), true, 0.3),
        (None, Some(30.0), true, 1.0),
        (None, None, false, 0.2),
        (None, None, true, -0.2),
        (Some(1000), None, true, 0.0),
    ] {
        let mut case = Case::new(4, 2, 32, 290, 230);
        case.shape = Attention { window, softcap, causal, scale, ..case.shape };
        case.check();
    }
}

#[test]
fn a_dominating_key_is_found_at_every_edge() {
    let case = Case::new(1, 1, 16, 260, 259);
    for needle in [0, 15, 16, 127, 128, 255, 256, 258, 259] {
        let (mut keys, mut values) = (vec![0.0; 260 * 16], vec![1.0; 260 * 16]);
        keys[needle * 16] = 1.0;
        values[needle * 16..][..16].fill(-5.0);
        let mut q = vec![0.0; 16];
        q[0] = 400.0;
        let out = case.run(&case.cache(&keys, &values), &q);
        assert_eq!(out, [-5.0; 16], "needle at {needle}");
    }
}

#[test]
fn what_is_not_seen_does_not_matter() {
    let mut case = Case::new(4, 2, 32, 150, 120);
    case.shape.window = Some(50);
    let row = 64;
    let (keys, values) = (noise(150 * row, 1), noise(150 * row, 2));
    let q = noise(30 * 128, 3);
    let clean = case.run(&case.cache(&keys, &values), &q);
    let (mut keys, mut values) = (keys, values);
    for x in [&mut keys, &mut values] {
        x[..40 * row].fill(f32::NAN);
        x[140 * row..].fill(f32::NAN);
    }
    let dirty = case.run(&case.cache(&keys, &values), &q);
    assert_eq!(bits(&clean[..20 * 128]), bits(&dirty[..20 * 128]));
    assert!(dirty[20 * 128..].iter().all(|v| v.is_nan()));
}

#[test]
fn truncated_positions_are_written_again() {
    let case = Case::new(2, 1, 16, 40, 30);
    let (keys, values, q) = (noise(40 * 16, 1), noise(40 * 16, 2), noise(10 * 32, 3));
    let straight = case.run(&case.cache(&keys, &values), &q);
    let mut cache = case.cache(&noise(40 * 16, 7), &noise(40 * 16, 8));
    cache.truncate(0);
    cache.push(&keys, &values).unwrap();
    assert_eq!(bits(&straight), bits(&case.run(&cache, &q)));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (pool, level) = (Pool::new(1), Level::SCALAR);
    assert!(Cache::new(Cell::F16, 0, 16, 4).is_err());
    assert!(Cache::new(Cell::F16, 1, usize::MAX, 4).is_err());
    assert!(Cache::new(Cell::F16, 1 << 20, 1 << 20, 1 << 40).is_err());
    let mut cache = Cache::new(Cell::F32, 2, 4, 3).unwrap();
    assert!(cache.push(&[0.0; 8], &[0.0; 16]).is_err());
    assert!(cache.push(&[0.0; 9], &[0.0; 9]).is_err());
    assert!(cache.push(&[0.0; 32], &[0.0; 32]).is_err());
    cache.push(&[0.0; 16], &[0.0; 16]).unwrap();
    let shape = Attention { heads: 4, scale: 1.0, window: None, softcap: None, causal: true };
    let run =
        |shape: Attention, first, q: &[f32], out: &mut [f32]| attention(&pool, level, &shape, &cache, first, q, out);
    assert!(run(shape, 1, &[0.0; 16], &mut [0.0; 16]).is_ok());
    assert!(run(shape, 2, &[0.0; 16], &mut [0.0; 16]).is_err());
    assert!(run(shape, usize::MAX, &[0.0; 16], &mut [0.0; 16]).is_err());
    assert!(run(shape, 0, &[0.0; 16], &mut [0.0; 15]).is_err());
    assert!(run(shape, 0, &[0.0; 15], &mut [0.0; 15]).is_err());
    assert!(run(Attention { heads: 3, ..shape }, 0, &[0.0; 12], &mut [0.0; 12]).is_err());
    assert!(run(Attention { heads: 0, ..shape }, 0, &[0.0; 16], &mut [0.0; 16]).is_err());
    assert!(run(Attention { window: Some(0), ..shape }, 1, &[1.0; 16], &mut [9.0; 16]).is_ok());
}

#[test]
fn the_naive_way_says_the_same() {
    let (heads, groups, dim) = (4, 2, 40);
    for (total, first, causal, softcap) in
        [(1, 0, true, None), (130, 0, true, None), (300, 43, true, Some(3.0)), (257, 9, false, None)]
    {
        let (keys, values) = (noise(total * groups * dim, 1), noise(total * groups * dim, 2));
        let mut cache = Cache::new(Cell::F32, groups, dim, total + 3).unwrap();
        cache.push(&keys, &values).unwrap();
        let q = noise((total - first) * heads * dim, 3);
        let shape = Attention { heads, scale: 0.7, window: None, softcap, causal };
        let pool = Pool::new(3);
        let mut flash = vec![f32::NAN; q.len()];
        attention(&pool, Level::best(), &shape, &cache, first, &q, &mut flash).unwrap();
        let naive = each_level(|level| {
            let mut out = vec![f32::NAN; q.len()];
            naive(&pool, level, &shape, &cache, first, &q, &mut out).unwrap();
            out
        });
        for (at, (a, b)) in flash.iter().zip(&naive).enumerate() {
            assert!((a - b).abs() <= 2e-6 * a.abs().max(0.1), "{total} {first} {causal}: {a} and {b} at {at}");
        }
    }
}

#[test]
fn what_was_filled_can_be_put_into_a_cache_of_another_capacity() {
    for cell in [Cell::F32, Cell::F16, Cell::Q8] {
        for (heads, dim, len) in [(1, 16, 1), (3, 40, 37), (2, 64, 48)] {
            let row = heads * dim;
            let (keys, values) = (noise(len * row, 1), noise(len * row, 2));
            let filled = |len: usize, capacity: usize| {
                let mut cache = Cache::new(cell, heads, dim, capacity).unwrap();
                cache.push(&keys[..len * row], &values[..len * row]).unwrap();
                cache
            };
            let whole = filled(len, len + 3);
            let bytes: Vec<u8> = whole.filled().flatten().copied().collect();
            assert_eq!(bytes.len(), Cache::filled_bytes(cell, heads, dim, len).unwrap());
            let q = noise(2 * row, 3);
            let said = |cache: &Cache| {
                let shape = Attention { heads: 2 * heads, scale: 0.3, window: None, softcap: None, causal: true };
                let mut out = vec![0.0; 2 * row];
                attention(&Pool::new(1), Level::best(), &shape, cache, cache.len() - 1, &q, &mut out).unwrap();
                bits(&out)
            };
            for (keep, capacity) in [(len, len), (len, 300), (len.div_ceil(2), len + 17), (1, 1)] {
                let mut other = Cache::new(cell, heads, dim, capacity).unwrap();
                other.restore(&bytes, len, keep).unwrap();
                assert_eq!(said(&other), said(&filled(keep, len + 1)), "{cell:?} {heads} {dim} {len} {keep}");
            }
            let mut other = Cache::new(cell, heads, dim, len).unwrap();
            assert!(other.restore(&bytes[1..], len, len).is_err(), "a byte is missing");
            assert!(other.restore(&bytes, len, len + 1).is_err(), "more than there is");
            assert!(Cache::new(cell, heads, dim, 1).unwrap().restore(&bytes, len, len).is_err() || len == 1);
        }
    }
}

#[test]
fn keys_without_weight_take_nothing_away_also_where_they_fill_a_chunk() {
    for (window, hidden) in [(None, 129), (None, 256), (None, 298), (Some(175), 127), (Some(3), 297)] {
        for cell in [Cell::F32, Cell::F16] {
            let mut case = Case { cell, ..Case::new(2, 1, 16, 300, 298) };
            case.shape.window = window;
            let (mut keys, values) = (noise(300 * 16, 1), noise(300 * 16, 2));
            let mut q = noise(2 * 2 * 16, 3);
            q.chunks_mut(16).for_each(|q| q[5] = 0.5);
            let plain = keys.clone();
            keys[..(hidden + 1) * 16].chunks_mut(16).for_each(|key| key[5] = f32::NEG_INFINITY);
            let found = case.run(&case.cache(&keys, &values), &q);
            // As if a window began behind them.
            for (i, found) in found.chunks(32).enumerate() {
                let position = 298 + i;
                let mut rest = Case { first: position, total: position + 1, ..Case::new(2, 1, 16, 300, 298) };
                (rest.cell, rest.shape.window) = (cell, Some(position - hidden));
                let known = rest.run(
                    &rest.cache(&plain[..(position + 1) * 16], &values[..(position + 1) * 16]),
                    &q[i * 32..][..32],
                );
                if position == hidden {
                    assert!(found.iter().all(|x| x.is_nan()), "nothing has a weight");
                    continue;
                }
                for (x, y) in found.iter().zip(&known) {
                    assert!((x - y).abs() <= 1e-6, "{window:?}, {hidden}: {x} for {y}");
                }
            }
        }
    }
}
