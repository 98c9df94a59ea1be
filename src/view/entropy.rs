//! H: a line of bits, what changed it, and the pieces it is made of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::View;
use crate::entropy::claims::Weighed;
use crate::entropy::measure::{Change, Code, Contribution, Part};
use crate::entropy::scatter::Scatter;
use crate::entropy::scope::LeftOut;
use crate::receipts::hex;
use crate::receipts::predicates::EntropyScope;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct Bits {
    pub(crate) h: f64,
    pub(crate) p: f64,
    pub(crate) v: f64,
    pub(crate) ceiling: f64,
    pub(crate) claims: usize,
    pub(crate) orphans: Vec<(String, f64)>,
    pub(crate) units: usize,
    pub(crate) covered: usize,
}

pub(crate) struct Compared {
    pub(crate) h: f64,
    pub(crate) commit: String,
    pub(crate) change: Change,
}

/// Why there is no change to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    FirstDay,
    NoBaseline,
    OtherEpoch(u32),
    CutOff,
}

impl Since {
    pub(crate) fn words(self) -> String {
        match self {
            Since::FirstDay => "this is the first day".into(),
            Since::NoBaseline => "no baseline locks the claims".into(),
            Since::OtherEpoch(epoch) => format!("epoch {epoch} began since"),
            Since::CutOff => "the history is cut off before".into(),
        }
    }

    pub(crate) fn next(self) -> &'static str {
        match self {
            Since::FirstDay => "come back tomorrow, or name a commit with --since",
            Since::NoBaseline => "bizra entropy baseline",
            Since::OtherEpoch(_) => "name a later commit or day with --since",
            Since::CutOff => "git fetch --unshallow",
        }
    }
}

pub(crate) struct Measured {
    pub(crate) commit: String,
    pub(crate) now: Timestamp,
    pub(crate) now_given: bool,
    pub(crate) bits: Bits,
    pub(crate) compared: Result<Compared, Since>,
    pub(crate) top: usize,
    pub(crate) scatter: Option<Scatter>,
    /// Hassan's change entropy and its normalised form, where it was asked for.
    pub(crate) classic: Option<Option<(f64, f64)>>,
    /// Epoch, digest and receipt.
    pub(crate) baseline: Option<(u32, [u8; 32], String)>,
    /// The baseline is an older one, and what it did not lock can't be found out.
    pub(crate) kinds_only: bool,
    pub(crate) left_out: Vec<(String, LeftOut)>,
    pub(crate) uncommitted: bool,
}

