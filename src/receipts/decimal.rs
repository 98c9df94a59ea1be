//! Decimal numbers in signed text: strings with one spelling, compared exactly, never floats.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

pub const MAX_BYTES: usize = 40;

/// `-12.50`: digits as they were written, trailing zeros included, since they say how precise the number is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecimalError(String);

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a decimal number such as 7, 0.5 or -12.50", self.0)
    }
}

impl std::error::Error for DecimalError {}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match magnitude.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (magnitude, None),
        };
        let well_formed = text.len() <= MAX_BYTES
            && digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(digits);
        let is_zero = magnitude.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if !well_formed || (is_zero && text.starts_with('-')) {
            return Err(DecimalError(text.chars().take(MAX_BYTES).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Decimal {
    /// The nearest number of so many significant digits; none for what is not finite or has no room.
    pub fn rounded(x: f64, digits: u32) -> Option<Self> {
        if !x.is_finite() {
            return None;
        }
        let magnitude = if x == 0.0 { 0 } else { x.abs().log10().floor() as i64 };
        let places = usize::try_from(i64::from(digits) - 1 - magnitude).unwrap_or(0);
        let text = format!("{x:.places$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if text == "-0" { "0" } else { text }.parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By value: `1.5` and `1.50` are equal here, though not the same text.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.0.strip_prefix('-'), other.0.strip_prefix('-')) {
            (None, None) => compare_magnitudes(&self.0, &other.0),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_magnitudes(b, a),
        }
    }

    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-')
    }

    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| matches!(byte, b'0' | b'.'))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn compare_magnitudes(a: &str, b: &str) -> Ordering {
    let (a_whole, a_fraction) = a.split_once('.').unwrap_or((a, ""));
    let (b_whole, b_fraction) = b.split_once('.').unwrap_or((b, ""));
    let fractions = || a_fraction.trim_end_matches('0').cmp(b_fraction.trim_end_matches('0'));
    a_whole.len().cmp(&b_whole.len()).then_with(|| a_whole.cmp(b_whole)).then_with(fractions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling() {
        for text in ["0", "7", "-7", "0.5", "0.0", "10.00", "-0.001", "9999999999999999999999999999999999999999"] {
            assert_eq!(text.parse::<Decimal>().unwrap().as_str(), text);
        }
        for text in ["", "-", ".", "1.", ".5", "+1", "01", "-0", "-0.00", "1e3", "1.5.5", " 1", "١", "NaN", "0x1"] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
        assert!("1".repeat(MAX_BYTES + 1).parse::<Decimal>().is_err());
    }

    #[test]
    fn floats_are_rounded_to_digits() {
        let told = |x: f64| Decimal::rounded(x, 4).map(|d| d.as_str().to_owned());
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (35.0, "35"),
            (35.126, "35.13"),
            (0.000_123_46, "0.0001235"),
            (9.999_96, "10"),
            (123_456.0, "123456"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(told(x).as_deref(), Some(text));
        }
        for x in [f64::NAN, f64::INFINITY, 1e60, 1e-60] {
            assert_eq!(told(x), None, "{x}");
        }
    }

    proptest! {
        #[test]
        fn compares_by_value(a in -99_999i64..99_999, b in -99_999i64..99_999, zeros in 0usize..3) {
            let write = |hundredths: i64, zeros: usize| {
                let sign = if hundredths < 0 { "-" } else { "" };
                let size = hundredths.abs();
                format!("{sign}{}.{:02}{}", size / 100, size % 100, "0".repeat(zeros)).parse::<Decimal>().unwrap()
            };
            prop_assert_eq!(write(a, zeros).compare(&write(b, 0)), a.cmp(&b));
            prop_assert_eq!(write(a, 0).is_negative(), a < 0);
            prop_assert_eq!(write(a, zeros).is_zero(), a == 0);
        }
    }
}
