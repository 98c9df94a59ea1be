//! A plan as Markdown, which [`super::import`] reads back.
//!
//! Roadmaps have a layout of their own: effort tables, and per phase its criteria and packages. All other sections are
//! written from the tree itself, each field with its name, so that nothing that a plan says can be left out.

use std::fmt::Write;

use crate::plan::schema::{Phase, Plan};
use crate::plan::tree::{Kind, NodeId, Tree};

/// What the layout of roadmaps shows, when each phase has no more than it can.
const LAID_OUT: &[&str] = &[
    "bizra",
    "id",
    "title",
    "timezone",
    "source",
    "vocab",
    "generated",
    "current_phase",
    "effort",
    "phases",
    "outline",
];

pub fn markdown(plan: &Plan, tree: &Tree) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}", plan.title.value);
    let laid_out = plan.effort.is_some() && !plan.phases.is_empty();
    if laid_out {
        roadmap(plan, &mut out);
    }
    for section in &plan.outline {
        for block in std::iter::once(None).chain(section.blocks.iter().map(Some)) {
            match block {
                // The first title has been written above.
                None if section.title.as_ref().is_some_and(|t| t.value == plan.title.value) => {}
                None => {
                    let level = "#".repeat(section.level.value.clamp(1, 6) as usize);
                    if let Some(title) = &section.title {
                        let _ = writeln!(out, "\n{level} {}", title.value);
                    }
                }
                Some(block) => outline_block(block, &mut out),
            }
        }
    }
    if let Some(root) = tree.root() {
        for (key, value) in tree.entries(root) {
            let name = tree.text(key);
            let shown = matches!(name, "bizra" | "title" | "outline") || (laid_out && LAID_OUT.contains(&name));
            if !shown {
                section(tree, name, value, &mut out);
            }
        }
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn roadmap(plan: &Plan, out: &mut String) {
    let Some(effort) = &plan.effort else { return };
    out.push('\n');
    if let Some(generated) = &plan.generated {
        let _ = writeln!(out, "**Generated:** {}", generated.value.0);
    }
    if let Some(total) = &effort.total {
        let _ = writeln!(out, "**Total Effort:** {} hours", total.value.0);
    }
    if let Some(current) = &plan.current_phase {
        let phase = plan.phases.iter().find(|p| p.id.value == current.value);
        let _ = writeln!(out, "**Current Phase:** {}", phase.map_or(current.value.0.as_str(), name));
    }
    out.push_str("\n## Effort Distribution\n");
    for (title, column, shares) in
        [("By Phase", "Phase", &effort.by_phase), ("By Category", "Category", &effort.by_category)]
    {
        if !shares.0.is_empty() {
            let _ = write!(out, "\n### {title}\n\n");
            let rows = shares.0.iter().map(|(of, hours)| vec![of.value.clone(), hours.value.0.to_string()]);
            table(&[column, "Hours"], rows, out);
        }
    }
    out.push_str("\n---\n");
    for phase in &plan.phases {
        let _ = write!(out, "\n## Phase: {}\n", name(phase));
        if let Some(gate) = &phase.gate {
            out.push_str("\n### Gate Criteria\n\n");
            for criterion in &gate.criteria {
                let tick = if criterion.ticked.is_some_and(|t| t.value) { 'x' } else { ' ' };
                let text = criterion.text.as_ref().map_or(criterion.id.value.0.as_str(), |t| t.value.as_str());
                let _ = writeln!(out, "- [{tick}] {text}");
            }
        }
        if !phase.packages.is_empty() {
            out.push_str("\n### Work Packages\n\n");
            let icon = |word: &str| {
                let status = plan.vocab.as_ref().and_then(|v| v.status.get(word));
                status.and_then(|s| s.icon.as_ref()).map_or(word.to_owned(), |icon| icon.value.clone())
            };
            let rows = phase.packages.iter().map(|p| {
                vec![
                    p.id.value.0.clone(),
                    p.name.value.clone(),
                    p.priority.map_or(String::new(), |p| p.value.word().to_owned()),
                    p.hours.map_or(String::new(), |h| format!("{}h", h.value.0)),
                    p.status.as_ref().map_or(String::new(), |s| icon(&s.value)),
                ]
            });
            table(&["ID", "Name", "Priority", "Hours", "Status"], rows, out);
        }
        out.push_str("\n---\n");
    }
}

fn name(phase: &Phase) -> &str {
    phase.name.as_ref().map_or(phase.id.value.0.as_str(), |n| n.value.as_str())
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>, out: &mut String) {
    let _ = writeln!(out, "| {} |", columns.join(" | "));
    let dashes: Vec<String> = columns.iter().map(|c| "-".repeat(c.chars().count() + 2)).collect();
    let _ = writeln!(out, "|{}|", dashes.join("|"));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', " ")
}

fn outline_block(block: &crate::plan::schema::Block, out: &mut String) {
    if let Some(field) = &block.field {
        let _ = writeln!(out, "\n**{}:** {}", field.key.value, field.value.value);
    }
    if let Some(text) = &block.text {
        let _ = writeln!(out, "\n{}", text.value);
    }
    if let Some(grid) = &block.table {
        out.push('\n');
        let columns: Vec<&str> = grid.columns.iter().map(|c| c.value.as_str()).collect();
        table(&columns, grid.rows.iter().map(|row| row.iter().map(|c| c.value.clone()).collect()), out);
    }
    if !block.list.is_empty() {
        out.push('\n');
    }
    for entry in &block.list {
        let indent = "  ".repeat(entry.level.map_or(0, |l| l.value.min(20)) as usize);
        let mark = entry.number.map_or("-".to_owned(), |n| format!("{}.", n.value));
        let tick = entry.done.map_or("", |d| if d.value { "[x] " } else { "[ ] " });
        let _ = writeln!(out, "{indent}{mark} {tick}{}", entry.text.value);
    }
    if let Some(code) = &block.code {
        let language = code.language.as_ref().map_or("", |l| l.value.as_str());
        if language == "front matter" {
            let _ = writeln!(out, "\n---\n{}\n---", code.text.value);
        } else {
            let _ = writeln!(out, "\n```{language}\n{}\n```", code.text.value);
        }
    }
    if block.rule.is_some_and(|r| r.value) {
        out.push_str("\n---\n");
    }
}

fn section(tree: &Tree, name: &str, value: NodeId, out: &mut String) {
    match tree.kind(value) {
        Kind::Plain | Kind::Quoted => {
            let _ = writeln!(out, "\n**{}:** {}", words(name), one_line(tree.text(value)));
        }
        Kind::List | Kind::Map => {
            let _ = write!(out, "\n## {}\n\n", words(name));
            nested(tree, value, 0, out);
        }
    }
}

/// `by_day` as people write it.
fn words(key: &str) -> String {
    let mut words = key.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// What stands for a record in one line: its box, id and text.
const HEADS: &[&str] = &["done", "ticked", "id", "n", "name", "title", "text"];

fn nested(tree: &Tree, node: NodeId, level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    for item in tree.items(node) {
        match tree.kind(*item) {
            Kind::Plain | Kind::Quoted => {
                let _ = writeln!(out, "{indent}- {}", one_line(tree.text(*item)));
            }
            Kind::List => {
                let cells: Vec<String> =
                    tree.items(*item).iter().map(|c| one_line(tree.text(*c)).replace('|', "\\|")).collect();
                let _ = writeln!(out, "{indent}- {}", cells.join(" | "));
            }
            Kind::Map => {
                let value = |key: &str| tree.entries(*item).find(|(k, _)| tree.text(*k) == key).map(|(_, v)| v);
                let tick = match value("done").or(value("ticked")).map(|v| tree.text(v)) {
                    Some("true") => "[x] ",
                    Some("false") => "[ ] ",
                    _ => "",
                };
                let head: Vec<String> =
                    HEADS[2..].iter().filter_map(|k| value(k)).map(|v| one_line(tree.text(v))).collect();
                let _ = writeln!(out, "{indent}- {tick}{}", head.join(" — "));
                fields(tree, *item, HEADS, level + 1, out);
            }
        }
    }
    fields(tree, node, &[], level, out);
}

fn fields(tree: &Tree, node: NodeId, except: &[&str], level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    for (key, value) in tree.entries(node) {
        let name = tree.text(key);
        let is_tick = matches!(name, "done" | "ticked") && !matches!(tree.text(value), "true" | "false");
        if except.contains(&name) && !is_tick {
            continue;
        }
        match tree.kind(value) {
            _ if tree.is_null(value) => {
                let _ = writeln!(out, "{indent}- {}: —", words(name));
            }
            Kind::Plain | Kind::Quoted => {
                let _ = writeln!(out, "{indent}- {}: {}", words(name), one_line(tree.text(value)));
            }
            Kind::List | Kind::Map => {
                let _ = writeln!(out, "{indent}- {}:", words(name));
                nested(tree, value, level + 1, out);
            }
        }
    }
}
