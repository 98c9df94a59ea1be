//! The examples of the README and of the page of examples are run, so that they cannot rot.

use crate::harness::TestEnv;

/// `bizra …` lines of a text's shell blocks; `# exit N` after one says what it answers, 0 where nothing does.
fn examples(text: &str) -> Vec<(Vec<String>, i32)> {
    let mut examples = Vec::new();
    let mut shell = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            shell = language == "sh";
            continue;
        }
        let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
        let command = command
            .trim()
            .strip_prefix("cargo run --release -- ")
            .map(|a| format!("bizra {a}"))
            .unwrap_or(command.trim().to_owned());
        let words = words(&command);
        if shell && words.first().is_some_and(|w| w == "bizra") {
            let code =
                comment.split("exit ").nth(1).and_then(|n| n.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
            examples.push((words[1..].to_vec(), code.unwrap_or(0)));
        }
    }
    examples
}

/// As a shell takes a line apart: by blanks, but for those between double quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in command.split('"').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_example_answers_as_it_says() {
    let [readme, page] = [include_str!("../../README.md"), include_str!("../../docs/by-example.md")].map(examples);
    assert!(readme.len() >= 8 && page.len() >= 40, "examples were lost: {} and {}", readme.len(), page.len());
    for (args, code) in readme.into_iter().chain(page) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let env = TestEnv::new();
        env.git(&["init", "-q"]);
        if args.iter().any(|arg| arg.starts_with("fixtures/")) {
            env.fixture_folder();
        }
        let ran = env.run(&args);
        assert_eq!(ran.code, code, "bizra {}: {ran}", args.join(" "));
    }
}
