//! Contracts word by word, and what they leave open.

use super::*;
use crate::plan::source::Source;
use crate::sys::yaml;

fn promise(op: &str, contract: &str, rest: &str) -> Promise {
    let domain = match op {
        "matmul" => "{M: 1..4, N: 1..4, K: 32..64}",
        "attention" => "{B: [1], S: 1..4, past: [0], Hkv: [1], group: [1], D: [8], causal: [true]}",
        "rope" => "{S: 1..4, H: [1], D: [8]}",
        _ => "{R: 1..4, N: 1..30}",
    };
    let text = format!(
        "bizra: kernel/v1\nid: k\nop: {op}\ntargets: {{cpu: {{entry: k}}}}\ncontract: {contract}\ndomain: {domain}\n{rest}"
    );
    let source = Source::new("kernel.yaml", &text);
    let tree = yaml::parse(&source, 0).unwrap();
    let manifest = Manifest::of(&tree, &source).unwrap_or_else(|problems| panic!("{text}\n{}", problems[0]));
    Promise::of(&manifest)
}

#[test]
fn what_a_contract_leaves_open_is_the_stricter() {
    let plain = promise("softmax", "{in: f32, out: f32}", "");
    assert_eq!((plain.input, plain.output, plain.accumulate), (DType::F32, DType::F32, DType::F32));
    assert_eq!(plain.weights, [DType::F32]);
    assert!(plain.bitwise && plain.exact_angle && !plain.int8 && !plain.flush && !plain.masked_zero);
    assert_eq!((plain.p_round, plain.align, plain.tighten), (None, 0, [1.0; 3]));
    assert_eq!(plain.cells, Cells::F32);
    assert_eq!(plain.unit(), 2f64.powi(-24));
}

#[test]
fn what_a_contract_says_is_what_holds() {
    let of = |contract: &str| promise("attention", contract, "");
    for (word, accumulate, unit) in
        [("f16", DType::F16, -11), ("bf16", DType::BF16, -8), ("f32", DType::F32, -24), ("f64", DType::F64, -53)]
    {
        let promise = of(&format!("{{in: f32, out: f32, accumulate: {word}}}"));
        assert_eq!((promise.accumulate, promise.unit()), (accumulate, 2f64.powi(unit)));
    }
    for (word, rounded) in [("f16", Some(DType::F16)), ("bf16", Some(DType::BF16)), ("none", None)] {
        assert_eq!(of(&format!("{{in: f32, out: f32, p_round: {word}}}")).p_round, rounded);
    }
    let promise = of(
        "{in: f16, out: bf16, kv: q8, deterministic: bounded, align: 64, denormals: flush, special: {masked_row: zero}}",
    );
    assert_eq!((promise.input, promise.output), (DType::F16, DType::BF16));
    assert!(promise.cells != Cells::F32 && promise.align == 64);
    assert!(!promise.bitwise && promise.flush && promise.masked_zero);
    assert!(!of("{in: f32, out: f32, denormals: keep, special: {masked_row: nan}}").masked_zero);
    assert!(!self::promise("rope", "{in: f32, out: f32, angle: f32}", "").exact_angle);
    assert!(self::promise("rope", "{in: f32, out: f32, angle: f64}", "").exact_angle);
}

#[test]
fn weights_are_of_matrix_products_alone() {
    let product = promise("matmul", "{in: f32, out: f32, weights: [q8_0, q4_k], activations: int8}", "");
    assert_eq!((product.weights.clone(), product.int8), (vec![DType::Q8_0, DType::Q4_K], true));
    let types = product.types(DType::Q4_K);
    assert_eq!((types.input, types.output, types.weights), (DType::F32, DType::F32, DType::Q4_K));
    assert!(!promise("matmul", "{in: f32, out: f32, weights: [q8_0], activations: exact}", "").int8);
}

#[test]
fn factors_make_gates_narrower_one_by_one() {
    let factors = "tolerance: {tighten: {g1: 0.5, g3: 0.25}}\n";
    assert_eq!(promise("softmax", "{in: f32, out: f32}", factors).tighten, [0.5, 1.0, 0.25]);
}
