//! What holds for every command: usage, JSON, configuration, streams, signals.

use std::process::Stdio;

use crate::harness::TestEnv;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("stdout is one JSON document")
}

#[test]
fn unknown_words_are_usage_errors_with_a_suggestion() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["docter"]));
    insta::assert_snapshot!(env.run(&["doctor", "--jsn"]));
    insta::assert_snapshot!(env.run(&["config", "colour"]));
    insta::assert_snapshot!(env.run(&["doctor", "--require", "cudaa"]));
}

#[test]
fn refusals_are_documents_too() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["docter", "--json"]).stdout);
    insta::assert_snapshot!(env.run(&["--json", "config", "colour"]).stdout);
    insta::assert_snapshot!(env.run(&["--json"]).stdout);
    assert_eq!(json(&env.run(&["keys", "--json"]).stdout)["reasons"][0]["hints"][0], "bizra keys --help");
    let by_variable = TestEnv::new().var("BIZRA_JSON", "1");
    assert_eq!(json(&by_variable.run(&["docter"]).stdout)["exit"], 2);
    assert_eq!(json(&by_variable.run(&["config", "--tz", "Mars"]).stdout)["schema"], "bizra.config/v1");
    let after_dashes = env.run(&["docter", "--", "--json"]);
    assert_eq!((after_dashes.code, after_dashes.stdout.as_str()), (2, ""), "what follows -- is no flag");
}

#[test]
fn zones_and_times_are_checked() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["config", "--tz", "Asia/Ryadh"]));
    insta::assert_snapshot!(env.run(&["config", "--now", "yesterday"]));
    env.git(&["init", "-q"]);
    env.write("bizra.toml", "colour = 1");
    assert_eq!(env.run(&["config", "--tz", "Mars"]).code, 2, "usage comes before a broken file");
}

#[test]
fn config_names_each_source() {
    let env = TestEnv::new().var("BIZRA_QUIET", "true");
    env.git(&["init", "-q"]);
    env.write("bizra.toml", "tz = \"Asia/Riyadh\"\nledger = \"var/ledger.git\"\n");
    let table = env.run(&["config", "--color", "never"]).stdout;
    let columns = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("  ");
    insta::assert_snapshot!(table.lines().map(columns).collect::<Vec<_>>().join("\n"));
    insta::assert_snapshot!(env.run(&["config", "tz"]));
    let document = json(&env.run(&["config", "--json"]).stdout);
    assert_eq!(document["schema"], "bizra.config/v1");
    assert_eq!(document["result"]["settings"]["tz"]["line"], 1);
    assert_eq!(document["result"]["settings"]["quiet"]["variable"], "BIZRA_QUIET");
}

#[test]
fn a_wrong_config_file_is_refused_with_its_place() {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.write("bizra.toml", "# ours\ncolour = \"always\"\n");
    insta::assert_snapshot!(env.run(&["config"]));
    insta::assert_snapshot!(env.run(&["config", "--json"]).stdout);
    env.write("bizra.toml", "quiet = \"yes\"\n");
    insta::assert_snapshot!(env.run(&["config"]));
    env.write("bizra.toml", "no-receipt = true\n");
    insta::assert_snapshot!(env.run(&["config"]));
    env.write("bizra.toml", b"tz = \"\xff\"\n");
    insta::assert_snapshot!(env.run(&["config"]));
    env.write("bizra.toml", "tz = \n");
    insta::assert_snapshot!(env.run(&["config"]));
}

#[test]
fn a_config_that_can_not_be_read_is_the_machines_fault() {
    let env = TestEnv::new();
    let folder = env.home().join(".config/bizra/config.toml");
    std::fs::create_dir_all(&folder).expect("a folder where the file should be");
    let ran = env.run(&["config"]);
    assert_eq!(ran.code, 3, "a folder is not a file: {ran}");
    #[cfg(unix)]
    {
        std::fs::remove_dir(&folder).expect("it is empty");
        std::os::unix::fs::symlink(&folder, &folder).expect("a link to itself");
        let ran = env.run(&["config"]);
        assert_eq!(ran.code, 6, "{ran}");
        std::fs::remove_file(&folder).expect("the link");
        std::os::unix::fs::symlink("/dev/zero", &folder).expect("a link to what never ends");
        let ran = env.run(&["config"]);
        assert_eq!(ran.code, 3, "{ran}");
        assert!(ran.stderr.contains("a device or a pipe"), "{ran}");
    }
}

