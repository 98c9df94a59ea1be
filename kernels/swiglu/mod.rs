//! Gated products: `activation(gate) · up`.

use crate::error::{Error, length};
use crate::lanes::{Lanes, N, Op};
use crate::{Level, Pool};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + e⁻ˣ)`
    Silu,
    /// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`
    GeluTanh,
    /// `x/2 · (1 + erf(x/√2))`, by [`gelu_erf`].
    GeluErf,
}

/// Replaces each gate by its activation times the value at the same place in `up`.
pub fn gated(pool: &Pool, level: Level, kind: Activation, gate: &mut [f32], up: &[f32]) -> Result<(), Error> {
    length("second input of the gated product", gate.len(), up.len())?;
    pool.chunks_mut(gate, 4096, |i, gate| {
        let up = &up[i * 4096..][..gate.len()];
        match kind {
            Activation::Silu => level.run(Gated::<0> { gate, up }),
            Activation::GeluTanh => level.run(Gated::<1> { gate, up }),
            Activation::GeluErf => gate.iter_mut().zip(up).for_each(|(g, u)| *g = gelu_erf(*g) * u),
        }
    });
    Ok(())
}

struct Gated<'a, const KIND: u8> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl<const KIND: u8> Op for Gated<'_, KIND> {
    type Out = ();

    #[inline(always)]
    fn run<S: Lanes>(self, s: S) {
        let one = s.splat(1.0);
        for (gate, up) in self.gate.chunks_mut(N).zip(self.up.chunks(N)) {
            let x = s.load_part(gate, 0.0);
            // Both are x · logistic(y), since (1 + tanh(z))/2 is the logistic function of 2z.
            let y = if KIND == 0 {
                x
            } else {
                let cubic = s.fma(s.mul(s.splat(0.044_715), s.mul(x, x)), x, x);
                s.mul(s.splat(2.0 * 0.797_884_6), cubic)
            };
            let e = s.exp(s.sub(s.splat(0.0), y));
            s.store_part(s.mul(s.div(x, s.add(one, e)), s.load_part(up, 0.0)), gate);
        }
    }
}

/// The exact GELU, in f64 with the platform's exponential function (so its last bit may differ between platforms).
pub fn gelu_erf(x: f32) -> f32 {
    let x = f64::from(x);
    (x * 0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)) as f32
}

/// 1 - erf(x): the all-positive series near zero, Lentz's continued fraction in the tail.
pub(crate) fn erfc(x: f64) -> f64 {
    let z = x.abs();
    if z.is_nan() {
        return x;
    }
    let tail = if z < 2.5 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * z * z / (2.0 * n + 1.0);
            sum += term;
        }
        1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp()
    } else if z > 27.0 {
        0.0
    } else {
        let fraction = (1..=60).rev().fold(z, |f, k| z + f64::from(k) * 0.5 / f);
        (-z * z).exp() * 0.5 * std::f64::consts::FRAC_2_SQRT_PI / fraction
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{each_level, noise};

    fn run(kind: Activation, gate: &[f32], up: &[f32]) -> Vec<f32> {
        each_level(|level| {
            let mut y = gate.to_vec();
            gated(&Pool::new(2), level, kind, &mut y, up).unwrap();
            y
        })
    }

    #[test]
    fn silu_follows_its_definition() {
        for n in [1, 15, 16, 17, 100, 5000] {
            let gate: Vec<f32> = noise(n, 2).iter().map(|v| v * 20.0).collect();
            let up = noise(n, 4);
            for ((g, u), y) in gate.iter().zip(&up).zip(run(Activation::Silu, &gate, &up)) {
                let (g, u) = (f64::from(*g), f64::from(*u));
                let truth = g / (1.0 + (-g).exp()) * u;
                assert!((f64::from(y) - truth).abs() <= truth.abs() * 2f64.powi(-24) * (16.0 + 2.0 * g.abs()));
            }
        }
    }

    #[test]
    fn both_gelus_follow_their_definitions() {
        let gate: Vec<f32> = (-80..=80).map(|i| i as f32 / 10.0).collect();
        let ones = vec![1.0; gate.len()];
        for (g, y) in gate.iter().zip(run(Activation::GeluTanh, &gate, &ones)) {
            let g = f64::from(*g);
            let truth = 0.5 * g * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g * g * g)).tanh());
            assert!((f64::from(y) - truth).abs() <= 2e-6 * truth.abs() + 1e-12, "{g}: {y} {truth}");
        }
        // Values of x·Φ(x) from tables of the normal distribution.
        for (x, phi) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-2.0, 0.022_750_131_948_179_2),
            (3.0, 0.998_650_101_968_37),
            (-6.0, 9.865_876_450_377e-10),
        ] {
            let truth = x * phi;
            assert!((f64::from(gelu_erf(x as f32)) - truth).abs() <= 1e-7 * truth.abs(), "{x}");
        }
    }

    #[test]
    fn special_values() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let y = run(Activation::Silu, &[inf, -1e4, nan, 0.0, -1000.0], &[1.0; 5]);
        assert_eq!((y[0], y[1], y[3], y[4]), (inf, 0.0, 0.0, 0.0));
        assert!(y[2].is_nan());
        assert_eq!(gelu_erf(inf), inf);
        assert!(gelu_erf(nan).is_nan());
        assert!(gated(&Pool::new(1), Level::SCALAR, Activation::Silu, &mut [0.0; 2], &[0.0]).is_err());
    }
}
