//! A first draft of a plan from Markdown.
//!
//! A roadmap with effort tables, gates and packages becomes fields. Everything else keeps its shape: sections with
//! fields, lists, boxes and table cells as data, in their order. What a sentence means is left to people.

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
    let roadmap = sections.iter().any(|s| packages(s).is_some());
    let title = sections.iter().find(|s| s.level == 1).map_or(origin.path.as_str(), |s| s.title.as_str());
    let mut out = String::new();
    line(&mut out, 0, "bizra", "roadmap/v1");
    line(&mut out, 0, "id", &quoted(&origin.id));
    line(&mut out, 0, "title", &quoted(title));
    line(&mut out, 0, "timezone", &quoted(&origin.zone));
    let repaired = if origin.repaired { ", repaired: mac_roman" } else { "" };
    let _ = writeln!(out, "source: {{path: {}, lines: {}{repaired}}}", quoted(&origin.path), text.lines().count());
    if roadmap {
        typed(&sections, &mut out);
    } else {
        outline(&sections, &mut out);
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
    // As JSON, whose texts may hold control characters that those of YAML may not.
    let json = serde_json::Value::from(text).to_string();
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escaped).collect()
}

fn packages(section: &Section) -> Option<&Vec<Vec<String>>> {
    section.blocks.iter().find_map(|block| match block {
        Block::Table(columns, rows) if columns[..] == ["ID", "Name", "Priority", "Hours", "Status"] => Some(rows),
        _ => None,
    })
}

/// The statuses that the packages' icons stand for, in the order they are met.
fn statuses(sections: &[Section]) -> Vec<(&'static str, &'static str, String)> {
    let mut known: Vec<(&str, &str, String)> = Vec::new();
    for row in sections.iter().filter_map(packages).flatten() {
        let Some(icon) = row.get(4).filter(|icon| !known.iter().any(|(_, _, i)| i == *icon)) else { continue };
        let (word, class) = match icon.trim_end_matches('\u{fe0f}') {
            "✅" | "☑" | "✔" => ("done", "done"),
            "🔄" | "🚧" => ("active", "doing"),
            "⛔" | "❌" | "🚫" => ("blocked", "blocked"),
            _ => ("pending", "todo"),
        };
        if !known.iter().any(|(w, ..)| *w == word) {
            known.push((word, class, icon.clone()));
        }
    }
    known
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

fn typed(sections: &[Section], out: &mut String) {
    let mut rest: Vec<Section> = Vec::new();
    let statuses = statuses(sections);
    let mut effort = String::new();
    let mut phases = String::new();
    let mut head = String::new();
    for section in sections {
        let mut left = Section { blocks: Vec::new(), ..section.clone() };
        if let Some(name) = section.title.strip_prefix("Phase: ") {
            let _ = writeln!(phases, "  - id: {}\n    name: {}", quoted(&slug(name)), quoted(name));
        }
        for block in &section.blocks {
            match (section.title.as_str(), block) {
                (_, Block::Field(key, value)) if key == "Generated" => line(&mut head, 0, "generated", &quoted(value)),
                (_, Block::Field(key, value)) if key == "Current Phase" => {
                    line(&mut head, 0, "current_phase", &quoted(&slug(value)))
                }
                (_, Block::Field(key, value)) if key == "Total Effort" && value.ends_with(" hours") => {
                    effort.insert_str(0, &format!("  total: {}\n", value.trim_end_matches(" hours")));
                }
                ("By Phase" | "By Category", Block::Table(_, rows)) => {
                    let key = if section.title == "By Phase" { "by_phase" } else { "by_category" };
                    let _ = writeln!(effort, "  {key}:");
                    for row in rows {
                        let _ = writeln!(effort, "    {}: {}", quoted(&row[0]), row.get(1).map_or("0", String::as_str));
                    }
                }
                ("Gate Criteria", Block::List(entries)) => gate(entries, &mut phases),
                ("Work Packages", Block::Table(..)) if packages(section).is_some() => {
                    phases.push_str("    packages:\n");
                    for row in packages(section).into_iter().flatten() {
                        package(row, &statuses, &mut phases);
                    }
                }
                (_, Block::Rule) => {}
                (_, other) => left.blocks.push(other.clone()),
            }
        }
        if !left.blocks.is_empty() {
            rest.push(left);
        }
    }
    out.push_str(&head);
    out.push_str("vocab:\n  status:\n");
    for (word, class, icon) in &statuses {
        let _ = writeln!(out, "    {word}: {{class: {class}, icon: {}}}", quoted(icon));
    }
    let mut categories: Vec<&str> = Vec::new();
    for name in sections.iter().filter_map(packages).flatten().filter_map(|row| category(row.first()?)) {
        if !categories.contains(&name) {
            categories.push(name);
        }
    }
    if !categories.is_empty() {
        line(out, 2, "category", &format!("[{}]", categories.join(", ")));
    }
    if !effort.is_empty() {
        out.push_str("effort:\n");
        out.push_str(&effort);
    }
    out.push_str("phases:\n");
    out.push_str(&phases);
    if !rest.is_empty() {
        outline(&rest, out);
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

fn package(row: &[String], statuses: &[(&'static str, &'static str, String)], out: &mut String) {
    let cell = |n: usize| row.get(n).map_or("", String::as_str);
    let status = statuses.iter().find(|(_, _, icon)| icon == cell(4)).map_or("pending", |(word, ..)| word);
    let _ = write!(out, "      - {{id: {}, name: {}, priority: {}", quoted(cell(0)), quoted(cell(1)), quoted(cell(2)));
    let _ = write!(out, ", hours: {}", cell(3).trim_end_matches('h'));
    if let Some(category) = category(cell(0)) {
        let _ = write!(out, ", category: {category}");
    }
    let _ = writeln!(out, ", status: {status}}}");
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
                    let _ =
                        writeln!(out, "      - code: {{{language}text: {}}}", serde_json::Value::from(text.as_str()));
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