#[test]
fn no_home_is_no_reason_to_fail() {
    let env = TestEnv::new().without("HOME").without("USERPROFILE");
    assert_eq!(env.run(&["config"]).code, 0);
    assert_eq!(env.process(&["config"]).code, 0);
    assert!(env.run(&["keys", "list"]).stderr.contains("no home folder is known"));
}

#[test]
fn a_named_repository_must_be_one() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.run(&["config", "--repo", "."]));
    let nowhere = env.run(&["config", "--repo", "nowhere"]);
    assert_eq!(
        (nowhere.code, nowhere.stderr.as_str()),
        (6, "error: there is nothing at nowhere\n  hint: name a folder that is there, or leave --repo out\n")
    );
    let by_variable = TestEnv::new().var("BIZRA_REPO", "nowhere").run(&["config"]);
    assert!(by_variable.stderr.contains("unset BIZRA_REPO"), "{by_variable}");
    env.git(&["init", "-q"]);
    assert_eq!(env.run(&["config", "--repo", "."]).code, 0);
}

#[test]
fn without_a_home_an_answer_needs_no_receipt() {
    let env = TestEnv::new().without("HOME");
    let ran = env.run(&["infer", "Hello"]);
    assert!(ran.code == 6 && ran.stderr.contains("--no-receipt"), "{ran}");
    assert_eq!(env.run(&["infer", "Hello", "--no-receipt"]).code, 0);
    let ran = env.run(&["attest", "--role", "lead", "--statement", "Reviewed."]);
    assert!(ran.code == 6 && !ran.stderr.contains("--no-receipt"), "a word that nobody signs is none: {ran}");
}

#[test]
fn what_is_no_number_is_said_in_words() {
    let env = TestEnv::new();
    for (words, said) in [
        (["infer", "--temperature=hot", "x"], "'--temperature <NUMBER>': this is no number"),
        (["infer", "--max-tokens=many", "x"], "'--max-tokens <TOKENS>': this is no whole number"),
        (["receipts", "list", "--limit="], "'--limit <COUNT>': a number is needed"),
    ] {
        let ran = env.run(&words);
        assert!(ran.code == 2 && ran.stderr.contains(said), "{ran}");
    }
}

#[test]
fn narrow_terminals_are_served() {
    let env = TestEnv::new().terminal(20).var("XDG_CONFIG_HOME", "/configuration");
    let ran = env.run(&["config", "--color", "never"]);
    insta::assert_snapshot!(ran);
    insta::assert_snapshot!(env.run(&["--color", "never", "config", "--tz", "Mars/Base"]));
}

#[test]
fn help_stays_in_sentences_on_narrow_terminals() {
    let help = TestEnv::new().terminal(20).run(&["--help"]).stdout;
    assert!(help.contains("          Answer with one JSON document\n"), "{help}");
}

#[test]
fn colours_follow_terminal_and_wishes() {
    let coloured = |env: &TestEnv, args: &[&str]| env.run(args).stderr.contains('\u{1b}');
    let terminal = TestEnv::new().terminal(80);
    assert!(coloured(&terminal, &["config", "nothing"]));
    assert!(!coloured(&terminal, &["config", "nothing", "--color", "never"]));
    assert!(!coloured(&TestEnv::new(), &["config", "nothing"]), "a pipe gets none");
    assert!(coloured(&TestEnv::new(), &["config", "nothing", "--color", "always"]));
    let no_color = TestEnv::new().terminal(80).var("NO_COLOR", "1");
    assert!(!coloured(&no_color, &["config", "nothing"]));
    assert!(!coloured(&TestEnv::new().terminal(80).var("TERM", "dumb"), &["config", "nothing"]));
}

