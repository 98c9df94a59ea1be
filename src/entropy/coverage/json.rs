//! LLVM's coverage export, and the outcomes of cargo-mutants.

use serde::Deserialize;

use super::{Mutants, Report, ReportError};

fn fault(error: &serde_json::Error) -> ReportError {
    ReportError::new(u32::try_from(error.line()).ok(), format!("this is not the JSON it should be: {error}"))
}

#[derive(Deserialize)]
struct Export {
    data: Vec<ExportData>,
    r#type: String,
}

#[derive(Deserialize)]
struct ExportData {
    files: Vec<ExportFile>,
}

#[derive(Deserialize)]
struct ExportFile {
    filename: String,
    segments: Vec<Segment>,
}

/// Line, column, count, whether there is a count, whether a region begins, and since 2019 whether it is a gap.
#[derive(Deserialize)]
struct Segment(
    u32,
    #[allow(dead_code, reason = "it stands in the format")] u32,
    u64,
    bool,
    bool,
    #[serde(default)] bool,
);

pub(super) fn llvm(text: &str, report: &mut Report) -> Result<(), ReportError> {
    let export: Export = serde_json::from_str(text).map_err(|e| fault(&e))?;
    if export.r#type != "llvm.coverage.json.export" {
        return Err(ReportError::new(None, format!("`{}` is no export of LLVM's coverage", export.r#type)));
    }
    let files = export.data.iter().flat_map(|data| &data.files);
    let mut any = false;
    for file in files {
        any = true;
        lines(file, report);
    }
    if any { Ok(()) } else { Err(ReportError::new(None, "there is no file in it")) }
}

/// A line's count is the greatest of the regions that begin on it, or that lie over all of it.
fn lines(file: &ExportFile, report: &mut Report) {
    for pair in file.segments.windows(2) {
        let (here, next) = (&pair[0], &pair[1]);
        let Segment(line, _, count, counted, begins, gap) = here;
        if !counted || *gap {
            continue;
        }
        if *begins {
            report.line(&file.filename, *line, *count > 0);
        }
        for over in line + 1..next.0 {
            report.line(&file.filename, over, *count > 0);
        }
        if next.0 > *line && !next.4 {
            report.line(&file.filename, next.0, *count > 0);
        }
    }
    if let Some(Segment(line, _, count, true, true, false)) = file.segments.last() {
        report.line(&file.filename, *line, *count > 0);
    }
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<MutantOutcome>,
}

#[derive(Deserialize)]
struct MutantOutcome {
    scenario: serde_json::Value,
    summary: String,
}

pub(super) fn mutants(text: &str, report: &mut Report) -> Result<(), ReportError> {
    let read: Outcomes = serde_json::from_str(text).map_err(|e| fault(&e))?;
    let mut found = Mutants { caught: 0, tried: 0 };
    for outcome in &read.outcomes {
        if outcome.scenario.get("Mutant").is_none() {
            continue;
        }
        match outcome.summary.as_str() {
            // A fault that makes the tests run forever was noticed as well.
            "CaughtMutant" | "Timeout" => {
                found.caught += 1;
                found.tried += 1;
            }
            "MissedMutant" => found.tried += 1,
            // It didn't compile, so it says nothing about the tests.
            "Unviable" => {}
            other => return Err(ReportError::new(None, format!("`{other}` is no outcome of a mutant"))),
        }
    }
    if found.tried == 0 {
        return Err(ReportError::new(None, "no mutant was tried according to it"));
    }
    report.mutants = Some(found);
    Ok(())
}
