//! YAML, read into trees with a place for every node.
//!
//! Stricter than YAML itself where a plan could come to mean something else than it seems to: duplicate keys (also when
//! they differ only in their Unicode form), anchors, aliases, merge keys, tags and further documents are refused. The
//! events of the parser are used directly, since trees keep the spans of keys and comments, which typed reading loses.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span as Range};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, Place};
use crate::plan::source::{Source, Span};
use crate::plan::tree::{Comment, NodeId, Tree};

pub const MAX_BYTES: usize = 256 << 20;
const MAX_DEPTH: usize = 64;

/// The text of a YAML file, once it is known to be UTF-8 without a byte order mark.
pub fn decode(path: &std::path::Path, bytes: &[u8]) -> Result<Source, Error> {
    let refuse = |message: String| Error::invalid(message).at(Place::file(path));
    if bytes.len() > MAX_BYTES {
        return Err(refuse(format!("{} bytes are more than a plan may have ({MAX_BYTES})", bytes.len()))
            .hint("split the plan into several files"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(encoding) = other_encoding(bytes) {
        return Err(refuse(format!("the text is {encoding}, and plans are UTF-8")).hint("save the file as UTF-8"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path, text)),
        Err(e) => {
            let offset = e.valid_up_to();
            let valid = String::from_utf8_lossy(&bytes[..offset]);
            let mut place = Place::in_text(path, &valid, valid.len());
            place.excerpt = place.excerpt.map(|line| format!("{line}\u{fffd}"));
            Err(Error::invalid(format!("byte 0x{:02X} at offset {offset} is no valid UTF-8", bytes[offset]))
                .at(place)
                .hint("save the file as UTF-8"))
        }
    }
}

fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => Some("UTF-32"),
        [_, 0, ..] | [0, _, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Reads the one document of `source`; `file` is the number that its spans carry.
pub fn parse(source: &Source, file: u16) -> Result<Tree, Error> {
    let mut options = Options::default();
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    // The parser looks for the end of comment lines all at once, and plans may begin with many.
    options.max_buffered_comment_events = 100_000;
    let mut builder = Builder { source, file, tree: Tree::default(), open: Vec::new(), pending: Vec::new() };
    if let Some(offset) = source.text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(builder
            .refuse(offset, "a control character stands in the text")
            .hint("remove it, or write it as an escape in double quotes"));
    }
    let mut parser = Parser::new_from_str_with_options(&source.text, options);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, range) = event.map_err(|e| builder.scan_error(&e))?;
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                return Err(builder
                    .refuse_at(&range, "a second document begins here, and a plan is one document")
                    .hint("put each plan into a file of its own"));
            }
        }
        builder.take(event, &range)?;
    }
    match builder.tree.root() {
        Some(root) if !builder.tree.is_null(root) => Ok(builder.tree),
        _ => Err(Error::invalid("the file holds nothing")
            .at(Place::file(&source.path))
            .hint("begin with `bizra: roadmap/v1` or `bizra: sprint/v1`")),
    }
}

