//! Whether a plan lost anything of the document that it was made from.
//!
//! Facts are the words and numbers of headings, fields, list entries and table cells, and each box with its tick.
//! Running text is prose and may go. The comparison is by words, since a plan says the same in other places; numbers
//! are compared as numbers, so that `50,000` is `50000`.

use std::collections::HashMap;

use super::markdown::{self, Block};

/// Something that the document says and the rendition doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The heading that it stands under, and the text that it is part of.
    pub section: String,
    pub text: String,
    pub words: Vec<String>,
    cell: bool,
}

impl Lost {
    /// Whether it is more than a label or a turn of phrase: a table cell, a box, or something with a number.
    pub fn is_fact(&self) -> bool {
        self.cell || self.words.is_empty() || self.words.iter().any(|w| w.contains(|c: char| c.is_ascii_digit()))
    }
}

/// What is in `document` (repaired, where it was damaged) and not in `rendition`. Ticks are counted.
pub fn lost(document: &str, rendition: &str) -> Vec<Lost> {
    let mut known: HashMap<String, usize> = HashMap::new();
    for word in words(rendition) {
        *known.entry(word).or_default() += 1;
    }
    let mut lost = Vec::new();
    for section in markdown::parse(document) {
        let mut check = |text: &str, cell: bool| {
            let missing: Vec<String> = words(text).filter(|w| !known.contains_key(w)).collect();
            if !missing.is_empty() {
                lost.push(Lost { section: section.title.clone(), text: text.to_owned(), words: missing, cell });
            }
        };
        check(&section.title, false);
        for block in &section.blocks {
            match block {
                Block::Field(key, value) => {
                    check(key, false);
                    check(value, false);
                }
                Block::Table(columns, rows) => {
                    columns.iter().for_each(|column| check(column, false));
                    rows.iter().flatten().for_each(|cell| check(cell, true));
                }
                Block::List(entries) => entries.iter().for_each(|entry| check(&entry.text, false)),
                Block::Code(_, text) => check(text, false),
                Block::Text(_) | Block::Rule => {}
            }
        }
    }
    let (ticked, open) = boxes(document);
    let (ticked_then, open_then) = boxes(rendition);
    if ticked > ticked_then || open > open_then {
        let text = format!("{ticked} ticked and {open} open boxes, of which {ticked_then} and {open_then} are left");
        lost.push(Lost { section: String::new(), text, words: Vec::new(), cell: false });
    }
    lost
}

fn boxes(text: &str) -> (usize, usize) {
    let entries = || {
        markdown::parse(text).into_iter().flat_map(|s| s.blocks).flat_map(|block| match block {
            Block::List(entries) => entries,
            _ => Vec::new(),
        })
    };
    (entries().filter(|e| e.ticked == Some(true)).count(), entries().filter(|e| e.ticked == Some(false)).count())
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',');
    text.split(move |c: char| !fits(c)).map(|w| w.trim_matches(['.', ','])).filter(|w| !w.is_empty()).flat_map(|word| {
        let bare = word.replace(',', "");
        match crate::plan::decimal::Decimal::parse(&bare) {
            Ok(number) => vec![number.to_string()],
            Err(_) => word.split(['.', ',']).filter(|w| !w.is_empty()).flat_map(split_units).collect(),
        }
    })
}

/// `4h` says 4 and h.
fn split_units(word: &str) -> Vec<String> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at(digits);
    [number.trim_start_matches('0'), unit].iter().filter(|p| !p.is_empty()).map(|p| p.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_cell_number_or_box_is_seen() {
        let document =
            "# T\n\n- [x] one 8.63\n- [ ] two\n\n| a | b |\n|---|---|\n| 50,000 | الرسالة |\n\nprose may go\n";
        assert_eq!(lost(document, document), []);
        assert_eq!(lost(document, "T a b [x] one - [x] 8.63 two 50000 الرسالة\n- [x] 1\n- [ ] 2"), []);
        let gone = |from: &str, to: &str| lost(document, &document.replace(from, to)).len();
        assert_eq!(gone("8.63", "8.64"), 1);
        assert_eq!(gone("50,000", "5,000"), 1);
        assert_eq!(gone("الرسالة", ""), 1);
        assert_eq!(gone("[x]", "[ ]"), 1);
        assert_eq!(gone("prose may go", ""), 0);
    }
}
