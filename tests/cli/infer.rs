//! `bizra infer`.

use serde_json::Value;

use crate::harness::{Ran, TestEnv};

mod batch;
#[cfg(feature = "embedded-model")]
mod embedded;
mod files;
mod forms;
mod process;
mod sessions;

/// A repository with the small model, which is the one that is used.
pub fn scene() -> TestEnv {
    let env = TestEnv::new().var("BIZRA_MODEL", "tiny.gguf");
    env.git(&["init", "-q"]);
    env.fixture("tiny.gguf");
    env
}

pub fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"))
}

/// A short answer, unless the arguments say how long.
fn infer(env: &TestEnv, args: &[&str]) -> Ran {
    let short: &[&str] = if args.contains(&"-n") { &[] } else { &["-n", "12"] };
    env.run(&[&["infer"], args, short].concat())
}

/// The result of a run that answers.
fn result(env: &TestEnv, args: &[&str]) -> Value {
    let ran = infer(env, &[args, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    document(&ran)["result"].clone()
}

fn refused(env: &TestEnv, code: i32, args: &[&str], told: &str) {
    let ran = infer(env, args);
    assert_eq!(ran.code, code, "{args:?}: {ran}");
    assert!(ran.stdout.is_empty() || document(&ran)["result"].is_null(), "{args:?}: {ran}");
    assert!(ran.stderr.contains(told), "{told:?} is not in: {ran}");
}

#[test]
fn an_answer_is_text_on_stdout_and_a_receipt_on_stderr() {
    let env = scene();
    let ran = infer(&env, &["the gate"]);
    assert_eq!(ran.code, 0, "{ran}");
    insta::assert_snapshot!(ran.stdout);
    assert!(ran.stderr.contains("receipt "), "{ran}");
    let quiet = infer(&env, &["the gate", "--quiet"]);
    assert_eq!((quiet.stdout, quiet.stderr), (ran.stdout, String::new()));
}

#[test]
fn the_document_tells_text_ids_finish_usage_and_model() {
    let env = scene();
    let ran = infer(&env, &["the gate", "--json"]);
    let whole = document(&ran);
    assert_eq!((&whole["schema"], &whole["exit"]), (&"bizra.infer/v1".into(), &0.into()));
    let result = &whole["result"];
    assert_eq!(format!("{}\n", result["text"].as_str().expect("a text")), infer(&env, &["the gate"]).stdout);
    assert_eq!(result["token_ids"].as_array().map(Vec::len), Some(12));
    assert_eq!((&result["finish"], &result["usage"]["generated_tokens"]), (&"length".into(), &12.into()));
    assert_eq!(result["model"]["name"], "tiny.gguf");
    let listed = include_str!("../../fixtures/SHA256SUMS");
    assert!(listed.contains(result["model"]["sha256"].as_str().expect("a digest")));
    assert!(ran.stderr.contains(whole["receipt"].as_str().expect("an id")), "{ran}");
    assert!(whole["result"]["timings"]["prompt_ms"].is_number());
}

#[test]
fn lines_come_before_the_document_where_both_are_wanted() {
    let env = scene();
    let ran = infer(&env, &["the gate", "--json", "--stream"]);
    let lines: Vec<Value> = ran.stdout.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let (last, pieces) = lines.split_last().expect("some lines");
    let text: String = pieces.iter().map(|p| p["text"].as_str().expect("a text")).collect();
    assert!(pieces.len() > 3);
    assert_eq!(last["result"]["text"], text);
    refused(&env, 2, &["x", "--stream"], "--json");
}

#[test]
fn prompts_come_from_argument_stdin_and_files() {
    let env = scene();
    let plain = infer(&env, &["the gate opens"]).stdout;
    for args in [&["infer", "-n", "12"][..], &["infer", "-n", "12", "-"]] {
        assert_eq!(env.run_with(args, b"the gate opens").stdout, plain, "{args:?}");
    }
    let as_file = env.run_with(&["infer", "-n", "12", "-f", "-", "opens"], b"the gate\n");
    assert_eq!(as_file.stdout, infer(&env, &["standard input:\n\nthe gate\n\nopens"]).stdout, "{as_file}");
    env.write("a.txt", "the key\n");
    env.write("b.txt", "no tick");
    let prompt = "a.txt:\n\nthe key\n\nb.txt:\n\nno tick\n\nopens";
    let files = infer(&env, &["-f", "a.txt", "-f", "b.txt", "opens"]);
    assert_eq!(files.stdout, infer(&env, &[prompt]).stdout, "{files}");
    let raw = infer(&env, &["--raw", "-f", "a.txt", "-f", "b.txt", "opens"]);
    assert_eq!(raw.stdout, infer(&env, &["--raw", "the key\nno tickopens"]).stdout);
    refused(&env, 2, &["-f", "-", "-"], "named twice");
    refused(&env, 3, &["-f", "none.txt", "x"], "none.txt");
    refused(&env, 3, &["-f", ".", "x"], "folder");
}

#[test]
fn the_template_is_the_models_own_or_a_named_one() {
    let env = scene();
    let raw = |text: &str| infer(&env, &["--raw", text]).stdout;
    assert_eq!(infer(&env, &["hi"]).stdout, raw("[user] hi\n[assistant]"));
    assert_eq!(infer(&env, &["hi", "--system", "be"]).stdout, raw("[system] be\n[user] hi\n[assistant]"));
    env.write("talk.json", r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#);
    assert_eq!(infer(&env, &["--messages", "talk.json"]).stdout, raw("[user] a\n[assistant] b\n[assistant]"));
    env.write("t.jinja", "{{ messages[0].content }}!");
    assert_eq!(infer(&env, &["hi", "--template", "t.jinja"]).stdout, raw("hi!"));
    for args in [["--raw", "--template"], ["--raw", "--system"], ["--messages", "--system"], ["--messages", "-f"]] {
        let ran = infer(&env, &[args[0], args[1], "talk.json", "talk.json"]);
        assert_eq!(ran.code, 2, "{args:?}: {ran}");
    }
}

#[test]
fn a_template_that_nests_values_deeply_does_not_break_the_run() {
    let env = scene();
    let nest = "{% set all = namespace(it=[]) %}{% for i in range(100000) %}{% set all.it = [all.it] %}{% endfor %}hi";
    env.write("deep.jinja", nest);
    assert_eq!(infer(&env, &["hi", "--template", "deep.jinja"]).code, 0);
}

#[test]
fn templates_that_refuse_loop_or_break_end_the_run() {
    let env = scene();
    env.write("raise.jinja", "{{ raise_exception('no such talk') }}");
    env.write("loop.jinja", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}");
    env.write("broken.jinja", "one\n{% if %}");
    env.write("bytes.jinja", b"\xff");
    for (name, told) in
        [("raise", "no such talk"), ("loop", "it may never end"), ("broken", "line 2"), ("bytes", "UTF-8")]
    {
        let name = format!("{name}.jinja");
        refused(&env, 3, &["hi", "--template", &name], told);
        refused(&env, 3, &["hi", "--template", &name], &name);
    }
    env.write("odd.json", r#"[{"role":"judge","content":"a"}]"#);
    refused(&env, 3, &["--messages", "odd.json"], "there is no role judge");
    for (text, told) in [
        ("[{]", "odd.json:1:3"),
        ("{}", "no array"),
        ("[]", "no message"),
        (r#"[{"role":"user"}]"#, "message 0"),
        (r#"[{"role":"user","content":""}]"#, "empty"),
    ] {
        env.write("odd.json", text);
        let code = if told == "empty" { 2 } else { 3 };
        refused(&env, code, &["--messages", "odd.json"], told);
    }
}

#[test]
fn an_empty_prompt_is_a_usage_error() {
    let env = scene();
    for args in [&[""][..], &["  \n"], &["--raw", ""], &[], &["-"]] {
        refused(&env, 2, args, "the prompt is empty");
    }
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_offset() {
    let env = scene();
    let ran = env.run_with(&["infer"], b"good\n\xc3(");
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    insta::assert_snapshot!(ran.stderr);
    env.write("bad.txt", b"abc\xff");
    refused(&env, 3, &["-f", "bad.txt", "x"], "byte 3 is no valid UTF-8");
}

#[test]
fn answers_end_where_they_are_told_to() {
    let env = scene();
    let whole = result(&env, &["the gate"]);
    let text = whole["text"].as_str().expect("a text");
    let stop = text.split_whitespace().nth(2).expect("three words");
    let cut = result(&env, &["the gate", "--stop", stop, "--stop", "never said"]);
    assert_eq!((&cut["finish"], &cut["stop"]), (&"stop".into(), &stop.into()));
    assert_eq!(cut["text"], text[..text.find(stop).expect("it is there")]);
    let none = result(&env, &["the gate", "-n", "0"]);
    assert_eq!((&none["text"], &none["finish"]), (&"".into(), &"length".into()));
    let ended = result(&env, &["the gate", "--logit-bias", "2=1000"]);
    assert_eq!((&ended["text"], &ended["finish"]), (&"".into(), &"eos".into()));
    refused(&env, 2, &["x", "--stop", ""], "stop");
}

#[test]
fn the_context_bounds_prompt_and_answer() {
    let env = scene();
    let prompt = "the gate ".repeat(20);
    let filled = result(&env, &["--raw", "the gate", "--ctx", "16", "-n", "100"]);
    assert_eq!((&filled["finish"], &filled["usage"]["prompt_tokens"]), (&"length".into(), &10.into()));
    refused(&env, 3, &["--raw", &prompt, "--ctx", "16"], "182 tokens, and the context of 16 holds at most 15");
    let cut = infer(&env, &["--raw", &prompt, "--ctx", "16", "--truncate"]);
    assert_eq!(cut.code, 0, "{cut}");
    assert!(cut.stderr.contains("the first 167 tokens of the prompt were cut"), "{cut}");
    refused(&env, 2, &["x", "--ctx", "0"], "1 to 512");
    refused(&env, 2, &["x", "--ctx", "513"], "1 to 512");
}

#[test]
fn log_probabilities_come_with_their_alternatives() {
    let env = scene();
    let told = result(&env, &["the gate", "--logprobs", "3"]);
    let tokens = told["logprobs"].as_array().expect("a list");
    assert_eq!(tokens.len(), 12);
    for (token, id) in tokens.iter().zip(told["token_ids"].as_array().expect("ids")) {
        let top = token["top"].as_array().expect("a list");
        assert_eq!((top.len(), &top[0]["id"], &token["id"]), (3, id, id), "greedy takes the likeliest");
        assert!(token["logprob"].as_f64().is_some_and(|p| p < 0.0));
    }
    refused(&env, 2, &["x", "--logprobs", "3"], "--json");
    refused(&env, 2, &["x", "--json", "--logprobs", "101"], "101");
}

fn refused_sampling(env: &TestEnv, args: &[&str], told: &str) {
    refused(env, 2, &[&["x"], args].concat(), told);
}

#[test]
fn sampling_out_of_range_is_refused_before_anything_is_read() {
    let env = scene();
    refused_sampling(&env, &["--temperature", "-1"], "");
    for (flag, value) in [
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--top-p", "0"),
        ("--top-p", "1.5"),
        ("--typical", "0"),
        ("--min-p", "2"),
        ("--repeat-penalty", "0"),
        ("--presence-penalty", "inf"),
        ("--frequency-penalty", "nan"),
        ("--logit-bias", "7=nan"),
        ("--logit-bias", "7=inf"),
        ("--logit-bias", "288=1"),
        ("--logit-bias", "x=1"),
        ("--logit-bias", "7"),
        ("--seed", "-1"),
        ("--threads", "0"),
        ("--kv", "q4"),
    ] {
        refused_sampling(&env, &[flag, value], "");
    }
    refused_sampling(&env, &["--temperature", "1e-39"], "too many digits for a receipt");
    assert_eq!(infer(&env, &["x", "--temperature", "1e-39", "--no-receipt"]).code, 2, "one rule for both");
    let stops: Vec<String> = (0..33).flat_map(|n| ["--stop".to_owned(), format!("s{n}")]).collect();
    let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
    refused_sampling(&env, &stops, "at most 32");
    assert_eq!(infer(&env, &["x", "--presence-penalty", "-0.0"]).code, 0, "zero has no sign");
}

#[test]
fn a_seed_repeats_an_answer_and_another_gives_another() {
    let env = scene();
    let said =
        |seed: &str| infer(&env, &["the gate", "--temperature", "1.2", "--top-p", "0.95", "--seed", seed]).stdout;
    assert_eq!(said("7"), said("7"));
    assert_ne!(said("7"), said("8"));
    let greedy = infer(&env, &["the gate"]).stdout;
    assert_eq!(infer(&env, &["the gate", "--temperature", "0", "--seed", "9"]).stdout, greedy);
    let changed = ["--top-k", "--min-p", "--typical", "--repeat-penalty", "--presence-penalty", "--frequency-penalty"];
    for (flag, value) in changed.into_iter().zip(["1", "1", "0.01", "5", "9", "9"]) {
        let ran = infer(&env, &["the gate", "--temperature", "1.5", "--seed", "7", flag, value]);
        assert_eq!(ran.code, 0, "{ran}");
        let free = infer(&env, &["the gate", "--temperature", "1.5", "--seed", "7"]).stdout;
        assert_ne!(ran.stdout, free, "{flag} does something");
    }
    let first = result(&env, &["the gate"])["token_ids"][0].clone();
    let forbidden = result(&env, &["the gate", "--logit-bias", &format!("{first}=-inf")]);
    assert!(!forbidden["token_ids"].as_array().expect("ids").contains(&first));
}

#[test]
fn threads_and_levels_make_no_difference() {
    let env = scene();
    let sampled = ["--temperature", "0.9", "--seed", "3", "-n", "64"];
    let with = |args: &[&str]| {
        let ran = infer(&env, &[&["the gate opens on a receipt"], &sampled[..], args].concat());
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    };
    let one = with(&["--threads", "1"]);
    assert_eq!(one, with(&["--threads", "2"]));
    for level in bizra_kernels::Level::available() {
        assert_eq!(one, with(&["--isa", level.name()]), "{level}");
    }
    for kv in ["f32", "q8"] {
        assert_eq!(with(&["--kv", kv]), with(&["--kv", kv, "--isa", "scalar", "--threads", "1"]));
    }
}

#[test]
fn levels_that_are_unknown_or_not_here_are_told_apart() {
    let env = scene();
    refused(&env, 2, &["x", "--isa", "mmx"], "mmx");
    for (name, here) in
        [("avx2", bizra_kernels::Level::avx2().is_some()), ("avx512", bizra_kernels::Level::avx512().is_some())]
    {
        if !here {
            refused(&env, 6, &["x", "--isa", name], name);
        }
    }
}

#[test]
fn receipts_tell_the_run_and_their_commitments_open() {
    let env = scene();
    env.write("notes.txt", "the key signs");
    let ran = infer(&env, &["-f", "notes.txt", "opens", "--seed", "5", "--stop", "zz", "--json", "--record-text"]);
    assert_eq!(ran.code, 0, "{ran}");
    let answer = document(&ran);
    let shown = document(&env.run(&["receipts", "show", answer["receipt"].as_str().expect("an id"), "--json"]));
    let text = shown.to_string();
    assert!(!text.contains("the key signs") && !text.contains("opens"), "texts stay out of the receipt: {text}");
    let statement = &shown["result"];
    let predicate = &statement["predicate"];
    assert_eq!(statement["type"], "inference/v0.1", "{shown}");
    assert_eq!(predicate["model"]["sha256"], answer["result"]["model"]["sha256"]);
    assert_eq!(predicate["parameters"]["seed"], "5");
    assert_eq!(predicate["parameters"]["stops"][0], "zz");
    assert_eq!(predicate["parameters"]["maxTokens"], 12);
    assert_eq!(predicate["finish"], "length");
    assert_eq!(predicate["engine"]["level"], bizra_kernels::Level::best().name());
    let subjects = statement["subjects"].to_string();
    assert!(subjects.contains("notes.txt") && subjects.contains("model:tiny.gguf"), "{subjects}");

    let folder = env.home().join(".local/share/bizra/texts");
    let commitment = predicate["prompt"]["commitment"].as_str().expect("digits");
    let kept = std::fs::read(folder.join(format!("{commitment}.json"))).expect("the vault has it");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    let opens = |side: &str, member: &str, bytes: &[u8]| {
        let salt = bizra::receipts::hex::decode(kept[format!("{side}_salt")].as_str().expect("digits")).expect("hex");
        let told = bizra::receipts::hex::decode(predicate[side][member].as_str().expect("digits")).expect("hex");
        bizra::receipts::commitment::opens(&told, &salt, bytes)
    };
    let prompt = "[user] notes.txt:\n\nthe key signs\n\nopens\n[assistant]";
    assert_eq!(kept["texts"]["prompt"], prompt);
    assert!(opens("prompt", "commitment", prompt.as_bytes()));
    assert!(opens("output", "commitment", answer["result"]["text"].as_str().expect("a text").as_bytes()));
    let ids = answer["result"]["token_ids"].as_array().expect("ids").iter();
    let ids: Vec<u8> = ids.flat_map(|id| (id.as_u64().expect("an id") as u32).to_le_bytes()).collect();
    assert!(opens("output", "tokensCommitment", &ids));
    assert!(!opens("prompt", "commitment", b"another"));
}

#[test]
fn texts_are_kept_only_where_that_was_asked() {
    let env = scene();
    assert_eq!(infer(&env, &["the gate"]).code, 0);
    let folder = env.home().join(".local/share/bizra/texts");
    let files: Vec<_> = std::fs::read_dir(&folder).expect("salts are kept").flatten().collect();
    assert_eq!(files.len(), 1);
    let kept = std::fs::read_to_string(files[0].path()).expect("a text");
    assert!(kept.contains("prompt_salt") && !kept.contains("gate"), "{kept}");
    let homeless = scene().without("HOME").without("USERPROFILE");
    refused(&homeless, 6, &["x", "--record-text", "--no-receipt"], "no home folder");
}

#[test]
fn no_receipt_leaves_nothing() {
    let env = scene();
    let ran = infer(&env, &["the gate", "--no-receipt", "--json"]);
    assert_eq!((ran.code, &document(&ran)["receipt"]), (0, &Value::Null), "{ran}");
    assert!(!env.home().join(".local/share/bizra").join("keys").exists());
    assert!(!env.work().join(".git/bizra").exists());
}

#[test]
fn a_ledger_that_can_not_be_written_stops_the_run_before_its_first_word() {
    let env = scene();
    env.write("taken", "a file where the ledger should be");
    for extra in [&[][..], &["--json", "--stream"]] {
        let ran = infer(&env, &[&["the gate", "--ledger", "taken/ledger.git"], extra].concat());
        assert_eq!(ran.code, 6, "{ran}");
        assert!(!ran.stdout.contains("text\":"), "{ran}");
        assert!(extra.is_empty() == ran.stdout.is_empty(), "{ran}");
    }
}

#[test]
fn thinking_stands_apart_from_the_answer() {
    let env = scene();
    env.write("think.jinja", "{{ messages[0].content }}<think>");
    let ran = infer(&env, &["the gate", "--template", "think.jinja", "--json"]);
    let result = &document(&ran)["result"];
    assert_eq!(result["text"], "", "{ran}");
    assert!(result["thinking"].as_str().is_some_and(|text| text.len() > 10), "{ran}");
    let shown = infer(&env, &["the gate", "--template", "think.jinja", "--show-thinking"]);
    assert!(shown.stderr.contains(result["thinking"].as_str().expect("a text")), "{shown}");
    assert!(!infer(&env, &["the gate", "--template", "think.jinja"]).stderr.contains("the"), "{shown}");
}

#[test]
fn talking_needs_a_terminal() {
    let env = scene();
    refused(&env, 2, &["--chat"], "needs a terminal");
    refused(&env, 2, &["--chat", "hi"], "cannot be used with");
}
