//! Rotary position embedding: pairs of a head's values turned by angles that grow with the position.
//!
//! Plain Rust: the compiler vectorises it, and no multiply-add is fused, so every level gives the same bits.
//! Left out: scaling rules (linear, YaRN, Llama 3), which are the frequencies that the caller gives.

use crate::Pool;
use crate::error::{Error, product, rows};

/// Which values of a head make pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// 0 with 1, 2 with 3: Llama's GGUF files.
    Interleaved,
    /// 0 with d/2, 1 with d/2 + 1: NeoX, Qwen, Gemma, Phi.
    Halves,
}

/// `base^(-2i/dims)` for the `dims / 2` pairs.
pub fn frequencies(base: f64, dims: usize) -> Vec<f64> {
    (0..dims / 2).map(|i| base.powf(-2.0 * i as f64 / dims as f64)).collect()
}

/// Cosines and sines of some consecutive positions, made once a pass and used by every layer.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pairs: usize,
    /// Per position: the cosines, then the sines.
    turns: Vec<f32>,
}

impl Table {
    /// Angles `position · frequency` in f64 for `count` positions from `first`, with the platform's sine and cosine;
    /// `magnitude` multiplies both (1 but for YaRN).
    pub fn new(frequencies: &[f64], magnitude: f32, first: usize, count: usize) -> Table {
        let mut turns = Vec::with_capacity(count.saturating_mul(frequencies.len() * 2));
        for position in first..first.saturating_add(count) {
            let angle = |f: &f64| position as f64 * f;
            turns.extend(frequencies.iter().map(|f| angle(f).cos() as f32 * magnitude));
            turns.extend(frequencies.iter().map(|f| angle(f).sin() as f32 * magnitude));
        }
        Table { pairs: frequencies.len(), turns }
    }

    /// Positions in the table.
    pub fn len(&self) -> usize {
        self.turns.len().checked_div(self.pairs * 2).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Turns the first values of each head; those beyond the table's pairs stay. `x` holds, for each of the table's
/// positions, `heads` heads of `head_dim` values.
pub fn rope(
    pool: &Pool,
    table: &Table,
    pairs: Pairs,
    heads: usize,
    head_dim: usize,
    x: &mut [f32],
) -> Result<(), Error> {
    let width = product("input of rope", &[heads, head_dim])?;
    let n = rows("input of rope", x.len(), width)?;
    if n > table.len() && n > 0 {
        return Err(Error::Range { what: "positions for rope", value: n, limit: table.len() });
    }
    if table.pairs * 2 > head_dim {
        return Err(Error::Range { what: "values that rope turns", value: table.pairs * 2, limit: head_dim });
    }
    let turn = |i: usize, row: &mut [f32]| {
        let (cos, sin) = table.turns[i * table.pairs * 2..][..table.pairs * 2].split_at(table.pairs);
        for head in row.chunks_exact_mut(head_dim) {
            let head = &mut head[..table.pairs * 2];
            match pairs {
                Pairs::Interleaved => {
                    for (([a, b], c), s) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                        (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
                    }
                }
                Pairs::Halves => {
                    let (first, second) = head.split_at_mut(table.pairs);
                    for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                        (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
                    }
                }
            }
        }
    };
    if n < 8 {
        x.chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, row)| turn(i, row));
    } else {
        pool.chunks_mut(x, width, turn);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn follows_its_definition_in_both_layouts_and_leaves_the_rest() {
        let (heads, dim, turned, first, n) = (3, 20, 16, 1000, 11);
        let freq = frequencies(10000.0, turned);
        let table = Table::new(&freq, 1.0, first, n);
        let x = noise(n * heads * dim, 9);
        for pairs in [Pairs::Interleaved, Pairs::Halves] {
            let mut y = x.clone();
            rope(&Pool::new(2), &table, pairs, heads, dim, &mut y).unwrap();
            for (row, (x, y)) in x.chunks(dim).zip(y.chunks(dim)).enumerate() {
                for k in 0..turned / 2 {
                    let (i, j) = if pairs == Pairs::Halves { (k, k + turned / 2) } else { (2 * k, 2 * k + 1) };
                    let angle = (first + row / heads) as f64 * freq[k];
                    let (a, b) = (f64::from(x[i]), f64::from(x[j]));
                    let bound = 4.0 * 2f64.powi(-24) * a.hypot(b);
                    assert!((f64::from(y[i]) - (a * angle.cos() - b * angle.sin())).abs() <= bound);
                    assert!((f64::from(y[j]) - (a * angle.sin() + b * angle.cos())).abs() <= bound);
                }
                assert_eq!(x[turned..], y[turned..]);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let table = Table::new(&frequencies(1e4, 8), 1.0, 0, 2);
        let pool = Pool::new(1);
        assert!(rope(&pool, &table, Pairs::Halves, 1, 8, &mut [0.0; 24]).is_err());
        assert!(rope(&pool, &table, Pairs::Halves, 1, 6, &mut [0.0; 12]).is_err());
        assert!(rope(&pool, &table, Pairs::Halves, 2, 8, &mut [0.0; 24]).is_err());
        assert!(rope(&pool, &table, Pairs::Halves, 1, 8, &mut []).is_ok());
    }
}
