//! What each setting keeps, and that draws follow the probabilities.

use proptest::prelude::*;

use super::*;

fn ids(sampling: &Sampling, logits: &[f32]) -> Vec<usize> {
    let mut sampler = Sampler::new(sampling, logits.len()).unwrap();
    sampler.adjust(logits);
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    sampler.candidates(most).into_iter().map(|(id, _)| id).collect()
}

fn ln(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|p| p.ln()).collect()
}

fn drawing() -> Sampling {
    Sampling { temperature: 1.0, ..Sampling::default() }
}

#[test]
fn greedy_takes_the_greatest_and_of_equal_ones_the_first() {
    let pick = |logits: &[f32]| Sampler::new(&Sampling::default(), logits.len()).unwrap().pick(logits);
    assert_eq!(pick(&[0.0, 3.0, -1.0, 3.0]), Some(1));
    assert_eq!(pick(&[f32::NAN, -3.0]), Some(1));
    assert_eq!(pick(&[f32::NAN]), None);
    assert_eq!(pick(&[f32::NEG_INFINITY; 2]), None);
    assert_eq!(pick(&[]), None);
}

#[test]
fn the_generator_is_chacha20_with_the_seed_as_key() {
    // RFC 8439, A.1, test vector 1: key, nonce and counter zero.
    let mut sampler = Sampler::new(&drawing(), 1).unwrap();
    assert_eq!(sampler.generator.next_u64().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    let uniform = (0x903d_f1a0_ade0_b876u64 >> 11) as f64 / (1u64 << 53) as f64;
    let expected = (uniform * 1000.0) as u32;
    let mut sampler = Sampler::new(&drawing(), 1000).unwrap();
    assert_eq!(sampler.pick(&[0.5; 1000]), Some(expected));
}

#[test]
fn each_filter_keeps_what_it_says() {
    let logits = ln(&[0.1, 0.4, 0.05, 0.3, 0.15]);
    assert_eq!(ids(&drawing(), &logits), [0, 1, 2, 3, 4]);
    assert_eq!(ids(&Sampling { top_k: 2, ..drawing() }, &logits), [1, 3]);
    assert_eq!(ids(&Sampling { top_p: 0.69, ..drawing() }, &logits), [1, 3]);
    assert_eq!(ids(&Sampling { top_p: 0.71, ..drawing() }, &logits), [1, 3, 4]);
    assert_eq!(ids(&Sampling { top_p: 0.01, ..drawing() }, &logits), [1]);
    assert_eq!(ids(&Sampling { min_p: 0.3, ..drawing() }, &logits), [1, 3, 4]);
    assert_eq!(ids(&Sampling { min_p: 1.0, ..drawing() }, &logits), [1]);
    // The entropy is 1.39; surprises are 2.30, 0.92, 3.00, 1.20, 1.90.
    assert_eq!(ids(&Sampling { typical: 0.2, ..drawing() }, &logits), [3]);
    assert_eq!(ids(&Sampling { typical: 0.5, ..drawing() }, &logits), [1, 3]);
    assert_eq!(ids(&Sampling { typical: 0.8, ..drawing() }, &logits), [1, 3, 4]);
    let both = Sampling { top_k: 4, top_p: 0.8, min_p: 0.5, ..drawing() };
    assert_eq!(ids(&both, &logits), [1, 3]);
}

#[test]
fn penalties_and_bias_change_the_greedy_choice() {
    let pick = |sampling: Sampling, seen: &[u32], logits: &[f32]| {
        let mut sampler = Sampler::new(&sampling, logits.len()).unwrap();
        seen.iter().for_each(|id| sampler.accept(*id));
        sampler.pick(logits)
    };
    let base = Sampling::default;
    let repetition = Sampling { repetition: 2.0, ..base() };
    assert_eq!(pick(repetition.clone(), &[0], &[1.9, 1.0]), Some(1));
    assert_eq!(pick(repetition.clone(), &[0], &[2.1, 1.0]), Some(0));
    assert_eq!(pick(repetition.clone(), &[0, 0], &[2.1, 1.0]), Some(0));
    assert_eq!(pick(repetition, &[0], &[-1.0, -1.5]), Some(1));
    assert_eq!(pick(Sampling { presence: 1.0, ..base() }, &[0, 0, 0], &[1.9, 1.0]), Some(1));
    assert_eq!(pick(Sampling { presence: 1.0, ..base() }, &[0, 0, 0], &[2.1, 1.0]), Some(0));
    assert_eq!(pick(Sampling { frequency: 1.0, ..base() }, &[0, 0, 0], &[3.9, 1.0]), Some(1));
    assert_eq!(pick(Sampling { frequency: 1.0, ..base() }, &[0, 0], &[3.9, 1.0]), Some(0));
    let short = Sampling { frequency: 1.0, lookback: 2, ..base() };
    assert_eq!(pick(short, &[0, 0, 0, 1], &[1.9, 1.0]), Some(0));
    assert_eq!(pick(Sampling { frequency: 9.0, lookback: 0, ..base() }, &[0], &[1.1, 1.0]), Some(0));
    assert_eq!(pick(Sampling { bias: vec![(1, 2.0)], ..base() }, &[], &[1.0, 0.0]), Some(1));
    assert_eq!(pick(Sampling { bias: vec![(0, f32::NEG_INFINITY)], ..base() }, &[], &[1.0, 0.0]), Some(1));
}

#[test]
fn draws_follow_the_probabilities_at_each_temperature() {
    for temperature in [0.5f32, 1.0, 2.0] {
        let logits = [0.0f32, 1.0, 2.0, f32::NEG_INFINITY];
        let sum: f64 = logits.iter().map(|l| f64::from(l / temperature).exp()).sum();
        let mut sampler = Sampler::new(&Sampling { temperature, seed: 7, ..Sampling::default() }, 4).unwrap();
        let mut counts = [0u32; 4];
        for _ in 0..20_000 {
            counts[sampler.pick(&logits).unwrap() as usize] += 1;
        }
        for (count, logit) in counts.into_iter().zip(logits) {
            let p = f64::from(logit / temperature).exp() / sum;
            // Five standard deviations.
            let slack = 5.0 * (20_000.0 * p * (1.0 - p)).sqrt();
            assert!((f64::from(count) - 20_000.0 * p).abs() <= slack, "{temperature}: {counts:?}");
        }
    }
}

#[test]
fn equal_seeds_draw_alike_and_others_differ() {
    let run = |seed| {
        let mut sampler = Sampler::new(&Sampling { seed, ..drawing() }, 100).unwrap();
        (0..50).map(|_| sampler.pick(&[0.0; 100]).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn values_outside_of_their_range_are_refused_by_name() {
    let refused = |sampling: Sampling| Sampler::new(&sampling, 10).unwrap_err().to_string();
    let base = Sampling::default;
    insta::assert_snapshot!(refused(Sampling { temperature: -1.0, ..base() }), @"temperature -1 cannot be used; give 0 or above");
    insta::assert_snapshot!(refused(Sampling { top_p: 0.0, ..base() }), @"top-p 0 cannot be used; give above 0 and at most 1");
    insta::assert_snapshot!(refused(Sampling { typical: f32::NAN, ..base() }), @"typical NaN cannot be used; give above 0 and at most 1");
    insta::assert_snapshot!(refused(Sampling { min_p: 1.5, ..base() }), @"min-p 1.5 cannot be used; give from 0 to 1");
    insta::assert_snapshot!(refused(Sampling { repetition: 0.0, ..base() }), @"repetition penalty 0 cannot be used; give above 0");
    insta::assert_snapshot!(refused(Sampling { presence: f32::INFINITY, ..base() }), @"presence penalty inf cannot be used; give a finite number");
    insta::assert_snapshot!(refused(Sampling { bias: vec![(3, f32::NAN)], ..base() }), @"logit bias NaN cannot be used; give a number or minus infinity");
    insta::assert_snapshot!(refused(Sampling { bias: vec![(10, 1.0)], ..base() }), @"token id 10 is outside the model's vocabulary of 10");
}

#[test]
fn logprobs_are_logarithms_of_the_softmax() {
    let (own, top) = logprobs(&ln(&[0.2, 0.5, 0.3]), 0, 2);
    assert!((own - 0.2f64.ln()).abs() < 1e-6);
    assert_eq!(top.iter().map(|t| t.0).collect::<Vec<_>>(), [1, 2]);
    assert!((top[0].1 - 0.5f64.ln()).abs() < 1e-6 && (top[1].1 - 0.3f64.ln()).abs() < 1e-6);
}

proptest! {
    #[test]
    fn top_p_agrees_with_sorting_everything(
        logits in prop::collection::vec(-8.0f32..8.0, 1..600),
        top_p in 0.01f32..0.999,
    ) {
        let kept = ids(&Sampling { top_p, ..drawing() }, &logits);
        let mut sorted: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
        sorted.sort_by(by_likelihood);
        let most = sorted[0].1;
        let wanted = total(&logits.iter().copied().enumerate().collect::<Vec<_>>(), most) * f64::from(top_p);
        let mut reached = 0.0;
        let mut expected = Vec::new();
        for (id, logit) in sorted {
            expected.push(id);
            reached += weight(logit, most);
            if reached >= wanted { break; }
        }
        expected.sort();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_picked_passed_every_filter(
        logits in prop::collection::vec(prop_oneof![-5.0f32..5.0, Just(f32::NAN), Just(f32::NEG_INFINITY)], 1..50),
        top_k in 0usize..10, top_p in 0.1f32..=1.0, min_p in 0.0f32..1.0, typical in 0.1f32..=1.0, seed: u64,
    ) {
        let sampling = Sampling { temperature: 0.8, top_k, top_p, min_p, typical, seed, ..Sampling::default() };
        let picked = Sampler::new(&sampling, logits.len()).unwrap().pick(&logits);
        match picked {
            Some(id) => prop_assert!(logits[id as usize] > f32::NEG_INFINITY),
            None => prop_assert!(logits.iter().all(|l| l.is_nan() || *l == f32::NEG_INFINITY)),
        }
    }
}

#[test]
fn only_what_is_allowed_is_picked() {
    let logits: Vec<f32> = (0..70).map(|i| i as f32 / 10.0).collect();
    let sampling = Sampling { temperature: 2.0, ..Sampling::default() };
    let mut sampler = Sampler::new(&sampling, 70).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        seen.insert(sampler.pick_among(&logits, Some(&[1 << 5, u32::MAX, 1 << 3])).unwrap());
    }
    assert!(seen.iter().all(|id| *id == 5 || (32..64).contains(id) || *id == 67), "{seen:?}");
    assert!(seen.contains(&67) && seen.len() > 10);
    let mut greedy = Sampler::new(&Sampling::default(), 70).unwrap();
    assert_eq!(greedy.pick_among(&logits, Some(&[1 << 5])), Some(5), "what the mask doesn't reach is forbidden");
    assert_eq!(greedy.pick_among(&logits, Some(&[])), None);
    assert_eq!(greedy.pick_among(&logits, None), Some(69));
}
