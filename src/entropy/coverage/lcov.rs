//! LCOV's trace files: `SF:` opens a file, `DA:line,count` tells its lines, `end_of_record` closes it.

use super::{Report, ReportError};

pub(super) fn read(text: &str, report: &mut Report) -> Result<(), ReportError> {
    let mut file: Option<&str> = None;
    let mut records = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("SF:") {
            if file.is_some() {
                return Err(ReportError::new(number, "a file begins before the one above has its end_of_record"));
            }
            file = Some(name);
        } else if let Some(data) = line.strip_prefix("DA:") {
            let Some(name) = file else {
                return Err(ReportError::new(number, "a line's count stands outside a file's record"));
            };
            let mut parts = data.split(',');
            let parsed = parts.next().and_then(|n| n.parse().ok()).zip(parts.next().and_then(count));
            let Some((at, ran)) = parsed else {
                return Err(ReportError::new(number, format!("`{line}` is no DA:LINE,COUNT")));
            };
            report.line(name, at, ran);
        } else if line == "end_of_record" {
            if file.take().is_none() {
                return Err(ReportError::new(number, "a record ends that never began"));
            }
            records += 1;
        } else if !line.is_empty() && !line.starts_with('#') && !known(line) {
            return Err(ReportError::new(number, format!("`{}` is no line of an LCOV trace", cut(line))));
        }
    }
    match (file, records) {
        (Some(name), _) => Err(ReportError::new(None, format!("the record of {name} was cut off"))),
        (None, 0) => Err(ReportError::new(None, "there is no record of a file in it")),
        _ => Ok(()),
    }
}

/// Some tools write counts as decimals, or below zero for lines that an older compiler miscounted.
fn count(text: &str) -> Option<bool> {
    text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n > 0.0)
}

fn known(line: &str) -> bool {
    let tags = [
        "TN:", "VER:", "FN:", "FNDA:", "FNF:", "FNH:", "FNL:", "FNA:", "BRDA:", "BRF:", "BRH:", "LF:", "LH:", "MCDC:",
        "MCF:", "MCH:",
    ];
    tags.iter().any(|tag| line.starts_with(tag))
}

fn cut(line: &str) -> String {
    line.chars().take(60).collect()
}
