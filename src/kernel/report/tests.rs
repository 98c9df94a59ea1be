//! What a trial repeats.

use super::*;
use crate::plan::source::Source;
use crate::sys::yaml;

#[test]
fn what_is_repeated_shows_the_order_of_its_sums() {
    let text = "bizra: kernel/v1\nid: mine\nop: matmul\ntargets: {cpu: {entry: mine}}\ncontract: {in: f32}\n\
                domain: {M: [1, 16, 33, 48], N: [1, 16, 17, 33, 64], K: [1, 7, 64, 257, 4096]}\n";
    let source = Source::new("k.yaml", text);
    let manifest = Manifest::of(&yaml::parse(&source, 0).unwrap(), &source).unwrap();
    let wanted = Wanted {
        effort: Effort::Quick,
        correctness: true,
        determinism: true,
        only: None,
        shape: None,
        memory: u64::MAX,
        seed: 0,
        most_threads: 3,
        until: None,
        enough: 1,
    };
    for seed in 0..50 {
        let promise = Promise::of(&manifest);
        let plan = plan_unless(&|| false, &manifest, &promise, Effort::Quick, seed, 3);
        let repeated = to_repeat(&plan.cases, &wanted);
        assert_eq!(repeated.len(), 2);
        for case in repeated {
            assert!(case.data < Data::Equal || case.data == Data::Scaled, "seed {seed}: {case}");
        }
    }
}
