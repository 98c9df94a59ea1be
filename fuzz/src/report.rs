//! What other programs report: coverage and tests in five formats, and speeds in whatever they print.

use bizra::bench::adapters;
use bizra::entropy::coverage::{Format, Report, read};

pub fn look(bytes: &[u8]) {
    match adapters::read(bytes, &[], None) {
        Ok(output) => {
            assert!(!output.readings.is_empty());
            assert!(output.readings.iter().flat_map(|reading| &reading.samples).all(|sample| sample.is_finite()));
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(format) = Format::guess(text) else { return };
    let mut report = Report::default();
    match read(format, text, &mut report) {
        Ok(()) => {
            for lines in report.files.values() {
                assert!(Report::share(lines, 0, u32::MAX).is_none_or(|share| share <= 100));
            }
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
