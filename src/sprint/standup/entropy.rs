//! What a standup can say of entropy: a measurement that somebody made, or why there is none. Nothing is measured here.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::short;

#[derive(Clone, Debug, PartialEq)]
pub enum Entropy {
    NotMeasured {
        why: String,
        /// The command that changes that.
        next: &'static str,
    },
    Measured(Measured),
}

/// One measurement, in bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub receipt: String,
    /// The commit that was measured, and when.
    pub commit: String,
    pub at: Timestamp,
    pub h: f64,
    pub p: f64,
    pub v: f64,
    pub ceiling: f64,
    /// The change, and the commit since which.
    pub change: Option<(f64, String)>,
    pub scatter: Option<f64>,
    pub has_baseline: bool,
}

impl Measured {
    /// `H 41.20 → 39.87 bits (Δ −1.33 since 60e3c86a11)`
    pub fn line(&self) -> String {
        let h = self.h;
        match &self.change {
            Some((delta, since)) => {
                format!("H {:.2} → {h:.2} bits (Δ {} since {})", (h - delta).max(0.0), signed(*delta), short(since))
            }
            None if !self.has_baseline => format!("H {h:.2} bits (no Δ: no baseline locks the claims)"),
            None => format!("H {h:.2} bits (no Δ: there was nothing to compare it with)"),
        }
    }

    pub fn words(&self, zone: &TimeZone) -> Vec<String> {
        let at = self.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let parts = format!("P {:.2}, V {:.2}, at most {:.2}", self.p, self.v, self.ceiling);
        let scatter = self.scatter.map(|scatter| format!("C {scatter:.2} bits of scatter"));
        let place = format!("commit {} at {at}", short(&self.commit));
        let baseline = (!self.has_baseline).then(|| "next: bizra entropy baseline".to_owned());
        [Some(parts), scatter, Some(place), baseline].into_iter().flatten().collect()
    }
}

/// `−1.33`, with the sign that typography has for it, and no minus before nothing.
fn signed(bits: f64) -> String {
    let text = format!("{:.2}", bits.abs());
    match text.as_str() {
        "0.00" => "0".into(),
        _ if bits < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(change: Option<(f64, &str)>) -> Measured {
        Measured {
            receipt: "r".into(),
            commit: "c".repeat(40),
            at: Timestamp::UNIX_EPOCH,
            h: 39.866,
            p: 30.0,
            v: 9.866,
            ceiling: 50.0,
            change: change.map(|(delta, since)| (delta, since.into())),
            scatter: None,
            has_baseline: true,
        }
    }

    #[test]
    fn a_change_has_its_sign_and_what_it_is_since() {
        let since = "0123456789abcdef";
        for (delta, told) in [
            (-1.334, "H 41.20 → 39.87 bits (Δ −1.33 since 0123456789)"),
            (0.5, "H 39.37 → 39.87 bits (Δ +0.50 since 0123456789)"),
            (-0.001, "H 39.87 → 39.87 bits (Δ 0 since 0123456789)"),
        ] {
            assert_eq!(measured(Some((delta, since))).line(), told);
        }
        assert_eq!(measured(None).line(), "H 39.87 bits (no Δ: there was nothing to compare it with)");
        let open = Measured { has_baseline: false, ..measured(None) };
        assert_eq!(open.line(), "H 39.87 bits (no Δ: no baseline locks the claims)");
        assert!(open.words(&TimeZone::UTC).contains(&"next: bizra entropy baseline".to_owned()));
    }
}
