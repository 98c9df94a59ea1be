//! Student's t: how far a mean of few values may lie from the truth.

/// The value that t with so many degrees of freedom stays below with probability `p`, 0 < p < 1.
pub fn quantile(p: f64, freedom: f64) -> f64 {
    if p < 0.5 {
        return -quantile(1.0 - p, freedom);
    }
    // Twice the tail is the regularised incomplete beta function of ν/(ν + t²), which falls as t grows.
    let tail = 2.0 * (1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while beyond(high, freedom) > tail && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if beyond(middle, freedom) > tail { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The probability of |t| > x.
fn beyond(x: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + x * x))
}

/// I_x(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8), evaluated as Lentz (1976) does.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on one side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

/// Lanczos' approximation with the coefficients for g = 7 and nine terms; x > 0.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // The reflection formula.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let sum = TERMS[1..].iter().zip(1..).fold(TERMS[0], |sum, (term, i)| sum + term / (x + f64::from(i)));
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of the NIST/SEMATECH e-Handbook, 1.3.6.7.2, and Cauchy's distribution for one degree of freedom.
    #[test]
    fn quantiles_of_the_tables() {
        let table = [
            (0.95, 9.0, 1.833),
            (0.975, 9.0, 2.262),
            (0.99, 9.0, 2.821),
            (0.95, 1.0, 6.314),
            (0.999, 4.0, 7.173),
            (0.90, 19.0, 1.328),
            (0.95, 29.0, 1.699),
            (0.99, 39.0, 2.426),
            (0.975, 100.0, 1.984),
            (0.95, 1e6, 1.645),
        ];
        for (p, freedom, expected) in table {
            let found = quantile(p, freedom);
            assert!((found - expected).abs() < 6e-4, "t({p}, {freedom}) is {found}, tables say {expected}");
            assert!((quantile(1.0 - p, freedom) + found).abs() < 1e-9);
        }
        let cauchy = (std::f64::consts::PI * 0.47).tan();
        assert!((quantile(0.97, 1.0) / cauchy - 1.0).abs() < 1e-12);
        // Two degrees of freedom have a closed form: (2p - 1) / sqrt(2p(1 - p)).
        assert!((quantile(0.995, 2.0) - 0.99 / (2.0 * 0.995 * 0.005f64).sqrt()).abs() < 1e-9);
        assert!(quantile(0.5, 9.0).abs() < 1e-9);
    }

    #[test]
    fn gamma_of_whole_and_half_numbers() {
        let mut factorial = 1.0f64;
        for n in 1..30 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-11 * factorial.ln().max(1.0));
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
        assert!((ln_gamma(0.25) - 3.625_609_908_221_908_f64.ln()).abs() < 1e-12);
    }
}
