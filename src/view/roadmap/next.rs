//! What to do next, with the reason for each, and what the rest waits for.

use serde_json::{Value, json};

use super::super::View;
use crate::plan::gate::Outcome;
use crate::roadmap::next::{Block, Next, Step};
use crate::ui::{Line, Page, Tone};

pub(crate) struct Steps {
    pub(crate) next: Next,
    /// How many of each list are shown.
    pub(crate) most: usize,
    pub(crate) several_plans: bool,
    pub(crate) owner: Option<String>,
}

impl Steps {
    fn list(&self, title: &str, steps: &[Step], page: &mut Page, tell: impl Fn(&Step, &mut Page)) {
        if steps.is_empty() {
            return;
        }
        page.heading(title);
        for step in steps.iter().take(self.most) {
            let head = Line::new().text("  ").column(Tone::Strong, self.id(step), 14);
            page.line(head.text(&step.name).hanging(6));
            tell(step, page);
        }
        if steps.len() > self.most {
            page.line(
                Line::new().toned(Tone::Dim, format!("  and {} more: -n {}", steps.len() - self.most, steps.len())),
            );
        }
    }

    fn id(&self, step: &Step) -> String {
        if self.several_plans { format!("{}/{}", step.plan, step.id) } else { step.id.clone() }
    }
}

/// Why it stands where it stands.
fn why(step: &Step) -> String {
    let mut parts = Vec::new();
    parts.extend(step.priority.map(str::to_owned));
    parts.push(if step.critical { "critical".into() } else { format!("float {} h", step.float) });
    parts.extend(step.window.map(
        |(first, last)| {
            if first == last { format!("day {first}") } else { format!("days {first}-{last}") }
        },
    ));
    parts.extend(step.phase.clone());
    parts.extend(step.hours.map(|h| format!("{h} h")));
    if step.doing {
        parts.push("begun".into());
    }
    match step.waiting {
        0 => {}
        1 => parts.push("1 other waits for it".into()),
        n => parts.push(format!("{n} others wait for it")),
    }
    if !step.owners.is_empty() {
        parts.push(format!("of {}", step.owners.join(", ")));
    }
    parts.join(" · ")
}

fn dim(indent: usize, text: &str) -> Line {
    Line::new().text(" ".repeat(indent)).toned(Tone::Dim, text)
}

fn told(blocks: &[Block], word: &str, page: &mut Page) {
    for block in blocks.iter().take(3) {
        page.line(dim(6, word).text(format!("{}: {}", block.by, block.why)).hanging(8));
        if let Some(next) = &block.next {
            page.line(dim(8, "unblocked by: ").text(next).hanging(10));
        }
    }
    if blocks.len() > 3 {
        page.line(dim(6, &format!("and {} more", blocks.len() - 3)));
    }
}

impl View for Steps {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let next = &self.next;
        if next.is_over() {
            page.text(match &self.owner {
                Some(owner) => format!("nothing is left to do for {owner}"),
                None => format!("nothing is left to do: all pieces of work ({}) are proven", next.proven),
            });
            return page;
        }
        let ready = |step: &Step, page: &mut Page| page.line(dim(6, &why(step)).hanging(8));
        self.list("now: everything they need is proven", &next.ready, &mut page, ready);
        self.list("now, if what they need is really done", &next.ready_on_word, &mut page, |step, page| {
            ready(step, page);
            told(&step.on_word, "rests on ", page);
        });
        self.list("to prove: called done, and nothing shows it", &next.to_prove, &mut page, |step, page| {
            let tone = if step.proof.outcome == Outcome::Failed { Tone::Bad } else { Tone::Warn };
            let parts = step.proof.deciding();
            let found = parts.first().map_or(String::new(), |p| format!(": {}: {}", p.wanted, p.found));
            page.line(Line::new().text("      ").toned(tone, step.proof.outcome.words()).text(found).hanging(8));
            if let Some(next) = &step.proof.next {
                page.line(dim(6, "next: ").text(next).hanging(8));
            }
        });
        self.list("blocked", &next.blocked, &mut page, |step, page| told(&step.blocks, "by ", page));
        if next.proven > 0 {
            page.line(Line::new().toned(Tone::Good, format!("proven: {}", next.proven)));
        }
        page
    }

    fn json(&self) -> Value {
        let block = |b: &Block| json!({ "by": b.by, "why": b.why, "next": b.next });
        let step = |s: &Step| {
            json!({
                "plan": s.plan,
                "id": s.id,
                "name": s.name,
                "phase": s.phase,
                "priority": s.priority,
                "hours": s.hours.map(|h| h.to_string()),
                "float_hours": s.float.to_string(),
                "critical": s.critical,
                "window": s.window.map(|(first, last)| json!({ "first": first, "last": last })),
                "owners": s.owners,
                "begun": s.doing,
                "others_waiting": s.waiting,
                "rests_on_claims": s.on_word.iter().map(block).collect::<Vec<_>>(),
                "blocked_by": s.blocks.iter().map(block).collect::<Vec<_>>(),
                "proof": { "outcome": s.proof.outcome.word(), "detail": s.proof.outcome.words(), "next": s.proof.next },
            })
        };
        let list = |steps: &[Step]| json!({ "count": steps.len(), "steps": steps.iter().take(self.most).map(step).collect::<Vec<_>>() });
        json!({
            "ready": list(&self.next.ready),
            "ready_on_claims": list(&self.next.ready_on_word),
            "to_prove": list(&self.next.to_prove),
            "blocked": list(&self.next.blocked),
            "proven": self.next.proven,
            "owner": self.owner,
        })
    }
}
