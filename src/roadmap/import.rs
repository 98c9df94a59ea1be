//! A first draft of a plan from Markdown.
//!
//! A roadmap with effort tables, gates and packages becomes fields. Everything else keeps its shape: sections with
//! fields, lists, boxes and table cells as data, in their order. What a sentence means is left to people.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::markdown::{self, Block, Entry, Section};

pub struct Origin {
    pub id: String,
    pub zone: String,
    pub path: String,
    pub repaired: bool,
}

/// An id made from any text.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.trim_end_matches('-').chars().take(60).collect();
    if slug.is_empty() { "plan".to_owned() } else { slug }
}

/// The plan as YAML.
pub fn draft(text: &str, origin: &Origin) -> String {
    let sections = markdown::parse(text);
    let title = sections.iter().find(|s| s.level == 1).map_or(origin.path.as_str(), |s| s.title.as_str());
    let mut out = String::new();
    line(&mut out, 0, "bizra", "roadmap/v1");
    line(&mut out, 0, "id", &quoted(&origin.id));
    line(&mut out, 0, "title", &quoted(title));
    line(&mut out, 0, "timezone", &quoted(&origin.zone));
    let repaired = if origin.repaired { ", repaired: mac_roman" } else { "" };
    let _ = writeln!(out, "source: {{path: {}, lines: {}{repaired}}}", quoted(&origin.path), text.lines().count());
    let (fields, rest) = Fields::of(&sections);
    if fields.packages().next().is_none() {
        outline(&sections, &mut out);
        return out;
    }
    fields.write(&mut out);
    if !rest.is_empty() {
        outline(&rest, &mut out);
    }
    out
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    let _ = writeln!(out, "{:indent$}{key}: {value}", "");
}

/// A text as YAML: bare where nothing could be misread.
fn quoted(text: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '/' | '.' | '(' | ')' | '+');
    let bare = text.chars().all(simple)
        && text.starts_with(char::is_alphabetic)
        && !text.ends_with(' ')
        && text.parse::<f64>().is_err()
        && !matches!(text.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if bare {
        return text.to_owned();
    }
    in_quotes(text)
}

/// As JSON, whose texts may hold control characters that those of YAML may not.
fn in_quotes(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escaped).collect()
}

/// A number as it stands, anything else as a text for the plan's reader to refuse.
fn amount(text: &str) -> String {
    if is_number(text) { text.to_owned() } else { quoted(text) }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

type Rows = [Vec<String>];

fn cell(row: &[String], number: usize) -> &str {
    row.get(number).map_or("", String::as_str)
}

/// What a roadmap says in its usual places. Each place holds one block: the next of its kind keeps its shape instead.
#[derive(Default)]
struct Fields<'m> {
    generated: Option<&'m str>,
    current_phase: Option<&'m str>,
    total: Option<&'m str>,
    by_phase: Option<&'m Rows>,
    by_category: Option<&'m Rows>,
    phases: Vec<Phase<'m>>,
}

#[derive(Default)]
struct Phase<'m> {
    name: &'m str,
    criteria: Option<&'m [Entry]>,
    packages: Option<&'m Rows>,
}

fn fill<T>(place: &mut Option<T>, value: T) -> bool {
    let free = place.is_none();
    if free {
        *place = Some(value);
    }
    free
}

impl<'m> Fields<'m> {
    /// The fields, and the sections that hold what has none.
    fn of(sections: &'m [Section]) -> (Self, Vec<Section>) {
        let mut fields = Fields::default();
        let mut rest = Vec::new();
        for section in sections {
            if let Some(name) = section.title.strip_prefix("Phase: ") {
                fields.phases.push(Phase { name, ..Phase::default() });
            }
            let left = section.blocks.iter().filter(|block| !fields.take(&section.title, block)).cloned();
            let left = Section { blocks: left.collect(), ..section.clone() };
            if !left.blocks.is_empty() {
                rest.push(left);
            }
        }
        (fields, rest)
    }