#[test]
fn version_tells_commit_features_and_instruction_sets() {
    let env = TestEnv::new();
    assert_eq!(env.process(&["-V"]).stdout, "bizra $VERSION\n");
    let long = env.process(&["--version"]).stdout;
    for part in ["bizra $VERSION\n", "commit: ", "target: ", "features: ", "instruction sets: scalar"] {
        assert!(long.contains(part), "{long}");
    }
    let document = json(&env.run(&["--version", "--json"]).stdout);
    assert_eq!((&document["schema"], &document["exit"]), (&"bizra.version/v1".into(), &0.into()));
    assert_eq!(document["result"]["version"], "$VERSION");
    let help = json(&env.run(&["doctor", "--help", "--json"]).stdout);
    assert!(help["result"]["text"].as_str().is_some_and(|text| text.contains("--require")), "{help}");
}

#[test]
fn completions_are_made_for_each_shell() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = env.run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("doctor"), "{shell}");
    }
    assert_eq!(env.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn a_closed_pipe_is_141() {
    let env = TestEnv::new();
    for args in [&["completions", "bash"][..], &["--help"], &["--version"], &["config", "--json"]] {
        let ran = env.process_unread(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (141, ""), "{args:?}");
    }
    let refused = env.process_unread(&["config", "colour", "--json"]);
    assert_eq!(refused.code, 141, "a closed pipe never becomes a yes");
}

#[cfg(target_os = "linux")]
#[test]
fn closed_and_full_streams_are_told_apart() {
    let env = TestEnv::new();
    assert_eq!(env.shell("config", ">&-").code, 141);
    let full = env.shell("config", ">/dev/full");
    assert_eq!(full.code, 6);
    assert!(full.stderr.contains("no space is left"), "{full}");
    for answer in ["--help", "--version", "config nothing --json"] {
        assert!(env.shell(answer, ">/dev/full").stderr.contains("no space is left"), "{answer}");
    }
    assert_eq!(env.shell("docter --json", ">/dev/full").code, 2, "usage comes before a full disk");
    assert_eq!(env.shell("config --tz Mars --json", ">/dev/full").code, 2);
    assert_eq!(env.shell("config", "2>&-").code, 0, "a closed stderr withholds no answer");
    assert_eq!(env.shell("config nothing", "2>&-").code, 2);
    assert_eq!(env.shell("config nothing", "2>/dev/full").code, 2);
    assert_eq!(env.shell("config", "<&-").code, 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_130() {
    let env = TestEnv::new();
    let mut child = env
        .command(&["doctor", "--bandwidth"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success(), "it was still running");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn an_answer_is_printed_in_one_way() {
    let env = TestEnv::new();
    let twice = env.run(&["kernel", "verify", "softmax", "--quick", "--no-receipt", "--json", "--format", "junit"]);
    assert_eq!(twice.code, 2, "{twice}");
    assert!(twice.stderr.contains("--json prints one document and --format junit another"), "{twice}");
    let case = ["kernel", "verify", "softmax", "--no-receipt", "--case", "softmax/R=2,N=33/f32/normal/plain/t1/2a"];
    let env = env.var("BIZRA_JSON", "1");
    assert!(env.run(&case).stdout.starts_with('{'));
    let typed = env.run(&[&case[..], &["--format", "junit"]].concat());
    assert!(typed.stdout.starts_with("<?xml"), "{typed}");
}

#[test]
fn a_command_that_is_another_ones_is_named_where_it_is() {
    let env = TestEnv::new();
    for (typed, meant) in [("gate", "roadmap gate"), ("audit", "receipts audit"), ("standup", "sprint standup")] {
        let ran = env.run(&[typed]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(&format!("tip: there is `bizra {meant}`")), "{ran}");
        assert_eq!(ran.stderr.matches("tip:").count(), 1, "{ran}");
    }
    assert!(env.run(&["roadmp"]).stderr.contains("'roadmap'"));
}
