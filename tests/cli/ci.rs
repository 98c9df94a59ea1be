//! The composite action and the snippets for CI: each is YAML, and what they run is run here, in a repository with a
//! remote, so that they cannot rot.

use std::process::{Command, Stdio};

use bizra::plan::source::Source;
use bizra::plan::tree::{Kind, NodeId, Tree};

use crate::harness::TestEnv;

const PLAN: &str = "\
bizra: roadmap/v1
id: small
title: A small plan
timezone: UTC
phases:
  - id: genesis
    gate: {criteria: [{id: written, evidence: {file: {path: docs/a.md}}}]}
  - id: seeding
    gate: {criteria: [{id: promised, evidence: {file: {path: docs/b.md}}}]}
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.git(&["init", "-q"]);
    env.git(&["init", "-q", "--bare", "remote.git"]);
    env.git(&["remote", "add", "origin", "remote.git"]);
    env.write("roadmap/small.yaml", PLAN);
    env.write("docs/a.md", "text");
    env
}

struct Yaml(Tree);

impl Yaml {
    fn read(text: &str) -> Yaml {
        let source = Source::new("ci.yml", text);
        Yaml(bizra::sys::yaml::parse(&source, 0).unwrap_or_else(|e| panic!("{e}\n{text}")))
    }

    fn root(&self) -> NodeId {
        self.0.root().expect("a document")
    }

    fn member(&self, map: NodeId, key: &str) -> Option<NodeId> {
        self.0.entries(map).find(|(k, _)| self.0.text(*k) == key).map(|(_, value)| value)
    }

    /// The scripts, in their order: what stands under `run`, and each line of `script`, `before_script`, `commands`.
    fn scripts(&self, node: NodeId, found: &mut Vec<String>) {
        match self.0.kind(node) {
            Kind::Map => {
                for (key, value) in self.0.entries(node) {
                    match self.0.text(key) {
                        "run" => found.push(self.0.text(value).to_owned()),
                        "script" | "before_script" | "commands" => {
                            found.extend(self.0.items(value).iter().map(|line| self.0.text(*line).to_owned()));
                        }
                        _ => self.scripts(value, found),
                    }
                }
            }
            Kind::List => self.0.items(node).iter().for_each(|item| self.scripts(*item, found)),
            _ => {}
        }
    }
}

/// As the systems run it: in a shell that ends with the first error.
fn shell(env: &TestEnv, script: &str, vars: &[(&str, &str)]) -> (i32, String) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bizra"));
    let place = program.parent().expect("a folder").display().to_string();
    // The machine's own path is asked of the harness, which knows why.
    let path = env.command(&[]).get_envs().find_map(|(k, v)| (k == "PATH").then(|| v?.to_str().map(str::to_owned)));
    let path = format!("{place}:{}", path.flatten().unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]).current_dir(env.work());
    command.env_clear().envs(env.command(&[]).get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))));
    command.env("PATH", path).envs(vars.iter().copied()).stdin(Stdio::null());
    let output = command.output().expect("bash starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().unwrap_or(-1), said)
}

fn action(env: &TestEnv, inputs: [(&str, &str); 3], vars: &[(&str, &str)]) -> (i32, String, String, String) {
    let yaml = Yaml::read(include_str!("../../action.yml"));
    let mut scripts = Vec::new();
    yaml.scripts(yaml.root(), &mut scripts);
    assert_eq!(scripts.len(), 2, "{scripts:?}");
    let (output, summary) = (env.work().join("github-output"), env.work().join("github-summary"));
    let (output, summary) = (output.display().to_string(), summary.display().to_string());
    let mut all = inputs.to_vec();
    all.extend([("GITHUB_OUTPUT", output.as_str()), ("GITHUB_STEP_SUMMARY", summary.as_str())]);
    all.extend(vars);
    let mut said = String::new();
    for script in &scripts {
        let (code, words) = shell(env, script, &all);
        said += &words;
        if code != 0 || script == &scripts[1] {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            return (code, said, read(&output), read(&summary));
        }
    }
    unreachable!("the last script returns")
}

fn inputs<'a>(phase: &'a str, plan: &'a str, pending: &'a str) -> [(&'static str, &'a str); 3] {
    [("PHASE", phase), ("PLAN", plan), ("PENDING", pending)]
}

