//! One thing out of many, named by the start of its id.

use crate::error::{Error, Result};

/// The shortest start of an id that is taken for one.
const LEAST_DIGITS: usize = 6;

/// Refuses what can't be the start of an id of `digits` digits.
pub(super) fn check_start(what: &str, start: &str, digits: usize) -> Result<()> {
    let is_hex = start.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && (LEAST_DIGITS..=digits).contains(&start.len()) {
        return Ok(());
    }
    Err(Error::usage(format!("`{start}` is no {what} id: at least {LEAST_DIGITS} of its {digits} digits (0-9, a-f)")))
}

/// The only one whose id begins so; `None` where no id does.
pub(super) fn by_start<T>(
    what: &str,
    start: &str,
    all: impl IntoIterator<Item = T>,
    id: impl Fn(&T) -> String,
) -> Result<Option<T>> {
    let mut found = Vec::new();
    for one in all {
        let id = id(&one);
        check_start(what, start, id.len())?;
        if id.starts_with(start) {
            found.push(one);
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        several => Err(Error::usage(format!("{several} {what}s begin with `{start}`")).hint("give more digits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_start_names_one_thing() {
        let all = ["aaaaaa11", "aaaaaa22", "bbbbbb33"];
        let pick = |start| by_start("key", start, all, |id| (*id).to_owned());
        assert_eq!(pick("bbbbbb"), Ok(Some("bbbbbb33")));
        assert_eq!(pick("aaaaaa2"), Ok(Some("aaaaaa22")));
        assert_eq!(pick("cccccc"), Ok(None));
        assert_eq!(pick("aaaaaa").expect_err("two begin so").message, "2 keys begin with `aaaaaa`");
        for wrong in ["", "aaaaa", "AAAAAA", "aaaaaa221", "gggggg"] {
            assert!(pick(wrong).expect_err(wrong).message.contains("is no key id"), "{wrong}");
        }
    }
}
