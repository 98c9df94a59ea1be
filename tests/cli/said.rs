//! What a run said, made the same on every machine and at every commit, so that a snapshot can hold it.

use std::fmt::Write as _;

use crate::harness::{Ran, TestEnv};

/// Every id becomes a run of one letter as long as itself, the same letter for the same id, however short it is cut.
/// Columns stay where they are.
pub fn steady(text: &str) -> String {
    let mut known: Vec<&str> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, word) = rest.split_at(start);
        out.push_str(before);
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let is_id = word.len() >= 8
            && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            && word.bytes().any(|b| b.is_ascii_digit());
        if is_id {
            let place = known.iter().position(|id| id[..8] == word[..8]).unwrap_or_else(|| {
                known.push(word);
                known.len() - 1
            });
            let letter = char::from(b'A' + u8::try_from(place % 26).expect("below 26"));
            out.extend(std::iter::repeat_n(letter, word.len()));
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out.push_str(rest);
    out.replace(bizra::about::TARGET, "$TARGET").replace("linux-x86_64-", "$HOST-")
}

/// Several commands, one after the other, as a reader would see them.
pub fn told(env: &TestEnv, commands: &[&[&str]]) -> String {
    let mut all = String::new();
    for args in commands {
        let _ = writeln!(all, "$ bizra {}\n{}", args.join(" "), env.run(args));
    }
    steady(&all)
}

/// The receipt's id, from what a command says on stderr.
pub fn receipt_of(ran: &Ran) -> String {
    let line = ran.stderr.lines().filter_map(|line| line.strip_prefix("receipt ")).next_back();
    line.unwrap_or_else(|| panic!("no receipt was told: {ran}")).to_owned()
}

pub fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"))
}

#[test]
fn one_letter_stands_for_one_id() {
    let text = "12345678abcdef 12345678 beefbeef1 key:0123456789abc… deadbeef";
    assert_eq!(steady(text), "AAAAAAAAAAAAAA AAAAAAAA BBBBBBBBB key:CCCCCCCCCCCCC… deadbeef");
}
