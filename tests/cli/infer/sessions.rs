//! Sessions on disk: what was read once is not read again, and nothing else is taken for it.

use serde_json::Value;

use super::{document, infer, result, scene};
use crate::harness::TestEnv;

const LONG: &str = "the gate opens when its evidence is there and the gate opens when its evidence is there";

fn path(env: &TestEnv, name: &str) -> std::path::PathBuf {
    env.home().join(format!(".cache/bizra/sessions/{name}.session"))
}

fn asked(question: &str) -> String {
    format!("{LONG} {question}")
}

#[test]
fn a_beginning_that_was_read_is_not_read_again_and_answers_are_the_same() {
    let env = scene();
    let plain = |question: &str| result(&env, &[&asked(question), "--raw"]);
    let kept = |question: &str| result(&env, &[&asked(question), "--raw", "--session", "book"]);
    let (one, two) = (plain("one"), plain("two"));
    let first = kept("one");
    assert_eq!((&first["text"], &first["usage"]["reused_tokens"]), (&one["text"], &0.into()));
    let second = kept("two");
    assert_eq!((&second["text"], &second["token_ids"]), (&two["text"], &two["token_ids"]));
    let (reused, whole) = (&second["usage"]["reused_tokens"], &second["usage"]["prompt_tokens"]);
    assert!(reused.as_u64() > Some(60) && reused.as_u64() < whole.as_u64(), "{second}");
    // The same again: all but the last token is known.
    let third = kept("two");
    assert_eq!(third["usage"]["reused_tokens"].as_u64(), whole.as_u64().map(|n| n - 1));
    assert_eq!(third["text"], two["text"]);
    for kv in ["q8", "f32"] {
        let plain = result(&env, &[LONG, "--raw", "--kv", kv]);
        for reused in [false, true] {
            let kept = result(&env, &[LONG, "--raw", "--kv", kv, "--session", kv]);
            assert_eq!(kept["text"], plain["text"], "{kv}");
            assert_eq!(kept["usage"]["reused_tokens"] != 0, reused, "{kv}");
        }
    }
}

#[test]
fn sessions_are_listed_shown_and_removed() {
    let env = scene();
    let list = || document(&env.run(&["session", "list", "--json"]))["result"].clone();
    assert_eq!(list()["sessions"].as_array().map(Vec::len), Some(0));
    for name in ["b", "a"] {
        assert_eq!(infer(&env, &["the gate", "--session", name, "--no-receipt"]).code, 0);
    }
    let listed = list();
    let names: Vec<&Value> = listed["sessions"].as_array().expect("sessions").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        (&listed["sessions"][0]["model"]["name"], &listed["sessions"][0]["current"]),
        (&"tiny.gguf".into(), &true.into())
    );
    let page = env.run(&["session", "list"]);
    assert!(page.stdout.contains("tiny.gguf") && page.stdout.contains("2 kept"), "{page}");
    let shown = env.run(&["session", "show", "a"]);
    assert!(shown.code == 0 && shown.stdout.contains("Every byte is as it was kept."), "{shown}");
    assert_eq!(env.run(&["session", "show", "c"]).code, 3);
    assert_eq!(env.run(&["session", "show", "../a"]).code, 2);
    assert_eq!(env.run(&["session", "rm", "a", "c"]).code, 3, "one of them is not there");
    assert!(path(&env, "a").exists());
    assert_eq!(env.run(&["session", "rm", "a"]).code, 0);
    assert!(!path(&env, "a").exists());
    let rest = env.run(&["session", "rm", "--all"]);
    assert_eq!((rest.code, rest.stdout.as_str()), (0, "removed b\n"));
}