/// `−1.33`, with the sign that typography has for it, and no minus before nothing.
pub(crate) fn signed(bits: f64) -> String {
    let text = format!("{:.2}", bits.abs());
    match text.as_str() {
        "0.00" => "0".into(),
        _ if bits < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

impl Measured {
    /// `H 41.20 → 39.87 bits (Δ −1.33; P −1.19, V −0.14, scope 0)`
    pub(crate) fn headline(&self) -> String {
        match &self.compared {
            Ok(Compared { h, change, .. }) => format!(
                "H {h:.2} → {:.2} bits (Δ {}; P {}, V {}, scope {})",
                self.bits.h,
                signed(change.total()),
                signed(change.p),
                signed(change.v),
                signed(change.scope)
            ),
            Err(why) => format!("H {:.2} bits (no Δ: {})", self.bits.h, why.words()),
        }
    }

    fn remainder(&self, change: &Change) -> Option<(usize, f64)> {
        let rest = change.contributions.get(self.top..).unwrap_or_default();
        (!rest.is_empty()).then(|| (rest.len(), crate::entropy::measure::sum(rest.iter().map(|c| c.bits))))
    }
}

fn short(id: &str) -> &str {
    super::short(id)
}

fn part_word(part: Part) -> &'static str {
    match part {
        Part::Claim => "P",
        Part::Code => "V",
        Part::Scope => "scope",
    }
}

fn contribution(piece: &Contribution) -> Line {
    let tone = if piece.bits > 0.0 { Tone::Bad } else { Tone::Good };
    let mut line = Line::new().text("  ").column(tone, format!("{:>8}", signed(piece.bits)), 8);
    line = line.column(Tone::Dim, part_word(piece.part), 5).toned(Tone::Strong, &piece.name);
    line = line.text(format!(": {}", piece.reason));
    if let Some(id) = piece.receipts.first() {
        line = line.toned(Tone::Dim, format!(" (receipt {})", short(id)));
    }
    line.hanging(18)
}

impl View for Measured {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(Line::new().toned(Tone::Strong, self.headline()).hanging(2));
        let bits = &self.bits;
        page.line(
            Line::new()
                .text(format!(
                    "  P {:.2} of {} claims, V {:.2} of {} units of code ({} with evidence); at most {:.2}",
                    bits.p, bits.claims, bits.v, bits.units, bits.covered, bits.ceiling
                ))
                .hanging(4),
        );
        if let Ok(compared) = &self.compared {
            for piece in compared.change.contributions.iter().take(self.top) {
                page.line(contribution(piece));
            }
            if let Some((count, rest)) = self.remainder(&compared.change) {
                page.line(Line::new().text(format!("  {:>8}       {count} more", signed(rest))));
            }
        }
        for (id, open) in &bits.orphans {
            page.line(
                Line::new()
                    .text("  ")
                    .toned(Tone::Warn, format!("orphan {id}"))
                    .text(format!(": {open:.2} bits stay open; answer for it: bizra entropy scope {id} --reason …"))
                    .hanging(4),
            );
        }
        if self.kinds_only {
            let text = "  the baseline locks only the kinds of evidence, and its commit is not here to say more";
            page.line(Line::new().toned(Tone::Warn, text).text(": bizra entropy baseline --reason …").hanging(4));
        }
        match &self.scatter {
            Some(scatter) => {
                let top: Vec<String> = scatter
                    .modules
                    .iter()
                    .take(3)
                    .map(|(name, share)| format!("{name} {:.0} %", share * 100.0))
                    .collect();
                page.line(
                    Line::new().text(format!("C {:.2} bits of scatter ({})", scatter.bits, top.join(", "))).hanging(2),
                );
            }
            None => page.text("C is not told: nothing has changed in its window"),
        }
        match self.classic {
            None => {}
            Some(Some((bits, normal))) => {
                page.text(format!("Hassan's change entropy {bits:.2} bits, {normal:.3} of its greatest value"));
            }
            Some(None) => page.text("Hassan's change entropy is not told: nothing has changed in its window"),
        }
        if let Err(why) = &self.compared {
            page.line(Line::new().toned(Tone::Dim, format!("next: {}", why.next())));
        }
        let mut reasons: Vec<(LeftOut, usize)> = Vec::new();
        for (_, why) in &self.left_out {
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((*why, 1)),
            }
        }
        if !reasons.is_empty() {
            reasons.sort();
            let told: Vec<String> = reasons.iter().map(|(why, n)| format!("{n} {}", why.words())).collect();
            page.line(Line::new().toned(Tone::Dim, format!("left out: {}", told.join(", "))).hanging(2));
        }
        if self.uncommitted {
            page.line(Line::new().toned(Tone::Dim, "what is not committed does not count yet"));
        }
        page
    }

    fn json(&self) -> Value {
        let change = self.compared.as_ref().ok().map(|compared| {
            let pieces: Vec<Value> = compared.change.contributions.iter().map(piece_json).collect();
            json!({
                "since": compared.commit,
                "h_bits": compared.h,
                "delta_bits": compared.change.total(),
                "p_bits": compared.change.p,
                "v_bits": compared.change.v,
                "scope_bits": compared.change.scope,
                "contributions": pieces,
            })
        });
        let left_out: Vec<Value> =
            self.left_out.iter().map(|(path, why)| json!({ "path": path, "why": why.words() })).collect();
        let orphans: Vec<Value> =
            self.bits.orphans.iter().map(|(id, open)| json!({ "claim": id, "bits": open })).collect();
        let scatter = self.scatter.as_ref().map(|scatter| {
            let modules: Vec<Value> =
                scatter.modules.iter().map(|(name, share)| json!({ "module": name, "share": share })).collect();
            json!({ "bits": scatter.bits, "modules": modules })
        });
        let baseline = self.baseline.as_ref().map(
            |(epoch, digest, receipt)| json!({ "epoch": epoch, "sha256": hex::encode(digest), "receipt": receipt, "kinds_only": self.kinds_only }),
        );
        json!({
            "commit": self.commit,
            "now": self.now.to_string(),
            "h_bits": self.bits.h,
            "p_bits": self.bits.p,
            "v_bits": self.bits.v,
            "ceiling_bits": self.bits.ceiling,
            "claims": self.bits.claims,
            "units": self.bits.units,
            "units_with_evidence": self.bits.covered,
            "change": change,
            "no_change_because": self.compared.as_ref().err().map(|why| why.words()),
            "orphans": orphans,
            "scatter": scatter,
            "classic": self.classic.map(|told| told.map(|(bits, normal)| json!({ "bits": bits, "normalised": normal }))),
            "baseline": baseline,
            "left_out": left_out,
            "uncommitted": self.uncommitted,
        })
    }
}

