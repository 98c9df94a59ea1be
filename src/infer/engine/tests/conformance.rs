//! The comparison with records, on records that the reference makes.

use super::*;
use crate::infer::conformance::{Case, Outcome};
use crate::infer::conformance_lm::{Bounds, gguf};
use crate::infer::tokenizer::EncodeOpts;

/// What the reference says after the prompt, as another implementation would record it.
fn record(change: impl FnOnce(&mut Vec<u32>, &mut Vec<f64>)) -> String {
    let (tensors, definition) = (LLAMA.tensors(), plain(&LLAMA));
    let tokenizer = Tokenizer::from_gguf(&Gguf::parse(&LLAMA.gguf(&tensors)).unwrap()).unwrap();
    let opts = EncodeOpts { add_special: true, parse_special: false };
    let prompt = tokenizer.encode("the cat", opts).unwrap();
    let mut tokens = prompt.clone();
    let mut first = None;
    for _ in 0..12 {
        let logits = definition.logits(&tensors, &tokens).pop().unwrap();
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
        first.get_or_insert(logits);
        tokens.push(best as u32);
    }
    let (mut ids, mut logits) = (tokens.split_off(prompt.len()), first.unwrap());
    let bytes = tokenizer.decode(&ids, Default::default()).unwrap();
    change(&mut ids, &mut logits);
    serde_json::json!({
        "prompt": "the cat", "add_special": true, "prompt_ids": prompt, "greedy_ids": ids,
        "greedy_text": String::from_utf8_lossy(&bytes), "first_step_logits": logits,
    })
    .to_string()
}

fn outcomes(record: &str) -> Vec<Outcome> {
    let cases = gguf("tiny", &LLAMA.gguf(&LLAMA.tensors()), record.as_bytes(), &options());
    cases.into_iter().map(|case: Case| case.outcome).collect()
}

#[test]
fn a_record_that_agrees_passes_in_every_case() {
    assert_eq!(outcomes(&record(|_, _| ())), vec![Outcome::Pass; 4]);
}

#[test]
fn one_that_differs_fails_where_it_does() {
    let found = outcomes(&record(|ids, _| ids[3] ^= 1));
    assert!(matches!(&found[2], Outcome::Fail(reason) if reason.starts_with("step 3")), "{found:?}");
    assert_eq!(found[3], Outcome::Skip("the ids differ".into()));
    let found = outcomes(&record(|_, logits| logits.iter_mut().for_each(|x| *x *= 1.0002)));
    assert!(matches!(&found[1], Outcome::Fail(reason) if reason.starts_with("relative error 2.00e-4")), "{found:?}");
    let found = outcomes(&record(|_, logits| logits.truncate(265)));
    assert_eq!(found[1], Outcome::Fail("266 logits, not 265".into()));
    let found = outcomes(&record(|_, _| ()).replace("the cat", "the"));
    assert!(matches!(&found[0], Outcome::Fail(_)), "{found:?}");
    for bad in ["{}", "[", "{\"prompt\": \"x\"}"] {
        assert!(matches!(&outcomes(bad)[..], [Outcome::Fail(_)]));
    }
    let broken = gguf("tiny", b"GGUF", b"{}", &options());
    assert!(matches!(&broken[..], [Case { outcome: Outcome::Fail(_), .. }]));
}

#[test]
fn bounds_follow_the_coarsest_format() {
    assert_eq!(Bounds::of([DType::F32]), Bounds::SINGLE);
    assert_eq!(Bounds::of([DType::F16, DType::F32]), Bounds::HALF);
    assert_eq!(Bounds::of([DType::Q4K, DType::F16]), Bounds::QUANTISED);
}
