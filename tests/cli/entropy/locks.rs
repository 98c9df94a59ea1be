//! What a baseline holds a plan to: evidence that was made easier shows nothing.

use bizra::entropy::baseline::Signed;
use bizra::receipts::envelope::Envelope;
use bizra::receipts::keys::SecretKey;
use sha2::{Digest as _, Sha256};

use super::*;

/// Three criteria over two packages, none of them shown.
const GUARDED: &str = plan!(
    "
        - {id: written, covers: [W-1], evidence: {file: {path: docs/a.md, min_bytes: 40}}}
        - {id: answered, covers: [W-2], evidence: {receipt: {predicate: inference, max_age: 30d}}}
        - {id: reviewed, covers: [W-1], evidence: {approval: {role: lead, min_score: 8, of: 10}}}
    packages:
      - {id: W-1, name: Write it, hours: 6}
      - {id: W-2, name: Check it, hours: 2}
"
);

fn orphans(ran: &Ran) -> Vec<String> {
    let all = json(ran)["result"]["orphans"].as_array().unwrap_or_else(|| panic!("orphans: {ran}")).clone();
    all.iter().map(|orphan| orphan["claim"].as_str().expect("a claim").to_owned()).collect()
}

#[test]
fn evidence_that_was_made_easier_shows_nothing() {
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", GUARDED);
    env.write("ci/run.sh", "cargo test\n");
    commit(&mut env, "2026-02-01");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    commit(&mut env, "2026-02-01");
    let since = env.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let check = ["entropy", "check", "--max-delta", "0", "--since", &since, "--json"];

    // Hours 6 and 2 weigh 1.5 and 0.5, each criterion 1.
    let p = |ran: &Ran| bits(ran, "p_bits");
    let easy = "{file: {path: ci/run.sh}}";
    let all = GUARDED
        .replace("{file: {path: docs/a.md, min_bytes: 40}}", easy)
        .replace("{receipt: {predicate: inference, max_age: 30d}}", easy)
        .replace("{approval: {role: lead, min_score: 8, of: 10}}", easy);
    assert_eq!(all.matches(easy).count(), 3);
    env.write("roadmap/small.yaml", &all);
    commit(&mut env, "2026-02-02");
    let softened = env.run(&check);
    assert_eq!((p(&softened), change(&softened, "p_bits")), (5.0, 0.0), "{softened}");
    assert_eq!(orphans(&softened), ["small/answered", "small/reviewed", "small/written"], "{softened}");
    for (unit, under) in [("small/W-1", "small/reviewed"), ("small/W-2", "small/answered")] {
        let why = env.run(&["entropy", "explain", unit]);
        let told = format!("it rests on {under}, which asks for other evidence than the baseline locked");
        assert!(why.stdout.contains(&told), "{why}");
    }

    // The same kind of evidence, and less of it.
    env.write("docs/a.md", "a\n");
    for softer in ["{path: docs/a.md, min_bytes: 1}", "{path: ci/run.sh, min_bytes: 1}"] {
        env.write("roadmap/small.yaml", GUARDED.replace("{path: docs/a.md, min_bytes: 40}", softer));
        commit(&mut env, "2026-02-03");
        let ran = env.run(&check);
        assert_eq!((p(&ran), orphans(&ran)), (5.0, vec!["small/written".to_owned()]), "{softer}: {ran}");
    }
    // Other criteria, or none, for the same work.
    let own = GUARDED.replace("hours: 6}", "hours: 6, evidence: {file: {path: ci/run.sh}}}");
    let lifted = GUARDED.replace("id: reviewed, covers: [W-1]", "id: reviewed").replace("40", "2");
    for other in [own, lifted] {
        env.write("roadmap/small.yaml", other);
        commit(&mut env, "2026-02-04");
        let ran = env.run(&check);
        assert!(p(&ran) == 5.0 && orphans(&ran).contains(&"small/W-1".to_owned()), "{ran}");
    }

    // The same evidence in other words is shown as ever, and so is what somebody signed for, or locked again.
    let s98 = 0.141_440_542_541_821;
    let spelled = "\n            file: # by the team\n              min_bytes: 40\n              path: 'docs/a.md'\n";
    let block = GUARDED.replace(
        "{id: written, covers: [W-1], evidence: {file: {path: docs/a.md, min_bytes: 40}}}",
        &format!("id: written\n          covers: [W-1]\n          evidence:{spelled}"),
    );
    env.write("roadmap/small.yaml", block);
    env.write("docs/a.md", "a".repeat(40));
    commit(&mut env, "2026-02-05");
    let honest = env.run(&check);
    assert!((p(&honest) - 4.0 - s98).abs() < 1e-9 && orphans(&honest).is_empty(), "{honest}");
    env.write("roadmap/small.yaml", GUARDED.replace("{receipt: {predicate: inference, max_age: 30d}}", easy));
    commit(&mut env, "2026-02-06");
    assert_eq!(p(&env.run(&check)), p(&honest));
    assert_eq!(env.run(&["entropy", "scope", "small/answered", "--reason", "no model is asked any more"]).code, 0);
    let signed = env.run(&check);
    assert!((p(&signed) - (3.5 - 1.0 + 2.5 * s98)).abs() < 1e-9 && orphans(&signed).is_empty(), "{signed}");
    env.write("roadmap/small.yaml", &all);
    commit(&mut env, "2026-02-07");
    assert_eq!(env.run(&["entropy", "baseline", "--reason", "the gate was planned anew"]).code, 0);
    let again = env.run(&["entropy", "--json"]);
    assert!((p(&again) - 5.0 * s98).abs() < 1e-9 && orphans(&again).is_empty(), "{again}");
    assert_eq!(json(&again)["result"]["baseline"]["kinds_only"], false, "{again}");
}