#[test]
fn the_action_declares_what_its_steps_read() {
    let yaml = Yaml::read(include_str!("../../action.yml"));
    let declared: Vec<String> = {
        let inputs = yaml.member(yaml.root(), "inputs").expect("inputs");
        yaml.0.entries(inputs).map(|(key, _)| yaml.0.text(key).to_owned()).collect()
    };
    for used in include_str!("../../action.yml").split("inputs.").skip(1) {
        let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        assert!(declared.contains(&name), "{name} is not declared");
    }
    assert_eq!(declared, ["phase", "plan", "pending"]);
    // An input in a script's own text would be run by the shell.
    let mut scripts = Vec::new();
    yaml.scripts(yaml.root(), &mut scripts);
    assert!(scripts.iter().all(|script| !script.contains("${{")), "{scripts:?}");
}

#[test]
fn the_action_decides() {
    let env = env();
    let (code, said, output, summary) = action(&env, inputs("genesis", "", "fail"), &[]);
    assert_eq!((code, output.as_str()), (0, "exit=0\n"), "{said}");
    assert!(summary.contains("gate open, 1 of 1"), "{summary}");
    assert!(said.contains("::notice title=gate::small/genesis"), "{said}");
    assert!(!said.contains("receipt"), "without a key nothing is signed: {said}");

    let env = self::env();
    let (code, said, output, _) = action(&env, inputs("seeding", "", "fail"), &[]);
    assert_eq!((code, output.as_str()), (4, "exit=4\n"), "{said}");
    assert!(said.contains("::warning file=roadmap/small.yaml,line=9"), "{said}");
    let (code, said, ..) = action(&env, inputs("", "roadmap/small.yaml", "pass"), &[]);
    assert_eq!(code, 0, "{said}");
    env.write("docs/b.md", "");
    assert_eq!(action(&env, inputs("", "", "pass"), &[]).0, 1, "a no is no missing evidence");
    assert_eq!(action(&env, inputs("", "", "pas"), &[]).0, 2);
    assert_eq!(action(&env, inputs("--help", "", "fail"), &[]).0, 2, "an input is no option");
    env.write("roadmap/small.yaml", "bizra: roadmap/v1\n");
    assert_eq!(action(&env, inputs("", "", "pass"), &[]).0, 3);
}

#[test]
fn the_action_signs_with_the_key_of_the_job() {
    let env = env();
    let key = std::fs::read_to_string(crate::keys::keygen(&env, "ci", &["-t", "ed25519"])).expect("the key");
    let (code, said, ..) = action(&env, inputs("genesis", "", "fail"), &[("BIZRA_KEY", &key)]);
    assert!(code == 0 && said.contains("receipt"), "{said}");
    let listed = env.run(&["receipts", "list"]);
    assert!(listed.stdout.matches("gate-decision").count() == 1, "the summary leaves none: {listed}");
    let (code, said, ..) = action(&env, inputs("genesis", "", "fail"), &[("BIZRA_KEY", "no key")]);
    assert_ne!(code, 0, "a key that is none is refused, and not passed over: {said}");
}

#[test]
fn the_snippets_are_yaml_and_their_commands_run() {
    let page = include_str!("../../docs/ci.md");
    let mut commands = Vec::new();
    for snippet in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let yaml = Yaml::read(snippet);
        yaml.scripts(yaml.root(), &mut commands);
    }
    assert_eq!(page.matches("```yaml").count(), 3);
    commands.extend(page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned));
    // Models come from a hub, which no test has; `model` tests that against a server of its own.
    let here = |line: &str| line.starts_with("bizra ") && !line.starts_with("bizra model pull");
    let ours: Vec<&String> = commands.iter().filter(|line| here(line.trim_start())).collect();
    assert!(ours.len() >= 8, "{commands:?}");
    let env = env();
    env.run(&["attest", "--role", "lead", "--statement", "It holds."]);
    let pushed = env.run(&["receipts", "push", "origin"]);
    assert_eq!(pushed.code, 0, "{pushed}");
    for line in ours {
        let (code, said) = shell(&env, line, &[]);
        assert_eq!(code, 0, "{line}: {said}");
    }
    let (code, said) = shell(&env, "bizra roadmap gate seeding --dry-run || [ $? -eq 4 ]", &[]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn the_page_names_commands_and_options_that_exist() {
    let page = include_str!("../../docs/ci.md");
    let env = env();
    for words in page.split('`').skip(1).step_by(2).filter(|words| words.starts_with("bizra ")) {
        let args: Vec<&str> = words.split_whitespace().skip(1).chain(["--help"]).collect();
        assert_eq!(env.run(&args).code, 0, "{words}");
    }
}
