//! Exact decimals: 0.1 + 0.2 is 0.3, and a number remembers how many digits it was printed with.
//!
//! Floats would turn right sums into findings, and a decimal crate that rounds when it runs full would hide wrong ones.
//! Here every operation is exact or `None`; numbers have at most 18 digits, so that products of two always fit.

use std::cmp::Ordering;
use std::fmt;

#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

const MAX_DIGITS: usize = 18;
const MAX_SCALE: u32 = 36;

#[expect(clippy::should_implement_trait, reason = "these may fail, and the traits' operators may not")]
impl Decimal {
    pub const ZERO: Decimal = Decimal { digits: 0, scale: 0 };

    pub fn from_int(n: i64) -> Self {
        Decimal { digits: i128::from(n), scale: 0 }
    }

    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.is_empty() || unsigned.ends_with('.') {
            return Err("is no decimal number");
        }
        let all = format!("{whole}{fraction}");
        if all.trim_start_matches('0').len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
            return Err("has more than 18 digits");
        }
        let digits: i128 = all.parse().map_err(|_| "is no decimal number")?;
        let digits = if text.starts_with('-') { -digits } else { digits };
        Ok(Decimal { digits, scale: u32::try_from(fraction.len()).unwrap_or(MAX_SCALE) })
    }

    pub fn is_negative(self) -> bool {
        self.digits < 0
    }

    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    pub fn abs(self) -> Self {
        Decimal { digits: self.digits.abs(), ..self }
    }

    fn at_scale(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(10i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.at_scale(scale)?, other.at_scale(scale)?, scale))
    }

    pub fn add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { digits: a.checked_add(b)?, scale })
    }

    pub fn sub(self, other: Self) -> Option<Self> {
        self.add(Decimal { digits: other.digits.checked_neg()?, ..other })
    }

    pub fn mul(self, other: Self) -> Option<Self> {
        let scale = self.scale + other.scale;
        (scale <= MAX_SCALE).then_some(())?;
        Some(Decimal { digits: self.digits.checked_mul(other.digits)?, scale })
    }

    /// The quotient, rounded half away from zero to `scale` digits after the point.
    pub fn div(self, other: Self, scale: u32) -> Option<Self> {
        let (a, b, _) = self.aligned(other)?;
        let numerator = a.checked_mul(10i128.checked_pow(scale)?)?.checked_mul(2)?;
        let sign = if (a < 0) == (b < 0) { 1 } else { -1 };
        let doubled = numerator.abs().checked_div(b.abs())?;
        Some(Decimal { digits: sign * ((doubled + 1) / 2), scale })
    }

    /// Half of the last digit that was printed: what rounding alone can be off by.
    pub fn half_last_digit(self) -> Self {
        Decimal { digits: 5, scale: self.scale + 1 }
    }

    /// Whether `exact`, rounded as this number was, could have been printed as this number.
    pub fn could_print(self, exact: Decimal) -> bool {
        self.sub(exact).is_some_and(|off| off.abs() <= self.half_last_digit())
    }

    pub fn sum(all: impl IntoIterator<Item = Decimal>) -> Option<Decimal> {
        all.into_iter().try_fold(Decimal::ZERO, Decimal::add)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((a, b, _)) => a.cmp(&b),
            // One of the two is so large that bringing it to the other's scale does not fit: its sign decides.
            None if self.scale < other.scale => self.digits.cmp(&0),
            None => 0.cmp(&other.digits),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut digits, mut scale) = (self.digits.unsigned_abs(), self.scale);
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        let width = scale as usize + 1;
        let text = format!("{digits:0width$}");
        let (whole, fraction) = text.split_at(text.len() - scale as usize);
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(d("0.1").add(d("0.2")), Some(d("0.3")));
        assert_eq!(d("500").sub(d("31.25")), Some(d("468.75")));
        assert_eq!(d("31.25").mul(d("1000")), Some(d("31250")));
        assert_eq!(d("401").div(d("500"), 3), Some(d("0.802")));
        assert_eq!(d("-1").div(d("3"), 2), Some(d("-0.33")));
        assert_eq!(d("1").div(d("0"), 2), None);
        assert_eq!(d("2.50").to_string(), "2.5");
        assert_eq!(d("-0.05").to_string(), "-0.05");
    }

    #[test]
    fn tolerance_is_half_of_the_last_printed_digit() {
        assert!(d("80").could_print(d("80.2")));
        assert!(d("7.4").could_print(d("7.447")));
        assert!(!d("7.5").could_print(d("7.447")));
        assert!(!d("5").could_print(d("5.75")));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "NaN", ".inf", "0x10", "1_000", "1,5", "--1", "1234567890123456789"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_agrees_with_subtraction(a in -10i64.pow(15)..10i64.pow(15), b in -10i64.pow(15)..10i64.pow(15), s in 0u32..9, t in 0u32..9) {
            let (a, b) = (Decimal { digits: a.into(), scale: s }, Decimal { digits: b.into(), scale: t });
            let difference = a.sub(b).unwrap();
            prop_assert_eq!(a.cmp(&b), difference.cmp(&Decimal::ZERO));
            prop_assert_eq!(Decimal::parse(&a.to_string()).unwrap(), a);
        }
    }
}
