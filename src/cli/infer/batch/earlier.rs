//! The answers of an earlier run of the same batch: which lines need not be asked again.
//!
//! Each answer holds the SHA-256 of its line and of what was asked with it, so answers to other lines, or by other
//! rules, are refused and not mixed with new ones.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::line::Line;
use crate::error::{Error, Place, Result};
use crate::receipts::hex;

/// What an answer must say of itself to stand beside new ones.
pub(super) struct Rules<'r> {
    pub(super) settings: &'r str,
    /// Of the model, in hexadecimal; asked only where there is an answer to compare.
    pub(super) model: &'r dyn Fn() -> String,
}

#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// How many lines are answered.
    pub(super) count: usize,
    /// Answers by the place of their line, those behind the first gap.
    pub(super) answers: BTreeMap<usize, String>,
    /// The first so many of all lines are answered by the file's first so many bytes.
    pub(super) settled: usize,
    pub(super) bytes: u64,
}

impl Earlier {
    /// Lines that were refused are asked again: they may have been mended.
    pub(super) fn read(path: &Path, text: &[u8], lines: &[Line<'_>], rules: &Rules<'_>) -> Result<Earlier> {
        let mut earlier = Earlier::default();
        let mut in_order = true;
        let mut model = None;
        for (record, number) in text.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()).zip(1..) {
            let refuse =
                |why: String| Error::invalid(why).at(Place { file: path.into(), at: Some((number, 1)), excerpt: None });
            let none = || refuse("this is no answer of a batch".into()).hint("name another file with --output");
            let value: Value = serde_json::from_slice(record).map_err(|_| none())?;
            let said = |key: &str| value[key].as_str();
            let (Some(line), Some(exit), Some(input)) = (value["line"].as_u64(), value["exit"].as_u64(), said("input"))
            else {
                return Err(none());
            };
            if exit != 0 && value["result"].is_null() {
                in_order = false;
                continue;
            }
            let place = lines.binary_search_by_key(&line, |line| line.number as u64).ok();
            let Some(place) = place.filter(|place| hex::encode(&lines[*place].digest()) == input) else {
                return Err(refuse(format!("this answers another line {line} than the batch has now"))
                    .hint("answer a changed batch into another file: --output FILE"));
            };
            if said("settings") != Some(rules.settings) {
                return Err(refuse(format!("line {line} was answered under other options"))
                    .hint("give the options of the first run, or another --output"));
            }
            let ours = model.get_or_insert_with(|| (rules.model)());
            if value["result"]["model"]["sha256"].as_str() != Some(ours) {
                return Err(refuse(format!("line {line} was answered by another model"))
                    .hint("name the model of the first run with -m, or another --output"));
            }
            let text = String::from_utf8_lossy(record).into_owned();
            if earlier.answers.insert(place, text).is_some() {
                return Err(refuse(format!("line {line} is answered twice")));
            }
            in_order &= place == earlier.settled;
            if in_order {
                earlier.settled += 1;
                earlier.bytes += record.len() as u64 + 1;
            }
        }
        earlier.count = earlier.answers.len();
        earlier.answers = earlier.answers.split_off(&earlier.settled);
        Ok(earlier)
    }
}
