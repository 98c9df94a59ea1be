//! Claims that are read, claims that are refused, and what figures make of them.

use proptest::prelude::*;

use super::*;
use crate::kernel::timing::session::Spent;
use crate::kernel::timing::{Statistic, Verdict};

const KNOWN: Known<'_> = Known { baselines: &["naive", "candle-naive@0.11.1"], sizes: &["S", "Hkv", "D", "causal"] };

fn claim(text: &str) -> Claim {
    Claim::parse(text, &KNOWN).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The message under a caret at its place.
fn refused(text: &str) -> String {
    refused_among(text, &KNOWN)
}

fn refused_among(text: &str, known: &Known<'_>) -> String {
    let error = Claim::parse(text, known).expect_err(text);
    format!("{text}\n{}^ {}; {}", " ".repeat(error.column() - 1), error.message, error.hint)
}

fn shape(s: u64, d: u64) -> impl Fn(&str) -> Option<u64> {
    move |name| match name {
        "S" => Some(s),
        "D" => Some(d),
        "causal" => Some(1),
        _ => None,
    }
}

#[test]
fn claims_name_a_figure_a_bound_and_shapes() {
    let read = |text: &str| {
        let claim = claim(text);
        let shapes = match &claim.shapes {
            Shapes::Where(conditions) => conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" & "),
            other => format!("{other:?}"),
        };
        let what = match &claim.what {
            What::Ratio { sign, bound, baseline } => format!("{} {bound} x {baseline}", sign.text()),
            What::Between { least, reached, at, baseline } => {
                let at: Vec<String> = at.iter().map(ToString::to_string).collect();
                format!(">= {least} x {baseline}, {reached} at {}", at.join(" & "))
            }
            What::Gap { below, receipt } => format!("short of {receipt} by less than {below}"),
            What::Bandwidth { sign, share } => format!("{} {share} of bandwidth", sign.text()),
        };
        format!("{what} on {shapes}")
    };
    insta::assert_snapshot!(read("ratio >= 2.0 over candle-naive@0.11.1 on S>=1024"), @">= 2 x candle-naive@0.11.1 on S>=1024");
    insta::assert_snapshot!(read("ratio<1 over naive on S = 128, D=64 , causal=true"), @"< 1 x naive on S=128 & D=64 & causal=1");
    insta::assert_snapshot!(read("ratio in [2,4] over naive on S=512..8192 at S=2048, D=64"), @">= 2 x naive, 4 at S=2048 & D=64 on S=512..8192");
    insta::assert_snapshot!(read(" +20% over naive on shapes/llm.yaml"), @">= 1.2 x naive on File(\"shapes/llm.yaml\")");
    insta::assert_snapshot!(read("gap < 10% vs receipt:01JQ-x_9 on all"), @"short of 01JQ-x_9 by less than 0.1 on All");
    insta::assert_snapshot!(read("fraction_of_bandwidth ≥ 0.8"), @">= 0.8 of bandwidth on All");
    let only = Known { baselines: &["naive"], sizes: &[] };
    assert_eq!(Claim::parse("ratio >= 2", &only).unwrap().baseline(), Some("naive"));
}

