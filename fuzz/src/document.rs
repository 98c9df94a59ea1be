//! Any Markdown gives a draft, which is YAML and no plan only for reasons that can be told.

use std::path::Path;

use bizra::roadmap::import::{Origin, draft};
use bizra::sys::{plans, yaml};

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let origin = Origin { id: "draft".into(), zone: "UTC".into(), path: "a.md".into(), repaired: false };
    let yaml = draft(text, &origin);
    let Ok(source) = yaml::decode(Path::new("a.yaml"), yaml.as_bytes()) else { return };
    if let Err(problem) = yaml::parse(&source, 0) {
        panic!("{problem}\n{yaml}");
    }
    if let Err(problems) = plans::read(Path::new("a.yaml"), yaml.as_bytes()) {
        assert!(!problems.is_empty());
    }
}