    fn take(&mut self, title: &str, block: &'m Block) -> bool {
        let phase = self.phases.last_mut();
        match (title, block) {
            (_, Block::Rule) => true,
            (_, Block::Field(key, value)) => match key.as_str() {
                "Generated" => fill(&mut self.generated, value),
                "Current Phase" => fill(&mut self.current_phase, value),
                "Total Effort" => {
                    let hours = value.strip_suffix(" hours").filter(|hours| is_number(hours));
                    hours.is_some_and(|hours| fill(&mut self.total, hours))
                }
                _ => false,
            },
            ("By Phase", Block::Table(_, rows)) => are_amounts(rows) && fill(&mut self.by_phase, rows),
            ("By Category", Block::Table(_, rows)) => are_amounts(rows) && fill(&mut self.by_category, rows),
            ("Gate Criteria", Block::List(entries)) => phase.is_some_and(|phase| fill(&mut phase.criteria, entries)),
            ("Work Packages", Block::Table(columns, rows)) if columns[..] == PACKAGE => {
                phase.is_some_and(|phase| fill(&mut phase.packages, rows))
            }
            _ => false,
        }
    }

    fn packages(&self) -> impl Iterator<Item = &'m Vec<String>> {
        self.phases.iter().filter_map(|phase| phase.packages).flatten()
    }

    /// The statuses that the packages' icons stand for, in the order they are met.
    fn statuses(&self) -> Vec<Status<'m>> {
        let mut known: Vec<Status<'_>> = Vec::new();
        for status in self.packages().map(|row| Status::of(cell(row, 4))) {
            if !known.iter().any(|other| other.word == status.word) {
                known.push(status);
            }
        }
        known
    }

    fn write(&self, out: &mut String) {
        if let Some(generated) = self.generated {
            line(out, 0, "generated", &quoted(generated));
        }
        if let Some(phase) = self.current_phase {
            line(out, 0, "current_phase", &quoted(&slug(phase)));
        }
        out.push_str("vocab:\n  status:\n");
        for Status { word, class, icon } in self.statuses() {
            let _ = writeln!(out, "    {word}: {{class: {class}, icon: {}}}", quoted(icon));
        }
        let mut categories: Vec<&str> = Vec::new();
        for name in self.packages().filter_map(|row| category(cell(row, 0))) {
            if !categories.contains(&name) {
                categories.push(name);
            }
        }
        if !categories.is_empty() {
            line(out, 2, "category", &format!("[{}]", categories.join(", ")));
        }
        self.write_effort(out);
        out.push_str("phases:\n");
        self.phases.iter().for_each(|phase| phase.write(out));
    }

    fn write_effort(&self, out: &mut String) {
        if self.total.is_none() && self.by_phase.is_none() && self.by_category.is_none() {
            return;
        }
        out.push_str("effort:\n");
        if let Some(hours) = self.total {
            line(out, 2, "total", hours);
        }
        for (key, rows) in [("by_phase", self.by_phase), ("by_category", self.by_category)] {
            let Some(rows) = rows else { continue };
            let _ = writeln!(out, "  {key}:");
            rows.iter().for_each(|row| line(out, 4, &quoted(cell(row, 0)), cell(row, 1)));
        }
    }
}

const PACKAGE: [&str; 5] = ["ID", "Name", "Priority", "Hours", "Status"];

/// Whether each row has a name of its own and a number.
fn are_amounts(rows: &Rows) -> bool {
    let mut names = BTreeSet::new();
    rows.iter().all(|row| is_number(cell(row, 1)) && names.insert(cell(row, 0)))
}

struct Status<'m> {
    word: &'static str,
    class: &'static str,
    icon: &'m str,
}

impl<'m> Status<'m> {
    fn of(icon: &'m str) -> Self {
        let (word, class) = match icon.trim_end_matches('\u{fe0f}') {
            "✅" | "☑" | "✔" => ("done", "done"),
            "🔄" | "🚧" => ("active", "doing"),
            "⛔" | "❌" | "🚫" => ("blocked", "blocked"),
            _ => ("pending", "todo"),
        };
        Status { word, class, icon }
    }
}

