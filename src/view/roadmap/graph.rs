//! The graph of needs: for mermaid, for Graphviz, and drawn on the terminal.

use std::fmt::Write as _;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::super::View;
use super::verbatim;
use crate::roadmap::graph::{Cell, Graph, Node, lanes};
use crate::ui::{Line, Page, Tone, clean};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Terminal,
    Mermaid,
    Dot,
}

pub(crate) struct Drawn {
    pub(crate) graph: Graph,
    pub(crate) format: Format,
}

/// More lines side by side nobody can follow: then each row names what it needs instead.
const MOST_LANES: usize = 16;
const WIDEST_ID: usize = 20;

fn when(node: &Node) -> String {
    let hours = node.hours.map_or("no hours".to_owned(), |h| format!("{h} h"));
    let float = if node.critical { "critical".to_owned() } else { format!("float {} h", node.float) };
    format!("{hours}, {float}")
}

fn numbered(graph: &Graph) -> impl Iterator<Item = (usize, &Node)> {
    graph.nodes.iter().enumerate()
}

/// A label of mermaid between quotes: all that its grammar, its Markdown or HTML could act on stands as a number.
fn mermaid_text(text: &str) -> String {
    let mut safe = String::new();
    for c in clean::one_line(text).chars() {
        if c.is_alphanumeric() || !c.is_ascii() || matches!(c, ' ' | ',' | '.' | ':' | '/' | '-' | '+' | '=') {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

/// A string of DOT. Graphviz reads HTML entities in labels, so an ampersand is one.
fn dot_text(text: &str) -> String {
    clean::one_line(text).replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"")
}

/// The nodes of each phase together, and those of none.
fn grouped(graph: &Graph) -> Vec<(Option<String>, Vec<usize>)> {
    let of = |phase: Option<&str>| -> Vec<usize> {
        numbered(graph).filter(|(_, n)| n.phase.as_deref() == phase).map(|(at, _)| at).collect()
    };
    let title = |id: &str, name: Option<&String>| match name {
        Some(name) if name.to_lowercase() != id.to_lowercase() => format!("{id}: {name}"),
        _ => id.to_owned(),
    };
    let phases = graph.phases.iter().map(|(id, name)| (Some(title(id, name.as_ref())), of(Some(id))));
    phases.chain([(None, of(None))]).filter(|(_, nodes)| !nodes.is_empty()).collect()
}

fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (number, (phase, nodes)) in grouped(graph).into_iter().enumerate() {
        let indent = if phase.is_some() { "    " } else { "  " };
        if let Some(phase) = &phase {
            let _ = writeln!(text, "  subgraph p{number}[\"{}\"]", mermaid_text(phase));
        }
        for at in nodes {
            let node = &graph.nodes[at];
            let lines = [&node.id, &node.name, &when(node)].map(|line| mermaid_text(line)).join("<br/>");
            let _ = writeln!(text, "{indent}n{at}[\"{lines}\"]");
        }
        if phase.is_some() {
            text += "  end\n";
        }
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    let thick: Vec<String> = graph
        .edges
        .iter()
        .enumerate()
        .filter(|(_, e)| graph.critical_edges.contains(e))
        .map(|(n, _)| n.to_string())
        .collect();
    let class = |name: &str, style: &str, fits: &dyn Fn(&Node) -> bool| {
        let nodes: Vec<String> = numbered(graph).filter(|(_, n)| fits(n)).map(|(at, _)| format!("n{at}")).collect();
        if nodes.is_empty() {
            String::new()
        } else {
            format!("  classDef {name} {style}\n  class {} {name}\n", nodes.join(","))
        }
    };
    text += &class("critical", "stroke:#c00,stroke-width:3px", &|n| n.critical);
    text += &class("told_done", "fill:#e8f5e9", &|n| n.done);
    text += &class("outside", "stroke-dasharray:4", &|n| n.outside);
    if !thick.is_empty() {
        let _ = writeln!(text, "  linkStyle {} stroke:#c00,stroke-width:3px", thick.join(","));
    }
    text
}

fn dot(graph: &Graph) -> String {
    let mut text = format!(
        "digraph \"{}\" {{\n  charset=\"UTF-8\";\n  rankdir=LR;\n  label=\"{}\";\n  node [shape=box];\n",
        dot_text(&graph.plan),
        dot_text(&graph.title)
    );
    for (number, (phase, nodes)) in grouped(graph).into_iter().enumerate() {
        let indent = if phase.is_some() { "    " } else { "  " };
        if let Some(phase) = &phase {
            let _ = writeln!(text, "  subgraph cluster_{number} {{\n    label=\"{}\";", dot_text(phase));
        }
        for at in nodes {
            let node = &graph.nodes[at];
            let lines = [&node.id, &node.name, &when(node)].map(|line| dot_text(line)).join("\\n");
            let mut more = String::new();
            if node.critical {
                more += ", color=\"#cc0000\", penwidth=3";
            }
            let styles: Vec<&str> =
                [("filled", node.done), ("dashed", node.outside)].into_iter().filter(|s| s.1).map(|s| s.0).collect();
            if !styles.is_empty() {
                let _ = write!(more, ", style=\"{}\"", styles.join(","));
            }
            if node.done {
                more += ", fillcolor=\"#e8f5e9\"";
            }
            let _ = writeln!(text, "{indent}n{at} [label=\"{lines}\"{more}];");
        }
        if phase.is_some() {
            text += "  }\n";
        }
    }
    for edge in &graph.edges {
        let style = if graph.critical_edges.contains(edge) { " [color=\"#cc0000\", penwidth=3]" } else { "" };
        let _ = writeln!(text, "  n{} -> n{}{style};", edge.0, edge.1);
    }
    text + "}\n"
}

/// The lanes of one row. Where a line only passes it stays whole; where it is joined it has an arm.
fn drawing(row: &[Cell], lanes: usize) -> String {
    let work = row.iter().position(|c| *c == Cell::Work).unwrap_or(0);
    let first = row.iter().position(|c| matches!(c, Cell::Branch(_) | Cell::End(_))).unwrap_or(work);
    let mut text = String::new();
    for lane in 0..lanes {
        let crossed = lane > first && lane < work;
        text.push(match row.get(lane).copied().unwrap_or(Cell::Empty) {
            Cell::Work => '●',
            Cell::Past(_) => '│',
            Cell::Branch(_) if lane == first => '├',
            Cell::Branch(_) => '┼',
            Cell::End(_) if lane == first => '└',
            Cell::End(_) => '┴',
            Cell::Empty if crossed => '─',
            Cell::Empty => ' ',
        });
        text.push(if lane >= first && lane < work { '─' } else { ' ' });
    }
    text
}

/// The lines that run on between two rows.
fn between(below: &[Cell], lanes: usize) -> String {
    let runs = |cell: Option<&Cell>| matches!(cell, Some(Cell::Past(_) | Cell::Branch(_) | Cell::End(_)));
    (0..lanes).map(|lane| if runs(below.get(lane)) { "│ " } else { "  " }).collect()
}

impl Drawn {
    fn terminal(&self) -> Page {
        let mut page = Page::new();
        let graph = &self.graph;
        page.heading(format!("{}: {}", graph.plan, graph.title));
        let rows = lanes(graph);
        let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let drawn = widest <= MOST_LANES && !graph.edges.is_empty();
        let lanes = if drawn { widest } else { 0 };
        let clean_width = |text: &str| clean::one_line(text).width();
        let ids = graph.nodes.iter().map(|n| clean_width(&n.id)).max().unwrap_or(0).min(WIDEST_ID);
        let times = graph.nodes.iter().map(|n| when(n).len()).max().unwrap_or(0);
        let mut rank = None;
        for (at, node) in numbered(graph) {
            if rank != Some(node.rank) {
                let title = match node.rank {
                    0 => "needs nothing".to_owned(),
                    1 => "after one step".to_owned(),
                    n => format!("after {n} steps"),
                };
                let lines = if drawn { between(&rows[at], lanes) } else { String::new() };
                page.line(Line::new().text(lines).toned(Tone::Dim, format!("— {title}")).cut());
                rank = Some(node.rank);
            }
            let mut line = Line::new();
            line = if drawn { line.text(drawing(&rows[at], lanes)) } else { line.text("● ") };
            let tone = if node.critical { Tone::Bad } else { Tone::Strong };
            let mark = if node.outside {
                "(elsewhere) "
            } else if node.done {
                "(called done) "
            } else {
                ""
            };
            line = line.column(tone, &node.id, ids).column(Tone::Dim, when(node), times).toned(Tone::Dim, mark);
            page.line(line.text(&node.name).cut());
            if !drawn {
                let needs: Vec<&str> = graph
                    .edges
                    .iter()
                    .filter(|(_, to)| *to == at)
                    .map(|(from, _)| graph.nodes[*from].id.as_str())
                    .collect();
                if !needs.is_empty() {
                    page.line(Line::new().toned(Tone::Dim, "    needs ").text(needs.join(", ")).hanging(6));
                }
            }
        }
        if graph.edges.is_empty() {
            page.text("nothing here needs anything else here");
        }
        if graph.critical.is_empty() {
            page.text("no critical path: nothing in the plan takes hours");
        } else {
            let path = format!("{} ({} h)", graph.critical.join(" → "), graph.length);
            page.line(Line::new().toned(Tone::Bad, "critical path: ").text(path).hanging(2));
        }
        page
    }
}

impl View for Drawn {
    fn page(&self) -> Page {
        match self.format {
            Format::Terminal => self.terminal(),
            Format::Mermaid => verbatim(mermaid(&self.graph)),
            Format::Dot => verbatim(dot(&self.graph)),
        }
    }

    fn json(&self) -> Value {
        let graph = &self.graph;
        let node = |n: &Node| {
            json!({
                "id": n.id,
                "name": n.name,
                "phase": n.phase,
                "hours": n.hours.map(|h| h.to_string()),
                "earliest_hours": n.earliest.to_string(),
                "float_hours": n.float.to_string(),
                "critical": n.critical,
                "called_done": n.done,
                "outside": n.outside,
                "rank": n.rank,
            })
        };
        let edge = |edge: &(usize, usize)| {
            json!({
                "from": graph.nodes[edge.0].id,
                "to": graph.nodes[edge.1].id,
                "critical": graph.critical_edges.contains(edge),
            })
        };
        json!({
            "plan": graph.plan,
            "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
            "edges": graph.edges.iter().map(edge).collect::<Vec<_>>(),
            "critical_path": graph.critical,
            "length_hours": graph.length.to_string(),
        })
    }
}
