//! The risk register of a sprint, the most urgent first, and the work that each risk touches.
//!
//! Levels and statuses are words of the plan: what is not written down is unknown, and what is written is a claim.

use crate::plan::schema::Risk;

use super::work::{Board, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Critical,
    High,
    Medium,
    Low,
    Unknown,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Level::Critical => "critical",
            Level::High => "high",
            Level::Medium => "medium",
            Level::Low => "low",
            Level::Unknown => "unknown",
        }
    }

    /// The level that a text of the plan names first: `MED`, `High-Risk Items`.
    fn of(text: &str) -> Level {
        let known = |word: &str| match word.to_lowercase().as_str() {
            "critical" | "severe" | "extreme" => Some(Level::Critical),
            "high" => Some(Level::High),
            "medium" | "med" | "moderate" => Some(Level::Medium),
            "low" | "minor" => Some(Level::Low),
            _ => None,
        };
        text.split(|c: char| !c.is_alphanumeric()).find_map(known).unwrap_or(Level::Unknown)
    }
}

/// Work that a risk names.
#[derive(Clone, Debug)]
pub struct Touched {
    pub id: String,
    pub state: State,
}

#[derive(Clone, Debug)]
pub struct Registered<'a> {
    pub risk: &'a Risk,
    pub level: Level,
    /// As the plan has it; none where it says nothing.
    pub status: Option<&'a str>,
    pub touches: Vec<Touched>,
}

impl Registered<'_> {
    pub fn unproven(&self) -> impl Iterator<Item = &Touched> {
        self.touches.iter().filter(|t| t.state != State::Proven)
    }

    pub fn blocked(&self) -> impl Iterator<Item = &Touched> {
        self.touches.iter().filter(|t| t.state == State::Blocked)
    }

    /// Settled risks come after those of their level that are not, since nothing but the plan says that they are.
    fn is_settled(&self) -> bool {
        let settled = |word: &str| {
            matches!(
                word.to_lowercase().as_str(),
                "mitigated" | "closed" | "resolved" | "accepted" | "done" | "retired"
            )
        };
        self.status.is_some_and(|s| s.split(|c: char| !c.is_alphanumeric()).any(settled))
    }
}

pub fn of<'a>(board: &Board<'a>) -> Vec<Registered<'a>> {
    let registered = |risk: &'a Risk| {
        let touched = |id: &crate::plan::source::At<crate::plan::scalars::Id>| {
            let state = board.piece(&id.value.0).map(|piece| piece.state)?;
            Some(Touched { id: id.value.to_string(), state })
        };
        Registered {
            risk,
            level: risk.level.as_ref().map_or(Level::Unknown, |l| Level::of(&l.value)),
            status: risk.status.as_ref().map(|s| s.value.as_str()),
            touches: risk.affects.iter().filter_map(touched).collect(),
        }
    };
    let mut register: Vec<Registered<'a>> = board.linted.plan.risks.iter().map(registered).collect();
    register.sort_by_key(|r| (r.level, r.is_settled(), r.blocked().next().is_none(), r.unproven().next().is_none()));
    register
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_from_the_words_of_plans() {
        let check = |text: &str, level| assert_eq!(Level::of(text), level, "{text}");
        check("HIGH", Level::High);
        check("MED", Level::Medium);
        check("High-Risk Items (Mitigation Strategies)", Level::High);
        check("Low-Risk Items", Level::Low);
        check("P1", Level::Unknown);
        check("", Level::Unknown);
        check("highly unlikely", Level::Unknown);
    }
}
