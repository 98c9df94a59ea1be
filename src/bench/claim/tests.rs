//! Claims that are read, claims that are refused, and what intervals make of them.

use proptest::prelude::*;

use super::*;

fn claim(text: &str) -> Claim {
    Claim::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The message under a caret at its place.
fn refused(text: &str) -> String {
    let error = Claim::parse(text).expect_err(text);
    format!("{text}\n{}^ {}; {}", " ".repeat(error.column() - 1), error.message, error.hint)
}

fn evidence(id: &str, threads: u64, low: f64, high: f64) -> Evidence {
    Evidence {
        id: id.into(),
        setting: Setting { threads: Some(threads), ..Setting::default() },
        value: (low + high) / 2.0,
        interval: Some(Interval { low, high }),
    }
}

#[test]
fn every_metric_has_a_short_name_of_its_own() {
    let names: Vec<&str> = METRICS.iter().map(short_name).collect();
    insta::assert_snapshot!(names.join(" "), @"prefill prefill.bare decode decode.bare first_token between_tokens.p50 between_tokens.p90 between_tokens.p99 load.cold load.warm memory.peak energy");
    for metric in METRICS {
        assert_eq!(metric_named(short_name(metric)), Some(metric));
        assert_eq!(metric_named(metric.id), Some(metric));
    }
}

#[test]
fn claims_name_figure_setting_and_bound() {
    let read = |text: &str| {
        let claim = claim(text);
        let terms = claim
            .terms
            .iter()
            .map(|term| format!("{} [{}] {:?} {:?}", term.metric.id, term.setting, term.sign, term.bound));
        terms.collect::<Vec<_>>().join(" & ")
    };
    insta::assert_snapshot!(read("decode >= 35 tok/s"), @"decode.tok_s [] AtLeast Value(35.0)");
    insta::assert_snapshot!(read("decode<0.97x"), @"decode.tok_s [] Less Ratio(0.97)");
    insta::assert_snapshot!(read(" first-token ≤ 0.3s "), @"first_token.ms [] AtMost Value(300.0)");
    insta::assert_snapshot!(read("memory.peak_mib <= 2 GiB"), @"memory.peak_mib [] AtMost Value(2048.0)");
    insta::assert_snapshot!(read("decode[threads=2, prompt=512] > 1.5 t/s"), @"decode.tok_s [p512 t2] More Value(1.5)");
    insta::assert_snapshot!(read("decode.bare [p512 n128 d0 b4 t2 q8_0] >= 1.02 x"), @"decode.bare_tok_s [p512 n128 d0 b4 t2 q8_0] AtLeast Ratio(1.02)");
    insta::assert_snapshot!(read("DECODE >= 35 tok/s and between_tokens.p99 <= 40000 us AND load.cold < 2 s"), @"decode.tok_s [] AtLeast Value(35.0) & between_tokens.p99_ms [] AtMost Value(40.0) & load.cold_ms [] Less Value(2000.0)");
    insta::assert_snapshot!(read("energy < 500 mJ/tok"), @"energy.j_tok [] Less Value(0.5)");
    assert!(claim("decode >= 1x and energy < 1 J/tok").needs_peer());
    assert!(!claim("energy < 1 J/tok").needs_peer());
    assert_eq!(claim("decode >= 1x and energy < 1 J/tok").terms[1].text, "energy < 1 J/tok");
}

#[test]
fn what_cannot_be_read_is_refused_at_its_place() {
    let texts = [
        "decod >= 35 tok/s",
        "",
        "ttft < 300 ms",
        "decode = 35 tok/s",
        "decode => 35 tok/s",
        "decode >= fast",
        "decode >= 35",
        "decode >= 35 ms",
        "decode >= 97%",
        "decode >= 1,5 tok/s",
        "decode >= -1 tok/s",
        "decode >= 0x",
        "decode >= 35 tok/s or energy < 1 J/tok",
        "decode >= 35 tok/s and",
        "decode[treads=2] >= 35 tok/s",
        "decode[threads=two] >= 35 tok/s",
        "decode[t2, threads=3] >= 35 tok/s",
        "decode[t2 >= 35 tok/s",
        "سرعة >= 35 tok/s",
    ];
    insta::assert_snapshot!(texts.map(refused).join("\n"), @"
    decod >= 35 tok/s
    ^ there is no figure `decod`; did you mean `decode`?

    ^ the claim ends where the name of a figure is needed; there are prefill, prefill.bare, decode, decode.bare, first_token, between_tokens.p50, between_tokens.p90, between_tokens.p99, load.cold, load.warm, memory.peak, energy
    ttft < 300 ms
    ^ there is no figure `ttft`; did you mean `first_token`?
    decode = 35 tok/s
           ^ `=` stands where <, <=, > or >= is needed; a measured figure equals nothing exactly: give a bound with <= or >=
    decode => 35 tok/s
           ^ `=>` stands where <, <=, > or >= is needed; a measured figure equals nothing exactly: give a bound with <= or >=
    decode >= fast
              ^ `fast` stands where a number is needed; as in 'decode >= 35 tok/s' or 'decode >= 0.97x'
    decode >= 35
                ^ 35 has no unit; `decode` is measured in tok/s: give tok/s, t/s, token/s, tokens/s, ktok/s, or `x` for a ratio
    decode >= 35 ms
                 ^ `ms` is no unit of `decode`; `decode` is measured in tok/s: give tok/s, t/s, token/s, tokens/s, ktok/s, or `x` for a ratio
    decode >= 97%
                ^ `%` is no unit of `decode`; `decode` is measured in tok/s: give tok/s, t/s, token/s, tokens/s, ktok/s, or `x` for a ratio
    decode >= 1,5 tok/s
              ^ `1,5` stands where a number is needed; write decimals with a point, and thousands without a sign
    decode >= -1 tok/s
              ^ -1 is no value that a figure can have; give one above zero
    decode >= 0x
              ^ a ratio is above zero; as in 'decode >= 0.97x'
    decode >= 35 tok/s or energy < 1 J/tok
                       ^ `or` stands where the claim should end; give each alternative as a claim of its own
    decode >= 35 tok/s and
                          ^ the claim ends where the name of a figure is needed; there are prefill, prefill.bare, decode, decode.bare, first_token, between_tokens.p50, between_tokens.p90, between_tokens.p99, load.cold, load.warm, memory.peak, energy
    decode[treads=2] >= 35 tok/s
           ^ there is no setting `treads`; did you mean `threads`?
    decode[threads=two] >= 35 tok/s
                   ^ threads is `two`, and a whole number is needed; such as 512
    decode[t2, threads=3] >= 35 tok/s
               ^ threads is given twice; a figure has each setting once
    decode[t2 >= 35 tok/s
              ^ `>=` stands where `,` or `]` is needed; write settings as in decode[threads=2, prompt=512]
    سرعة >= 35 tok/s
    ^ there is no figure `سرعة`; there are prefill, prefill.bare, decode, decode.bare, first_token, between_tokens.p50, between_tokens.p90, between_tokens.p99, load.cold, load.warm, memory.peak, energy
    ");
}

#[test]
fn the_bound_of_the_interval_decides() {
    let decide = |text: &str, low: f64, high: f64| {
        let evidence = [evidence("decode.tok_s", 2, low, high)];
        claim(text).decide(&evidence, &evidence).verdict
    };
    use Verdict::{Inconclusive, Refuted, Supported};
    assert_eq!(decide("decode >= 35 tok/s", 35.0, 40.0), Supported);
    assert_eq!(decide("decode > 35 tok/s", 35.0, 40.0), Inconclusive);
    assert_eq!(decide("decode >= 35 tok/s", 34.9, 40.0), Inconclusive);
    assert_eq!(decide("decode >= 35 tok/s", 30.0, 35.0), Inconclusive);
    assert_eq!(decide("decode > 35 tok/s", 30.0, 35.0), Refuted);
    assert_eq!(decide("decode >= 35 tok/s", 30.0, 34.9), Refuted);
    assert_eq!(decide("decode < 0.97x", 0.9, 0.96), Supported);
    assert_eq!(decide("decode < 0.97x", 0.96, 0.98), Inconclusive);
    assert_eq!(decide("decode < 0.97x", 0.97, 0.98), Refuted);
    assert_eq!(decide("decode <= 0.97x", 0.97, 0.98), Inconclusive);
    assert_eq!(decide("decode < 0.97x", 0.9, 0.96).negated(), Refuted);
}

#[test]
fn all_terms_and_all_settings_must_hold() {
    let values = [
        evidence("decode.tok_s", 1, 20.0, 22.0),
        evidence("decode.tok_s", 2, 36.0, 38.0),
        evidence("first_token.ms", 2, 190.0, 210.0),
    ];
    let decide = |text: &str| claim(text).decide(&values, &[]);
    assert_eq!(decide("decode >= 35 tok/s").verdict, Verdict::Refuted);
    assert_eq!(decide("decode >= 35 tok/s").findings.len(), 2);
    assert_eq!(decide("decode[t2] >= 35 tok/s").verdict, Verdict::Supported);
    assert_eq!(decide("decode[t2] >= 35 tok/s and first_token < 200 ms").verdict, Verdict::Inconclusive);
    assert_eq!(decide("decode >= 35 tok/s and first_token < 200 ms").verdict, Verdict::Refuted);
}

#[test]
fn what_was_not_measured_is_never_supported() {
    let short = Evidence { interval: None, ..evidence("decode.tok_s", 2, 50.0, 60.0) };
    assert_eq!(claim("decode >= 35 tok/s").decide(&[short], &[]).verdict, Verdict::Inconclusive);
    let nothing = claim("decode >= 35 tok/s").decide(&[], &[]);
    assert_eq!((nothing.verdict, nothing.without_evidence), (Verdict::Inconclusive, vec![0]));
    let values = [evidence("decode.tok_s", 2, 50.0, 60.0)];
    assert_eq!(claim("decode >= 0.9x").decide(&values, &[]).verdict, Verdict::Inconclusive);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z .\\[\\]<>=0-9x×é,/_-]{0,40}") {
        if let Err(error) = Claim::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset));
            prop_assert!(error.column() <= text.chars().count() + 1);
        }
    }

    /// A claim and its opposite never both hold, and of an interval on one side of the bound one of them does.
    #[test]
    fn opposites_exclude_each_other(low in 1.0f64..100.0, width in 0.0f64..10.0, bound in 1u32..100) {
        let evidence = [evidence("decode.tok_s", 2, low, low + width)];
        let up = claim(&format!("decode >= {bound} tok/s")).decide(&evidence, &[]).verdict;
        let down = claim(&format!("decode < {bound} tok/s")).decide(&evidence, &[]).verdict;
        prop_assert_eq!(up, down.negated());
    }
}