/// The category that a package's id speaks of.
fn category(id: &str) -> Option<&'static str> {
    match id.split('-').nth(1)? {
        "ARCH" => Some("architecture"),
        "SEC" => Some("security"),
        "DOC" => Some("documentation"),
        "ETH" => Some("ethical"),
        "PERF" => Some("performance"),
        "CICD" => Some("devops"),
        "QA" => Some("quality"),
        "DEP" => Some("deployment"),
        _ => None,
    }
}

impl Phase<'_> {
    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "  - id: {}\n    name: {}", quoted(&slug(self.name)), quoted(self.name));
        if let Some(criteria) = self.criteria {
            gate(criteria, out);
        }
        if let Some(packages) = self.packages {
            out.push_str("    packages:\n");
            packages.iter().for_each(|row| package(row, out));
        }
    }
}

fn gate(entries: &[Entry], out: &mut String) {
    out.push_str("    gate:\n      criteria:\n");
    for entry in entries {
        let ticked = entry.ticked.map_or(String::new(), |t| format!(", ticked: {t}"));
        let id = slug_id(&entry.text);
        let text = if id == entry.text { String::new() } else { format!(", text: {}", quoted(&entry.text)) };
        let _ = writeln!(out, "        - {{id: {}{text}{ticked}}}", quoted(&id));
    }
}

/// Criteria are named as they are written where that is an id already.
fn slug_id(text: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.is_empty() && text.chars().all(fits) { text.to_owned() } else { slug(text) }
}

fn package(row: &[String], out: &mut String) {
    let _ = write!(out, "      - {{id: {}, name: {}", quoted(cell(row, 0)), quoted(cell(row, 1)));
    let _ = write!(out, ", priority: {}", quoted(cell(row, 2)));
    let _ = write!(out, ", hours: {}", amount(cell(row, 3).trim_end_matches('h')));
    if let Some(category) = category(cell(row, 0)) {
        let _ = write!(out, ", category: {category}");
    }
    let _ = writeln!(out, ", status: {}}}", Status::of(cell(row, 4)).word);
}

fn outline(sections: &[Section], out: &mut String) {
    out.push_str("outline:\n");
    for section in sections {
        let _ = writeln!(out, "  - level: {}", section.level);
        if !section.title.is_empty() {
            line(out, 4, "title", &quoted(&section.title));
        }
        if section.blocks.is_empty() {
            continue;
        }
        out.push_str("    blocks:\n");
        for block in &section.blocks {
            match block {
                Block::Field(key, value) => {
                    let _ = writeln!(out, "      - field: {{key: {}, value: {}}}", quoted(key), quoted(value));
                }
                Block::Text(text) => line(out, 6, "- text", &quoted(text)),
                Block::Rule => out.push_str("      - rule: true\n"),
                Block::Code(language, text) => {
                    let language =
                        if language.is_empty() { String::new() } else { format!("language: {}, ", quoted(language)) };
                    let _ = writeln!(out, "      - code: {{{language}text: {}}}", in_quotes(text));
                }
                Block::Table(columns, rows) => {
                    let list = |cells: &[String]| cells.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
                    let _ = writeln!(out, "      - table:\n          columns: [{}]\n          rows:", list(columns));
                    rows.iter().for_each(|row| {
                        let _ = writeln!(out, "            - [{}]", list(row));
                    });
                }
                Block::List(entries) => {
                    out.push_str("      - list:\n");
                    for entry in entries {
                        let level = if entry.level > 0 { format!(", level: {}", entry.level) } else { String::new() };
                        let number = entry.number.map_or(String::new(), |n| format!(", number: {n}"));
                        let done = entry.ticked.map_or(String::new(), |t| format!(", done: {t}"));
                        let _ = writeln!(out, "          - {{text: {}{level}{number}{done}}}", quoted(&entry.text));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