#[test]
fn a_session_of_another_model_or_form_is_refused() {
    let env = scene();
    assert_eq!(infer(&env, &["the gate", "--session", "s"]).code, 0);
    let before = std::fs::read(path(&env, "s")).expect("there");
    let refused = |args: &[&str], told: &str| {
        let ran = infer(&env, &[&["the gate", "--session", "s"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran}");
        assert!(ran.stderr.contains(told) && ran.stderr.contains("bizra session rm s"), "{ran}");
    };
    env.write("other.gguf", super::files::with_context(300));
    refused(&["-m", "other.gguf"], "belongs to the model tiny.gguf");
    refused(&["--kv", "q8"], "hint: --kv f16");
    assert_eq!(std::fs::read(path(&env, "s")).expect("there"), before, "it is left alone");
    let ran = infer(&env, &["x", "--session", "a/b"]);
    assert_eq!(ran.code, 2, "{ran}");
}

#[test]
fn a_session_that_was_cut_or_changed_is_never_trusted() {
    let env = scene();
    assert_eq!(infer(&env, &["the gate", "--session", "s"]).code, 0);
    let whole = std::fs::read(path(&env, "s")).expect("there");
    let middle = whole.len() / 2;
    let mut changed = whole.clone();
    changed[middle] ^= 4;
    for (bytes, told) in [(&whole[..middle], "cut short"), (&whole[..0], "cut short"), (&changed[..], "were changed")] {
        std::fs::write(path(&env, "s"), bytes).expect("written");
        for ran in [infer(&env, &["the gate", "--session", "s"]), env.run(&["session", "show", "s"])] {
            assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{told}: {ran}");
            assert!(ran.stderr.contains(told) && ran.stderr.contains("bizra session rm s"), "{told}: {ran}");
        }
    }
    std::fs::write(path(&env, "s"), "").expect("written");
    assert!(env.run(&["session", "list"]).stdout.contains("unreadable"));
    assert_eq!(env.run(&["session", "rm", "s"]).code, 0);
    assert_eq!(infer(&env, &["the gate", "--session", "s"]).code, 0);
    // The same file, vouched for by another key: as if it were brought from elsewhere.
    std::fs::write(env.home().join(".local/share/bizra/session-key"), [1; 32]).expect("written");
    assert_eq!(infer(&env, &["the gate", "--session", "s"]).code, 3);
}

#[cfg(target_os = "linux")]
#[test]
fn where_there_is_no_room_for_a_session_the_answer_stands_and_the_old_one_too() {
    let env = scene();
    let args = |question: &str| {
        [&["infer", "--raw", "-n", "8", "--no-receipt", "--session", "s"], &[question][..]]
            .concat()
            .iter()
            .map(|s| s.to_string())
            .collect::<Vec<_>>()
    };
    let words = args("the gate");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(env.process(&words).code, 0);
    let before = std::fs::read(path(&env, "s")).expect("there");
    let question = asked("one");
    let words = args(&question);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let inner = env.command(&words);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    limited.current_dir(env.work()).env_clear();
    limited.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let ended = limited.output().expect("a shell");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(6), "{told}");
    assert!(told.contains("the answer stands; the session is as it was before"), "{told}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), infer(&env, &[&question, "--raw", "-n", "8"]).stdout);
    assert_eq!(std::fs::read(path(&env, "s")).expect("there"), before);
    assert_eq!(std::fs::read_dir(path(&env, "s").parent().expect("a folder")).expect("read").count(), 1);
}

#[cfg(unix)]
#[test]
fn two_runs_at_once_each_leave_a_whole_session() {
    let env = scene();
    let mut runs = Vec::new();
    for question in ["one", "two", "three"] {
        let mut command = env.command(&["infer", &asked(question), "--raw", "-n", "8", "--session", "s", "--json"]);
        let pipe = std::process::Stdio::piped;
        runs.push((question, command.stdout(pipe()).stderr(pipe()).spawn().expect("it starts")));
    }
    for (question, run) in runs {
        let ended = run.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
        let said: Value = serde_json::from_slice(&ended.stdout).expect("a document");
        assert_eq!(said["result"]["text"], result(&env, &[&asked(question), "--raw", "-n", "8"])["text"]);
    }
    assert_eq!(env.run(&["session", "show", "s"]).code, 0);
}
