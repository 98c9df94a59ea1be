//! Samples as they come, one line each in a file, so that a long run that was cut goes on where it was.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::tools::Outcome;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) cell: String,
    pub(super) what: String,
    pub(super) who: String,
    pub(super) round: usize,
    pub(super) value: f64,
}

pub(super) struct State {
    samples: Vec<Sample>,
    file: File,
    path: std::path::PathBuf,
}

impl Sample {
    fn line(&self) -> String {
        let Sample { cell, what, who, round, value } = self;
        json!({"cell": cell, "what": what, "who": who, "round": round, "value": value}).to_string()
    }

    fn read(line: &str) -> Option<Sample> {
        let found: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| found[name].as_str().map(str::to_owned);
        Some(Sample {
            cell: text("cell")?,
            what: text("what")?,
            who: text("who")?,
            round: usize::try_from(found["round"].as_u64()?).ok()?,
            value: found["value"].as_f64()?,
        })
    }
}

impl State {
    /// Goes on with the file where it began with the same words about what is measured; otherwise begins anew.
    pub(super) fn open(path: &Path, about: &Value, go_on: bool) -> Outcome<State> {
        let cannot = |cause: std::io::Error| format!("cannot write {}: {cause}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(cannot)?;
        }
        let before = fs::read_to_string(path).unwrap_or_default();
        let mut lines = before.lines();
        let same = lines.next().and_then(|first| serde_json::from_str::<Value>(first).ok()).as_ref() == Some(about);
        if go_on && same {
            // A line that was cut is measured again.
            let samples: Vec<Sample> = lines.filter_map(Sample::read).collect();
            let mut file = OpenOptions::new().append(true).open(path).map_err(cannot)?;
            if !before.ends_with('\n') {
                file.write_all(b"\n").map_err(cannot)?;
            }
            eprintln!("going on with {} samples of {}", samples.len(), path.display());
            return Ok(State { samples, file, path: path.to_owned() });
        }
        if go_on && !before.is_empty() {
            eprintln!("{} is of another commit, machine or peer: beginning anew", path.display());
        }
        let mut file = File::create(path).map_err(cannot)?;
        writeln!(file, "{about}").map_err(cannot)?;
        Ok(State { samples: Vec::new(), file, path: path.to_owned() })
    }

    /// Keeps what one process gave, all of it or nothing.
    pub(super) fn keep(&mut self, samples: Vec<Sample>) -> Outcome {
        let text: String = samples.iter().map(|sample| sample.line() + "\n").collect();
        let kept = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        kept.map_err(|cause| format!("cannot write {}: {cause}", self.path.display()))?;
        self.samples.extend(samples);
        Ok(())
    }

    /// In the order of rounds.
    pub(super) fn series(&self, cell: &str, what: &str, who: &str) -> Vec<(usize, f64)> {
        let found = self.samples.iter().filter(|s| s.cell == cell && s.what == what && s.who == who);
        let mut series: Vec<(usize, f64)> = found.map(|s| (s.round, s.value)).collect();
        series.sort_by_key(|(round, _)| *round);
        series.dedup_by_key(|(round, _)| *round);
        series
    }

    pub(super) fn has(&self, cell: &str, what: &str, who: &str, round: usize) -> bool {
        self.samples.iter().any(|s| s.cell == cell && s.what == what && s.who == who && s.round == round)
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: usize, value: f64) -> Sample {
        Sample { cell: "c".into(), what: "w".into(), who: "me".into(), round, value }
    }

    #[test]
    fn a_run_that_was_cut_goes_on_and_another_begins_anew() {
        let folder = std::env::temp_dir().join(format!("bizra-bench-state-{}", std::process::id()));
        let path = folder.join("state.jsonl");
        let about = json!({"commit": "a"});
        let mut state = State::open(&path, &about, true).expect("opened");
        state.keep(vec![sample(1, 2.5), sample(0, 1.5)]).expect("kept");
        drop(state);
        let text = fs::read_to_string(&path).expect("there");
        // Cut in the middle of the last line.
        fs::write(&path, &text[..text.len() - 5]).expect("cut");
        let mut state = State::open(&path, &about, true).expect("opened");
        assert!(state.has("c", "w", "me", 1) && !state.has("c", "w", "me", 0));
        state.keep(vec![sample(0, 1.0)]).expect("kept");
        drop(state);
        let state = State::open(&path, &about, true).expect("opened");
        assert_eq!(state.series("c", "w", "me"), [(0, 1.0), (1, 2.5)]);
        drop(state);
        assert_eq!(State::open(&path, &json!({"commit": "b"}), true).expect("opened").samples().count(), 0);
        fs::remove_dir_all(&folder).expect("made above");
    }
}