fn piece_json(piece: &Contribution) -> Value {
    json!({
        "part": part_word(piece.part),
        "name": piece.name,
        "bits": piece.bits,
        "reason": piece.reason,
        "receipts": piece.receipts,
    })
}

/// A claim or a unit of code, and what it adds.
pub(crate) struct Piece {
    pub(crate) part: Part,
    pub(crate) name: String,
    pub(crate) bits: f64,
    weight: f64,
    p: f64,
    reason: String,
    receipts: Vec<String>,
}

impl Piece {
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn claim(claim: &Weighed) -> Piece {
        Piece {
            part: Part::Claim,
            name: claim.id.clone(),
            bits: claim.bits(),
            weight: claim.weight,
            p: claim.p,
            reason: claim.reason.clone(),
            receipts: claim.receipts.clone(),
        }
    }

    pub(crate) fn code(code: &Code<'_>) -> Piece {
        let unit = code.unit;
        let reason = match code.run {
            None => "no run of tests covers it".to_owned(),
            Some(_) if code.tests_left < 1.0 => {
                format!("covered; {:.0} % of the run's tests are still as they were", code.tests_left * 100.0)
            }
            Some(_) => "covered by a run of tests".to_owned(),
        };
        let name = if unit.name.is_empty() { String::new() } else { format!(" {}", unit.name) };
        Piece {
            part: Part::Code,
            name: format!("{}:{}{name}", code.path, unit.lines.start()),
            bits: code.bits(),
            weight: code.weight(),
            p: code.p,
            reason: format!("{} tokens; {reason}", unit.tokens),
            receipts: code.run.map(|run| run.receipts.clone()).unwrap_or_default(),
        }
    }
}

pub(crate) struct Explained {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) top: usize,
    pub(crate) left_out: Vec<(String, LeftOut)>,
}

impl View for Explained {
    fn page(&self) -> Page {
        let mut page = Page::new();
        for piece in self.pieces.iter().take(self.top) {
            let head = Line::new().column(Tone::Strong, format!("{:>8.3}", piece.bits), 8);
            let head = head.column(Tone::Dim, part_word(piece.part), 2).text(&piece.name);
            let mut head =
                head.toned(Tone::Dim, format!(": weight {:.3}, p {:.3}, {}", piece.weight, piece.p, piece.reason));
            if let Some(id) = piece.receipts.first() {
                head = head.toned(Tone::Dim, format!(" (receipt {})", short(id)));
            }
            page.line(head.hanging(12));
        }
        let rest = self.pieces.get(self.top..).unwrap_or_default();
        if !rest.is_empty() {
            let bits = crate::entropy::measure::sum(rest.iter().map(|p| p.bits));
            page.text(format!("{bits:>8.3}    {} more: --top {}", rest.len(), self.pieces.len()));
        }
        for (path, why) in &self.left_out {
            page.line(Line::new().text(format!("left out {path}: {}", why.words())).hanging(2));
        }
        page
    }