struct Builder<'a> {
    source: &'a Source,
    file: u16,
    tree: Tree,
    /// Per open list or map: whether it is a map, where it began, and where its children begin in `pending`.
    open: Vec<(bool, u32, usize)>,
    pending: Vec<NodeId>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, range: &Range) -> Result<(), Error> {
        match event {
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                return Err(self
                    .refuse_at(range, "an alias stands here, and plans have none")
                    .hint("write the value out: whoever reads a plan should see what it says"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.untagged(range, anchor, tag.is_some())?;
                let span = self.span(range);
                let node = self.tree.add_scalar(&text, style == ScalarStyle::Plain, span);
                self.pending.push(node);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.untagged(range, anchor, tag.is_some())?;
                self.begin(false, range)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.untagged(range, anchor, tag.is_some())?;
                self.begin(true, range)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range)?,
            Event::Comment(text, _) => {
                let span = self.span(range);
                self.tree.comments.push(Comment { text: text.into_owned(), span });
            }
            _ => {}
        }
        Ok(())
    }

    fn untagged(&self, range: &Range, anchor: usize, tagged: bool) -> Result<(), Error> {
        if anchor != 0 {
            return Err(self
                .refuse_at(range, "an anchor stands here, and plans have none")
                .hint("remove `&…` and write the value out where it is used again"));
        }
        if tagged {
            return Err(self
                .refuse_at(range, "a tag stands here, and the fields of a plan know their types")
                .hint("remove `!…`; quote the value if it is meant as text"));
        }
        Ok(())
    }

    fn begin(&mut self, map: bool, range: &Range) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(self.span(range).start as usize));
        }
        self.open.push((map, self.span(range).start, self.pending.len()));
        Ok(())
    }

    fn end(&mut self, range: &Range) -> Result<(), Error> {
        let (map, start, from) = self.open.pop().expect("invariant: the parser closes what it opened");
        let end = self.span(range).end.max(start);
        let children: Vec<NodeId> = self.pending.drain(from..).collect();
        // A block ends where the next thing begins; the place that is shown is where its last child ends.
        let end = children.last().map_or(end, |last| self.tree.span(*last).end.max(start));
        let span = Span { file: self.file, start, end };
        let node = if map {
            self.distinct(&children)?;
            self.tree.add_map(&children, span)
        } else {
            self.tree.add_list(&children, span)
        };
        self.pending.push(node);
        Ok(())
    }

    fn distinct(&self, children: &[NodeId]) -> Result<(), Error> {
        let mut seen: HashSet<Cow<'_, str>> = HashSet::with_capacity(children.len() / 2);
        for key in children.iter().step_by(2) {
            let text = self.tree.text(*key);
            let start = self.tree.span(*key).start as usize;
            if !matches!(self.tree.kind(*key), crate::plan::tree::Kind::Plain | crate::plan::tree::Kind::Quoted) {
                return Err(self.refuse(start, "a key is a list or a map, and keys are text"));
            }
            if text == "<<" {
                return Err(self
                    .refuse(start, "a merge key stands here, and plans have none")
                    .hint("write the values out: whoever reads a plan should see what it says"));
            }
            if !seen.insert(composed(text)) {
                return Err(self
                    .refuse(start, &format!("the key `{text}` stands twice in this map"))
                    .hint("remove one of the two; nothing here is decided by which comes last"));
            }
        }
        Ok(())
    }

    fn span(&self, range: &Range) -> Span {
        let offset = |marker: serde_yaml::granit_parser::Marker| {
            let bytes = marker.byte_offset().unwrap_or(0).min(self.source.text.len());
            u32::try_from(bytes).expect("invariant: the size of texts is limited")
        };
        Span { file: self.file, start: offset(range.start), end: offset(range.end) }
    }

    fn refuse_at(&self, range: &Range, message: &str) -> Error {
        self.refuse(self.span(range).start as usize, message)
    }

    fn too_deep(&self, offset: usize) -> Error {
        self.refuse(offset, &format!("values are nested more than {MAX_DEPTH} deep"))
            .hint("no field of a plan is that deep: look for a bracket or an indentation too many")
    }

    fn refuse(&self, offset: usize, message: &str) -> Error {
        Error::invalid(message).at(Place::in_text(&self.source.path, &self.source.text, offset))
    }

    fn scan_error(&self, error: &ScanError) -> Error {
        let offset = error.marker().byte_offset().unwrap_or_else(|| {
            self.source.text.char_indices().nth(error.marker().index()).map_or(self.source.text.len(), |(i, _)| i)
        });
        if error.info().contains("recursion limit") {
            return self.too_deep(offset);
        }
        let about_tabs = error.info().contains("tab");
        match self.indenting_tab(offset, about_tabs) {
            Some(tab) if about_tabs => self.refuse(tab, "a tab stands in the indentation, and tabs can't indent"),
            Some(_) => self.refuse(offset, &format!("this is no valid YAML: {}", error.info())),
            None => return self.refuse(offset, &format!("this is no valid YAML: {}", error.info())),
        }
        .hint("indent with spaces: YAML has no tabs there")
    }

    /// The first tab in the indentation of the line of `offset` or, since text that a tab cuts short is refused where it
    /// began, of the lines below it.
    fn indenting_tab(&self, offset: usize, below: bool) -> Option<usize> {
        let text = &self.source.text;
        let mut start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
        for line in text[start..].split_inclusive('\n').take(if below { usize::MAX } else { 1 }) {
            let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line[..indentation].find('\t') {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }
}

/// The one form that equal texts share.
fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}
