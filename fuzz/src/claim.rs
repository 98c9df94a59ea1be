//! What people claim in a line: speeds, ratios of kernels, sums of a plan, names of models, sizes, numbers, paths. A
//! refusal points into the line.

use bizra::bench::adapters::Pattern;
use bizra::bench::claim;
use bizra::config::parse_size;
use bizra::kernel::case::Case;
use bizra::kernel::claims::{Claim, Known};
use bizra::model::name::Name;
use bizra::plan::decimal::Decimal;
use bizra::plan::expr::{Numbers, evaluate};
use bizra::plan::gate::glob;

const KNOWN: Known<'_> = Known { baselines: &["naive", "candle-naive@0.11.1"], sizes: &["S", "D"] };

struct Two;

impl Numbers for Two {
    fn select(&self, path: &str, _: &[(String, String)]) -> Option<Vec<Decimal>> {
        (path == "hours").then(|| ["1.5", "40"].iter().filter_map(|text| Decimal::parse(text).ok()).collect())
    }
}

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let columns = 1..=text.chars().count() + 1;
    match claim::Claim::parse(text) {
        Ok(claim) => assert!(!claim.terms.is_empty()),
        Err(error) => assert!(columns.contains(&error.column()), "{error}"),
    }
    match Claim::parse(text, &KNOWN) {
        Ok(claim) => assert_eq!(Claim::parse(&claim.text, &KNOWN), Ok(claim)),
        Err(error) => assert!(columns.contains(&error.column()), "{error}"),
    }
    if let Err(reason) = evaluate(text, &Two) {
        assert_ne!(reason, "");
    }
    if let Ok(name) = Name::parse(text) {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(number) = Decimal::parse(text) {
        assert_eq!(Decimal::parse(&number.to_string()), Ok(number));
    }
    if let Some(case) = Case::parse(text) {
        assert_eq!(Case::parse(&case.to_string()), Some(case));
    }
    let _ = (parse_size(text), Pattern::parse(text).is_ok(), claim::figure(text).is_ok());
    let (pattern, path) = text.split_once('\n').unwrap_or((text, "src/lib.rs"));
    assert!(glob::is_pattern(pattern) || !glob::fits(pattern, path) || pattern == path);
}
