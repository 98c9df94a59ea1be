//! The model inside the binary: that what is said about it was signed about this very file.

use serde_json::Value;

use crate::harness::TestEnv;

fn kept(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("a file of the repository")
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_receipt_of_its_examination_is_signed_and_names_the_file() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("bizra-trust.json", String::from_utf8(kept("bizra-trust.json")).expect("text"));
    let receipt = String::from_utf8(kept("fixtures/bizra-guide.eval.receipt.json")).expect("text");
    env.write("receipt.json", &receipt);
    let ran = env.run(&["receipts", "verify", "receipt.json", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let told: Value = serde_json::from_str(&ran.stdout).expect("one document");
    let named: Vec<(&str, &str)> = told["result"]["subjects"]
        .as_array()
        .expect("subjects")
        .iter()
        .map(|s| (s["name"].as_str().unwrap_or_default(), s["digest"]["sha256"].as_str().unwrap_or_default()))
        .collect();
    let record = kept("fixtures/bizra-guide.eval.json");
    let files = [
        ("fixtures/bizra-guide.eval.json", sha256(&record)),
        ("fixtures/bizra-guide.gguf", sha256(&kept("fixtures/bizra-guide.gguf"))),
    ];
    assert_eq!(named, files.each_ref().map(|(name, digest)| (*name, digest.as_str())), "{ran}");
    let record: Value = serde_json::from_slice(&record).expect("JSON");
    assert_eq!(record["sha256"], files[1].1);
    let share = 100.0 * record["about"]["right"].as_f64().expect("a count")
        / record["about"]["asked"].as_f64().expect("a count");
    assert_eq!(told["result"]["predicate"]["score"]["value"], format!("{share:.1}"));
    // Another word under the same signature is none.
    env.write("receipt.json", receipt.replacen("\"payload\":\"ey", "\"payload\":\"fy", 1));
    assert_ne!(env.run(&["receipts", "verify", "receipt.json"]).code, 0);
}
