//! What a new project begins with: a small roadmap, a sprint and a script for CI, with comments that explain them.
//!
//! They ask for evidence that bizra itself can produce within the first minute. Leaves out where they are written.

/// What the texts are filled with.
pub struct Beginning<'b> {
    /// An IANA name.
    pub zone: &'b str,
    pub first_day: jiff::civil::Date,
}

/// A file of a new project.
#[derive(Debug)]
pub struct StarterFile {
    /// From the root of the repository.
    pub path: &'static str,
    pub purpose: &'static str,
    pub text: String,
}

/// From the root of the repository.
pub const PATHS: [&str; 3] = ["roadmap/first.yaml", "sprints/sprint-1.yaml", "ci/bizra.sh"];

pub fn files(beginning: &Beginning<'_>) -> [StarterFile; 3] {
    let last_day = beginning.first_day.saturating_add(jiff::Span::new().days(6));
    let filled = |text: &str| {
        text.replace("@ZONE@", beginning.zone)
            .replace("@START@", &beginning.first_day.to_string())
            .replace("@TARGET@", &last_day.to_string())
    };
    let file = |path, purpose, text| StarterFile { path, purpose, text: filled(text) };
    let [roadmap, sprint, ci] = PATHS;
    [
        file(roadmap, "a roadmap of one phase, whose gate opens on evidence", include_str!("roadmap.yaml")),
        file(sprint, "a sprint of one week, from today", include_str!("sprint.yaml")),
        file(ci, "what a CI job runs", include_str!("ci.sh")),
    ]
}