    fn json(&self) -> Value {
        let pieces: Vec<Value> = self
            .pieces
            .iter()
            .map(|p| {
                json!({ "part": part_word(p.part), "name": p.name, "bits": p.bits, "weight": p.weight, "p": p.p,
                    "reason": p.reason, "receipts": p.receipts })
            })
            .collect();
        let left_out: Vec<Value> =
            self.left_out.iter().map(|(path, why)| json!({ "path": path, "why": why.words() })).collect();
        json!({ "pieces": pieces, "left_out": left_out })
    }
}

pub(crate) struct LogDay {
    pub(crate) date: Date,
    pub(crate) commit: String,
    pub(crate) h: f64,
    pub(crate) p: f64,
    pub(crate) v: f64,
    /// What each claim leaves open.
    pub(crate) claims: BTreeMap<String, f64>,
    /// The baseline that is in force now was so then.
    pub(crate) same_epoch: bool,
}

pub(crate) struct Log {
    /// The oldest first.
    pub(crate) days: Vec<LogDay>,
}

impl Log {
    fn delta(&self, at: usize) -> Option<f64> {
        let day = &self.days[at];
        let before = at.checked_sub(1).map(|b| &self.days[b])?;
        (day.same_epoch && before.same_epoch).then_some(day.h - before.h)
    }
}

impl View for Log {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut grid = Grid::new([
            ("day", Align::Left),
            ("commit", Align::Left),
            ("H", Align::Right),
            ("Δ", Align::Right),
            ("P", Align::Right),
            ("V", Align::Right),
        ]);
        for (at, day) in self.days.iter().enumerate() {
            let delta = self.delta(at).map_or_else(|| "—".to_owned(), signed);
            grid.row([
                day.date.to_string(),
                short(&day.commit).to_owned(),
                format!("{:.2}", day.h),
                delta,
                format!("{:.2}", day.p),
                format!("{:.2}", day.v),
            ]);
        }
        page.grid(grid);
        page
    }

    fn json(&self) -> Value {
        let days: Vec<Value> = self
            .days
            .iter()
            .enumerate()
            .map(|(at, day)| {
                json!({ "date": day.date.to_string(), "commit": day.commit, "h_bits": day.h, "p_bits": day.p,
                    "v_bits": day.v, "delta_bits": self.delta(at) })
            })
            .collect();
        json!({ "days": days })
    }
}

pub(crate) struct Locked {
    pub(crate) epoch: u32,
    pub(crate) reason: String,
    pub(crate) claims: usize,
    pub(crate) commit: String,
    pub(crate) file: &'static str,
}

impl View for Locked {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(
            Line::new()
                .toned(Tone::Strong, format!("epoch {}", self.epoch))
                .text(format!(" locks {} claims as of {}: {}", self.claims, short(&self.commit), self.reason))
                .hanging(2),
        );
        page.text(format!("  commit it: git add {}", self.file));
        page
    }

    fn json(&self) -> Value {
        json!({ "epoch": self.epoch, "reason": self.reason, "claims": self.claims, "commit": self.commit, "file": self.file })
    }
}

pub(crate) struct Released {
    pub(crate) word: EntropyScope,
}

impl View for Released {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let into = if self.word.into.is_empty() { "nothing".to_owned() } else { self.word.into.join(", ") };
        page.line(
            Line::new()
                .toned(Tone::Strong, &self.word.claim)
                .text(format!(" is answered for; in its place: {into}. {}", self.word.reason))
                .hanging(2),
        );
        page
    }

    fn json(&self) -> Value {
        json!({ "claim": self.word.claim, "into": self.word.into, "reason": self.word.reason })
    }
}
