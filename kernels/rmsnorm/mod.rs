//! Root-mean-square normalisation: `x / √(mean(x²) + eps) · weight`, row by row.

use crate::error::{Error, length, rows};
use crate::lanes::{Lanes, N, Op, chunks};
use crate::{Level, Pool};

/// Normalises rows of `weight.len()` values from `x` to `out`.
pub fn rmsnorm(pool: &Pool, level: Level, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> Result<(), Error> {
    length("output of rmsnorm", x.len(), out.len())?;
    rows("input of rmsnorm", x.len(), weight.len())?;
    crate::by_rows(pool, out, weight.len(), |i, out| {
        out.copy_from_slice(&x[i * weight.len()..][..weight.len()]);
        level.run(Row { x: out, weight, eps });
    });
    Ok(())
}

/// Normalises rows of `weight.len()` values where they are.
pub fn in_place(pool: &Pool, level: Level, x: &mut [f32], weight: &[f32], eps: f32) -> Result<(), Error> {
    rows("input of rmsnorm", x.len(), weight.len())?;
    crate::by_rows(pool, x, weight.len(), |_, x| level.run(Row { x, weight, eps }));
    Ok(())
}

struct Row<'a> {
    x: &'a mut [f32],
    weight: &'a [f32],
    eps: f32,
}

impl Op for Row<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let (full, rest) = chunks(self.x);
        let mut squares = s.splat(0.0);
        for x in full {
            let x = s.load(x);
            squares = s.fma(x, x, squares);
        }
        let rest = s.load_part(rest, 0.0);
        squares = s.fma(rest, rest, squares);
        let factor = s.splat(1.0 / (s.sum(squares) / self.x.len() as f32 + self.eps).sqrt());
        for (x, w) in self.x.chunks_mut(N).zip(self.weight.chunks(N)) {
            let y = s.mul(s.mul(s.load_part(x, 0.0), factor), s.load_part(w, 0.0));
            s.store_part(y, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bits, each_level, noise};

    #[test]
    fn follows_its_definition_with_the_same_bits_at_each_level() {
        let pool = Pool::new(2);
        for n in [1, 2, 15, 16, 17, 33, 64, 100, 1000, 2048] {
            let (x, w) = (noise(n * 9, n as u64), noise(n, 7));
            let all = each_level(|level| {
                let mut out = vec![0.0; x.len()];
                rmsnorm(&pool, level, &x, &w, 1e-5, &mut out).unwrap();
                out
            });
            for (x, y) in x.chunks(n).zip(all.chunks(n)) {
                let mean = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n as f64;
                for i in 0..n {
                    let truth = f64::from(x[i]) / (mean + 1e-5).sqrt() * f64::from(w[i]);
                    let bound = truth.abs() * 2f64.powi(-24) * (16.0 + (n as f64).sqrt());
                    assert!((f64::from(y[i]) - truth).abs() <= bound, "n {n}, column {i}");
                }
            }
        }
    }

    #[test]
    fn a_nan_stays_in_its_row() {
        let mut x = noise(64, 3);
        x[20] = f32::NAN;
        let y = each_level(|level| {
            let mut y = x.clone();
            in_place(&Pool::new(1), level, &mut y, &[1.0; 16], 0.0).unwrap();
            y
        });
        assert!(y[16..32].iter().all(|v| v.is_nan()));
        assert!(y[..16].iter().chain(&y[32..]).all(|v| v.is_finite()));
        assert_eq!(bits(&y).len(), 64);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (pool, level) = (Pool::new(1), Level::SCALAR);
        assert!(rmsnorm(&pool, level, &[0.0; 6], &[1.0; 4], 0.0, &mut [0.0; 6]).is_err());
        assert!(rmsnorm(&pool, level, &[0.0; 8], &[1.0; 4], 0.0, &mut [0.0; 4]).is_err());
        assert!(rmsnorm(&pool, level, &[0.0; 8], &[], 0.0, &mut [0.0; 8]).is_err());
        assert!(rmsnorm(&pool, level, &[], &[], 0.0, &mut []).is_ok());
    }
}