#[test]
fn what_cannot_be_read_is_refused_at_its_place() {
    let texts = [
        "ration >= 2 over naive",
        "",
        "speedup >= 2 over naive",
        "ratio = 2 over naive",
        "ratio => 2 over naive",
        "ratio >= fast over naive",
        "ratio >= 2x over naive",
        "ratio >= -1 over naive",
        "ratio >= inf over naive",
        "ratio >= 2",
        "ratio >= 2 over",
        "ratio >= 2 over naiv",
        "ratio >= 2 over candle-naive",
        "ratio >= 2 over naive on T>=5",
        "ratio >= 2 over naive on S>=1k",
        "ratio >= 2 over naive on S=9..3",
        "ratio >= 2 over naive on S>=1024 and D=64",
        "ratio >= 2 over naive where S>=1024",
        "ratio >= 2 over naive at S=2048",
        "ratio in [2,4] over naive",
        "ratio in [4,2] over naive at S=2048",
        "ratio in (2,4) over naive",
        "+20 over naive",
        "gap > 10% vs receipt:x",
        "gap < 100% vs receipt:x",
        "gap < 10% over naive",
        "gap < 10% vs 01JQ",
        "gap < 10% vs receipt:",
        "fraction_of_bandwidth >= 80",
        "سرعة >= 2",
    ];
    insta::assert_snapshot!(texts.map(refused).join("\n"), @"
    ration >= 2 over naive
    ^ `ration` is nothing that can be claimed; did you mean `ratio`?

    ^ there is no claim here; a claim begins with ratio, +20%, gap, fraction_of_bandwidth, as in 'ratio >= 2.0 over naive on S>=1024'
    speedup >= 2 over naive
    ^ `speedup` is nothing that can be claimed; a claim begins with ratio, +20%, gap, fraction_of_bandwidth, as in 'ratio >= 2.0 over naive on S>=1024'
    ratio = 2 over naive
          ^ `=` stands where <, <=, > or >= is needed; a measured figure equals nothing exactly: give a bound with <= or >=
    ratio => 2 over naive
          ^ `=>` stands where <, <=, > or >= is needed; a measured figure equals nothing exactly: give a bound with <= or >=
    ratio >= fast over naive
             ^ `fast` stands where a number is needed; as in 'ratio >= 2.0 over naive on S>=1024'
    ratio >= 2x over naive
             ^ `2x` stands where a number is needed; leave the x away: a ratio has no unit
    ratio >= -1 over naive
             ^ -1 is no bound that a figure can have; give one above zero
    ratio >= inf over naive
             ^ `inf` stands where a number is needed; as in 'ratio >= 2.0 over naive on S>=1024'
    ratio >= 2
              ^ the claim ends where `over` and a baseline are needed; the manifest's baselines are naive, candle-naive@0.11.1
    ratio >= 2 over
                   ^ the claim ends where a baseline is needed; the manifest's baselines are naive, candle-naive@0.11.1
    ratio >= 2 over naiv
                    ^ there is no baseline `naiv`; did you mean `naive`?
    ratio >= 2 over candle-naive
                    ^ there is no baseline `candle-naive`; did you mean `candle-naive@0.11.1`?
    ratio >= 2 over naive on T>=5
                             ^ shapes have no size `T`; shapes have S, Hkv, D, causal
    ratio >= 2 over naive on S>=1k
                                ^ `1k` stands where a whole number is needed; as in 'S>=1024'
    ratio >= 2 over naive on S=9..3
                               ^ the range from 9 to 3 is empty; write 3..9
    ratio >= 2 over naive on S>=1024 and D=64
                                     ^ `and` stands where the claim should end; give each as a claim of its own, with an id of its own
    ratio >= 2 over naive where S>=1024
                          ^ `where` stands where the claim should end; write the condition after `on`, or under the manifest's key `where`
    ratio >= 2 over naive at S=2048
                          ^ `at` belongs to a range; write `on` for the shapes of the whole claim
    ratio in [2,4] over naive
                             ^ the claim doesn't say which shape reaches 4; name it at the end, as in 'at S=2048'
    ratio in [4,2] over naive at S=2048
              ^ the range from 4 to 2 is empty; the first number holds everywhere, the second, greater one on a named shape
    ratio in (2,4) over naive
             ^ `(2,4)` stands where `[` is needed; as in 'ratio in [2, 4] over naive at S=2048'
    +20 over naive
        ^ `over` stands where `%` is needed; write 20%
    gap > 10% vs receipt:x
        ^ a gap is bounded from above; as in 'gap < 10% vs receipt:ID'
    gap < 100% vs receipt:x
          ^ a gap below 100% says nothing: every kernel reaches that; as in 'gap < 10% vs receipt:ID'
    gap < 10% over naive
              ^ `over` stands where `vs` is needed; as in 'gap < 10% vs receipt:ID'
    gap < 10% vs 01JQ
                 ^ `01JQ` stands where `receipt:` is needed; a gap is to what another device's receipt holds, as in 'gap < 10% vs receipt:ID'
    gap < 10% vs receipt:
                         ^ the claim ends where a receipt's id is needed; `bizra receipts list` shows them
    fraction_of_bandwidth >= 80
                             ^ 80 of the bandwidth is more than there is; give a share between 0 and 1, as in 'fraction_of_bandwidth >= 0.8'
    سرعة >= 2
    ^ `سرعة` is nothing that can be claimed; a claim begins with ratio, +20%, gap, fraction_of_bandwidth, as in 'ratio >= 2.0 over naive on S>=1024'
    ");
    let none = Known { baselines: &[], sizes: &["S"] };
    insta::assert_snapshot!(refused_among("ratio >= 2", &none) + "\n" + &refused_among("ratio >= 2 over naive", &none), @"
    ratio >= 2
              ^ there is no baseline to compare with; add one under `baselines`
    ratio >= 2 over naive
                    ^ there is no baseline `naive`; add one under `baselines`
    ");
}

#[test]
fn shapes_are_meant_by_their_sizes() {
    let long = claim("ratio >= 2 over naive on S>=1024, D=64");
    assert!(long.is_about(&shape(1024, 64)) && !long.is_about(&shape(1023, 64)) && !long.is_about(&shape(2048, 128)));
    assert!(!claim("ratio >= 2 over naive on Hkv=1").is_about(&shape(1, 1)), "a size that the shape doesn't have");
    assert!(claim("ratio >= 2 over naive on S=512..1024").is_about(&shape(1024, 1)));
    assert!(claim("ratio >= 2 over naive").is_about(&shape(1, 1)));
}

#[test]
fn a_range_asks_more_of_the_shape_it_names() {
    let range = claim("ratio in [2, 4] over naive on S>=512 at S=2048");
    assert_eq!(range.asks(&shape(512, 64)), (Sign::AtLeast, 2.0));
    assert_eq!(range.asks(&shape(2048, 64)), (Sign::AtLeast, 4.0));
    let (with, without) = (shape(2048, 64), shape(1024, 64));
    assert!(!range.misses_its_peak([&without as &dyn Fn(&str) -> Option<u64>, &with]));
    assert!(range.misses_its_peak([&without as &dyn Fn(&str) -> Option<u64>]));
    assert_eq!(claim("+20% over naive").asks(&shape(1, 1)), (Sign::AtLeast, 1.2));
    assert_eq!(claim("gap < 10% vs receipt:x").asks(&shape(1, 1)), (Sign::More, 0.9));
}

const SPENT: Spent = Spent { support: 0.05, refute: 0.05 };

#[test]
fn an_interval_decides() {
    let verdict = |sign, low: f64, high: f64| {
        let (low, high) = (low.ln(), high.ln());
        let mean = f64::midpoint(low, high);
        // With many processes t is normal: 1.645 errors to each side.
        let found = Statistic { mean, error: (high - mean) / 1.644_853_627, freedom: 1e9 };
        Claim::judge(sign, 2.0, &found, SPENT)
    };
    assert_eq!(verdict(Sign::AtLeast, 2.01, 2.2), Verdict::Supported);
    assert_eq!(verdict(Sign::AtLeast, 1.9, 2.1), Verdict::Inconclusive);
    assert_eq!(verdict(Sign::AtLeast, 1.7, 1.99), Verdict::Refuted);
    assert_eq!(verdict(Sign::Less, 1.7, 1.99), Verdict::Supported);
    assert_eq!(verdict(Sign::Less, 1.9, 2.1), Verdict::Inconclusive);
    assert_eq!(verdict(Sign::Less, 2.01, 2.2), Verdict::Refuted);
    let exact = Statistic { mean: 2f64.ln(), error: 0.0, freedom: 9.0 };
    assert_eq!(Claim::judge(Sign::AtLeast, 2.0, &exact, SPENT), Verdict::Supported);
    assert_eq!(Claim::judge(Sign::More, 2.0, &exact, SPENT), Verdict::Refuted);
}

proptest! {
    /// Whatever is typed is read or refused at a place inside it.
    #[test]
    fn nothing_typed_panics(text in "\\PC{0,40}", words in prop::collection::vec(0usize..24, 0..12)) {
        const WORDS: [&str; 24] = ["ratio", "in", "[", "]", ",", ">=", "<", "2.0", "4", "over", "naive", "on", "S", "=",
            "..", "at", "all", "gap", "10%", "vs", "receipt:x", "fraction_of_bandwidth", "+", "shapes/a.yaml"];
        let spelled: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
        for text in [text, spelled.join(" "), spelled.concat()] {
            if let Err(error) = Claim::parse(&text, &KNOWN) {
                prop_assert!(error.column() <= text.chars().count() + 1);
            }
        }
    }

    /// A verdict never goes both ways: what is supported is not refuted by its contrary's bound.
    #[test]
    fn contrary_claims_are_never_both_supported(mean in -1f64..1.0, error in 0f64..0.3, bound in 0.3f64..3.0) {
        let found = Statistic { mean, error, freedom: 9.0 };
        let judge = |sign| Claim::judge(sign, bound, &found, SPENT);
        prop_assert!(judge(Sign::AtLeast) != Verdict::Supported || judge(Sign::Less) == Verdict::Refuted);
        prop_assert!(judge(Sign::Less) != Verdict::Supported || judge(Sign::AtLeast) == Verdict::Refuted);
    }
}
