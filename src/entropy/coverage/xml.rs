//! Cobertura's coverage and JUnit's results, both XML.

use roxmltree::{Document, Node, ParsingOptions};

use super::{Report, ReportError};

/// Reports of large projects have millions of nodes; more than this is an attack.
const MOST_NODES: u32 = 20_000_000;

fn parse(text: &str) -> Result<Document<'_>, ReportError> {
    // Cobertura's reports name a DTD. It is not loaded, and entities stay within roxmltree's bounds.
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|e| ReportError::new(e.pos().row, format!("this is no well-formed XML: {e}")))
}

fn line_of(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

pub(super) fn cobertura(text: &str, report: &mut Report) -> Result<(), ReportError> {
    let document = parse(text)?;
    let root = document.root_element();
    if !root.has_tag_name("coverage") {
        return Err(ReportError::new(line_of(root), format!("<{}> is no Cobertura report", root.tag_name().name())));
    }
    for class in root.descendants().filter(|node| node.has_tag_name("class")) {
        let Some(file) = class.attribute("filename") else {
            return Err(ReportError::new(line_of(class), "a <class> without a filename"));
        };
        for line in class.descendants().filter(|node| node.has_tag_name("line")) {
            let number = line.attribute("number").and_then(|n| n.parse().ok());
            let hits = line.attribute("hits").and_then(|n| n.parse::<u64>().ok());
            let Some((number, hits)) = number.zip(hits) else {
                return Err(ReportError::new(line_of(line), "a <line> without its number and hits"));
            };
            report.line(file, number, hits > 0);
        }
    }
    if report.files.is_empty() {
        return Err(ReportError::new(None, "there is no line of any file in it"));
    }
    Ok(())
}

pub(super) fn junit(text: &str, report: &mut Report) -> Result<(), ReportError> {
    let document = parse(text)?;
    let root = document.root_element();
    if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
        return Err(ReportError::new(line_of(root), format!("<{}> is no JUnit report", root.tag_name().name())));
    }
    let mut count = 0;
    for case in root.descendants().filter(|node| node.has_tag_name("testcase")) {
        let Some(name) = case.attribute("name") else {
            return Err(ReportError::new(line_of(case), "a <testcase> without a name"));
        };
        let full = match case.attribute("classname").filter(|class| !class.is_empty()) {
            Some(class) => format!("{class}::{name}"),
            None => name.to_owned(),
        };
        let has = |tags: &[&str]| case.children().any(|child| tags.contains(&child.tag_name().name()));
        if has(&["failure", "error"]) {
            report.passed.remove(&full);
            report.failed.insert(full);
        } else if has(&["skipped"]) {
            report.skipped.insert(full);
        } else if !report.failed.contains(&full) {
            report.passed.insert(full);
        }
        count += 1;
    }
    if count == 0 {
        return Err(ReportError::new(None, "no test ran according to it"));
    }
    Ok(())
}