/// Signs the baseline again as it was made before all of the evidence was locked: `asks` is of the kind alone.
fn make_older(env: &TestEnv) {
    let path = env.work().join("bizra-entropy.json");
    let mut signed: Signed = serde_json::from_slice(&std::fs::read(&path).expect("a baseline")).expect("its form");
    let digest = |text: &str| -> [u8; 32] { Sha256::digest(text).into() };
    let hex = |text: &str| digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let now = hex(&signed.baseline.text());
    signed.baseline.whole = false;
    for lock in &mut signed.baseline.claims {
        let kinds = [("small/written", "file"), ("small/answered", "receipt"), ("small/reviewed", "approval")];
        lock.asks = kinds.iter().find(|(id, _)| *id == lock.id).map(|(_, kind)| digest(kind));
    }
    let was = hex(&signed.baseline.text());
    let envelope = Envelope::parse(signed.envelope.to_string().as_bytes()).expect("an envelope");
    let payload = String::from_utf8(envelope.payload).expect("text").replace(&now, &was);
    assert!(payload.contains(&was));
    let mut folders = vec![env.home()];
    let mut key = None;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "pem") => key = Some(path),
                false => {}
            }
        }
    }
    let key = SecretKey::read(&std::fs::read(key.expect("a key")).expect("its text")).expect("its form");
    let sealed = Envelope::sign(payload.into_bytes(), &key).expect("a signature").to_bytes();
    signed.envelope = serde_json::from_slice(&sealed).expect("JSON");
    env.write("bizra-entropy.json", serde_json::to_string_pretty(&signed).expect("JSON"));
}

#[test]
fn an_older_baseline_holds_to_the_plan_of_its_commit() {
    let mut env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("roadmap/small.yaml", GUARDED);
    env.write("docs/a.md", "a".repeat(40));
    commit(&mut env, "2026-02-01");
    assert_eq!(env.run(&["entropy", "baseline"]).code, 0);
    make_older(&env);
    commit(&mut env, "2026-02-01");
    let s98 = 0.141_440_542_541_821;
    let told = env.run(&["entropy", "--json"]);
    assert!((bits(&told, "p_bits") - 4.0 - s98).abs() < 1e-9 && orphans(&told).is_empty(), "{told}");
    let baseline = &json(&told)["result"]["baseline"];
    assert_eq!((&baseline["kinds_only"], &baseline["epoch"]), (&false.into(), &1.into()), "{told}");

    env.write("roadmap/small.yaml", GUARDED.replace("min_bytes: 40", "min_bytes: 1"));
    commit(&mut env, "2026-02-02");
    let softened = env.run(&["entropy", "--json"]);
    assert_eq!((bits(&softened, "p_bits"), orphans(&softened)), (5.0, vec!["small/written".into()]), "{softened}");

    // Where its commit is not at hand, what can't be noticed is said.
    std::fs::remove_dir_all(env.work().join(".git")).expect("the repository");
    env.git(&["init", "-q"]);
    commit(&mut env, "2026-02-03");
    let alone = env.run(&["entropy", "--json"]);
    assert_eq!(json(&alone)["result"]["baseline"]["kinds_only"], true, "{alone}");
    assert!((bits(&alone, "p_bits") - 4.0 - s98).abs() < 1e-9, "{alone}");
    let page = env.run(&["entropy"]);
    assert!(page.stdout.contains("locks only the kinds of evidence"), "{page}");
    env.write(
        "roadmap/small.yaml",
        GUARDED.replace("receipt: {predicate: inference, max_age: 30d}", "file: {path: docs/a.md}"),
    );
    commit(&mut env, "2026-02-04");
    let kinds = env.run(&["entropy", "--json"]);
    assert_eq!(orphans(&kinds), ["small/answered"], "{kinds}");
}
