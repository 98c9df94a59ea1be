//! Layer normalisation: `(x - mean) / √(variance + eps) · weight + bias`, row by row, the variance in a second pass.

use crate::error::{Error, length, rows};
use crate::lanes::{Lanes, N, Op};
use crate::{Level, Pool};

/// Normalises rows of `weight.len()` values where they are.
pub fn layernorm(
    pool: &Pool,
    level: Level,
    x: &mut [f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
) -> Result<(), Error> {
    rows("input of layernorm", x.len(), weight.len())?;
    if let Some(bias) = bias {
        length("bias of layernorm", weight.len(), bias.len())?;
    }
    crate::by_rows(pool, x, weight.len(), |_, x| level.run(Row { x, weight, bias, eps }));
    Ok(())
}

struct Row<'a> {
    x: &'a mut [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    eps: f32,
}

impl Op for Row<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let n = self.x.len() as f32;
        let mut sum = s.splat(0.0);
        for x in self.x.chunks(N) {
            sum = s.add(sum, s.load_part(x, 0.0));
        }
        let mean = s.sum(sum) / n;
        let mut squares = s.splat(0.0);
        for x in self.x.chunks(N) {
            let d = s.sub(s.load_part(x, mean), s.splat(mean));
            squares = s.fma(d, d, squares);
        }
        let factor = s.splat(1.0 / (s.sum(squares) / n + self.eps).sqrt());
        for (i, (x, w)) in self.x.chunks_mut(N).zip(self.weight.chunks(N)).enumerate() {
            let d = s.sub(s.load_part(x, mean), s.splat(mean));
            let bias = self.bias.map_or(&[][..], |b| &b[i * N..(i * N + N).min(b.len())]);
            s.store_part(s.fma(s.mul(d, factor), s.load_part(w, 0.0), s.load_part(bias, 0.0)), x);
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
        for n in [1, 3, 16, 17, 31, 100, 1024] {
            for offset in [0.0, 10.0] {
                let x: Vec<f32> = noise(n * 10, 5).iter().map(|v| v + offset).collect();
                let (w, b) = (noise(n, 6), noise(n, 8));
                let all = each_level(|level| {
                    let mut y = x.clone();
                    layernorm(&pool, level, &mut y, &w, Some(&b), 1e-5).unwrap();
                    y
                });
                for (x, y) in x.chunks(n).zip(all.chunks(n)) {
                    let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
                    let variance = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n as f64;
                    let sigma = (variance + 1e-5).sqrt();
                    for i in 0..n {
                        let truth = (f64::from(x[i]) - mean) / sigma * f64::from(w[i]) + f64::from(b[i]);
                        let kappa = 1.0 + mean.abs() / sigma;
                        let u = 2f64.powi(-24);
                        let bound = u * (32.0 + 2.0 * (n as f64).sqrt() * kappa) * (1.0 + truth.abs());
                        assert!((f64::from(y[i]) - truth).abs() <= bound, "n {n}, column {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (pool, level) = (Pool::new(1), Level::SCALAR);
        assert!(layernorm(&pool, level, &mut [0.0; 6], &[1.0; 4], None, 0.0).is_err());
        assert!(layernorm(&pool, level, &mut [0.0; 8], &[1.0; 4], Some(&[0.0; 3]), 0.0).is_err());
    }
}
