//! What a machine can do, as a list of checks, and what follows from it.
//!
//! Pure: the facts are gathered elsewhere. A check is `ok`, `missing` (not here, and why that may matter) or `broken`
//! (here, but unusable). Core work needs the checks marked as core; the others are optional.

use crate::error::{Error, Exit};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    Missing,
    Broken,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Missing => "missing",
            State::Broken => "broken",
        }
    }
}

/// A value that programs read beside the sentence that people read.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Text(String),
    Count(u64),
    /// A measurement; shown with two decimals.
    Measure(f64),
    List(Vec<String>),
}

macro_rules! subjects {
    ($($variant:ident $word:literal $core:literal $about:literal,)*) => {
        /// What can be asked about, in the order shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
        pub enum Subject {
            $(#[doc = $about] #[value(name = $word)] $variant,)*
        }

        impl Subject {
            pub const ALL: &[Subject] = &[$(Subject::$variant,)*];

            pub fn word(self) -> &'static str {
                match self { $(Subject::$variant => $word,)* }
            }

            /// Whether nothing works without it.
            pub fn core(self) -> bool {
                match self { $(Subject::$variant => $core,)* }
            }
        }
    };
}

subjects! {
    Cpu "cpu" true "instruction sets that the kernels can use",
    Cores "cores" true "processors that this process may use",
    Memory "memory" true "memory that this process may use",
    Bandwidth "bandwidth" false "measured speed of reading memory (with --bandwidth)",
    Cuda "cuda" false "NVIDIA GPUs",
    Hip "hip" false "AMD GPUs",
    Vulkan "vulkan" false "GPUs through Vulkan",
    Git "git" false "the git program, for exchange with remotes",
    Repository "repository" false "a git repository around the current folder",
    Timezone "timezone" true "the time zone that days are counted in",
    Config "config" true "configuration files",
    Data "data" true "the folder for keys and for the ledger of work outside a repository",
    Ledger "ledger" true "the receipt ledger",
    Models "models" false "the cache of model files",
}

#[derive(Clone, Debug)]
pub struct Check {
    pub subject: Subject,
    pub state: State,
    pub detail: String,
    pub hint: Option<String>,
    pub facts: Vec<(&'static str, Fact)>,
}

impl Check {
    pub fn new(subject: Subject, state: State, detail: impl Into<String>) -> Self {
        Check { subject, state, detail: detail.into(), hint: None, facts: Vec::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn fact(mut self, name: &'static str, fact: Fact) -> Self {
        self.facts.push((name, fact));
        self
    }
}

pub struct Report {
    pub checks: Vec<Check>,
    pub required: Vec<Subject>,
}

impl Report {
    /// Why the answer is not yes: something of the core is broken, or something required is not there.
    pub fn reasons(&self) -> Vec<Error> {
        let unchecked = self.required.iter().filter(|r| !self.checks.iter().any(|c| c.subject == **r));
        let unchecked = unchecked.map(|r| Error::new(Exit::Undecided, format!("{} was not looked at", r.word())));
        self.checks.iter().filter_map(|check| self.reason(check)).chain(unchecked).collect()
    }

    fn reason(&self, check: &Check) -> Option<Error> {
        let required = self.required.contains(&check.subject);
        let exit = match check.state {
            State::Ok => return None,
            State::Broken if check.subject.core() => Exit::Cannot,
            State::Broken | State::Missing if required => Exit::Undecided,
            State::Broken | State::Missing => return None,
        };
        let error = Error::new(exit, format!("{} is {}: {}", check.subject.word(), check.state.word(), check.detail));
        Some(match &check.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(checks: &[(Subject, State)], required: &[Subject]) -> Exit {
        let checks = checks.iter().map(|(subject, state)| Check::new(*subject, *state, "x")).collect();
        let report = Report { checks, required: required.to_vec() };
        Exit::decide(report.reasons().iter().map(|r| r.exit))
    }

    #[test]
    fn optional_parts_count_only_when_required() {
        use {State::*, Subject::*};
        let check = |checks: &[(Subject, State)], required: &[Subject], exit| {
            assert_eq!(decided(checks, required), exit, "{checks:?} {required:?}");
        };
        check(&[(Cpu, Ok), (Cuda, Missing), (Vulkan, Broken)], &[], Exit::Yes);
        check(&[(Cpu, Ok), (Cuda, Missing)], &[Cuda], Exit::Undecided);
        check(&[(Vulkan, Broken)], &[Vulkan], Exit::Undecided);
        check(&[(Cuda, Ok)], &[Cuda], Exit::Yes);
        check(&[(Cpu, Ok)], &[Cuda], Exit::Undecided);
        check(&[(Ledger, Missing)], &[], Exit::Yes);
        check(&[(Ledger, Broken)], &[], Exit::Cannot);
        check(&[(Ledger, Broken), (Cuda, Missing)], &[Cuda], Exit::Cannot);
    }
}
