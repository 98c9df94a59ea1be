//! Softmax, row by row: `exp(x - max) / Σ exp(x - max)`.

use crate::error::{Error, rows};
use crate::lanes::{Lanes, N, Op};
use crate::{Level, Pool};

/// Rows of `width` values, where they are. A row of minus infinities alone becomes NaN.
pub fn softmax(pool: &Pool, level: Level, width: usize, x: &mut [f32]) -> Result<(), Error> {
    rows("input of softmax", x.len(), width)?;
    crate::by_rows(pool, x, width, |_, x| level.run(Row { x }));
    Ok(())
}

struct Row<'a> {
    x: &'a mut [f32],
}

impl Op for Row<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let mut most = s.splat(f32::NEG_INFINITY);
        for x in self.x.chunks(N) {
            most = s.max(s.load_part(x, f32::NEG_INFINITY), most);
        }
        let most = s.splat(s.greatest(most));
        let mut sum = s.splat(0.0);
        for x in self.x.chunks_mut(N) {
            let e = s.exp(s.sub(s.load_part(x, f32::NEG_INFINITY), most));
            sum = s.add(sum, e);
            s.store_part(e, x);
        }
        let sum = s.splat(s.sum(sum));
        for x in self.x.chunks_mut(N) {
            s.store_part(s.div(s.load_part(x, 0.0), sum), x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{each_level, noise};

    #[test]
    fn follows_its_definition_with_the_same_bits_at_each_level() {
        let pool = Pool::new(2);
        for n in [1, 2, 15, 16, 17, 127, 1000] {
            for (scale, offset) in [(1.0, 0.0), (30.0, 0.0), (1.0, 1e4), (1.0, -1e4), (0.0, 3.0)] {
                let x: Vec<f32> = noise(n * 3, 11).iter().map(|v| v * scale + offset).collect();
                let all = each_level(|level| {
                    let mut y = x.clone();
                    softmax(&pool, level, n, &mut y).unwrap();
                    y
                });
                for (x, y) in x.chunks(n).zip(all.chunks(n)) {
                    let most = x.iter().fold(f64::MIN, |m, v| m.max(f64::from(*v)));
                    let sum: f64 = x.iter().map(|v| (f64::from(*v) - most).exp()).sum();
                    for i in 0..n {
                        let truth = (f64::from(x[i]) - most).exp() / sum;
                        let u = 2f64.powi(-24);
                        let bound = truth * u * (16.0 + (n as f64).sqrt() + 2.0 * (f64::from(x[i]) - most).abs());
                        assert!((f64::from(y[i]) - truth).abs() <= bound + 1e-44, "n {n}, column {i}: {}", y[i]);
                    }
                }
            }
        }
    }

    #[test]
    fn special_values() {
        let (inf, pool) = (f32::INFINITY, Pool::new(1));
        let run = |row: &[f32]| {
            each_level(|level| {
                let mut y = row.to_vec();
                softmax(&pool, level, row.len(), &mut y).unwrap();
                y
            })
        };
        assert_eq!(run(&[0.0, -inf, 0.0]), [0.5, 0.0, 0.5]);
        assert!(run(&[0.0, f32::NAN, 1.0]).iter().all(|v| v.is_nan()));
        assert!(run(&[0.0, inf]).iter().all(|v| v.is_nan() || *v == 0.0));
        assert!(run(&[-inf, -inf]).iter().all(|v| v.is_nan()));
        assert!(softmax(&pool, Level::SCALAR, 3, &mut [0.0; 4]).is_err());
    }
}
