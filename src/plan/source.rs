//! Texts that plans were read from, and places in them.
//!
//! A span is twelve bytes and knows its file, so that everything read from a plan can keep one. Lines and columns are
//! worked out when somebody has to be shown a place.

use std::path::{Path, PathBuf};

use crate::error::Place;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: u16,
    pub start: u32,
    pub end: u32,
}

#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    line_starts: Vec<u32>,
}

impl Source {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(i, _)| u32::try_from(i + 1).unwrap_or(u32::MAX)))
            .collect();
        Source { path: path.into(), text, line_starts }
    }

    /// Line and column, both from 1, the column in characters.
    pub fn position(&self, offset: u32) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1] as usize;
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        (line, self.text[start..offset].chars().count() + 1)
    }

    pub fn line(&self, number: usize) -> &str {
        let start = self.line_starts.get(number.saturating_sub(1)).map_or(self.text.len(), |s| *s as usize);
        let end = self.line_starts.get(number).map_or(self.text.len(), |s| *s as usize);
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}

/// All texts of one run, in the order that spans count them in.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub fn one(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Sources(vec![Source::new(path, text)])
    }

    /// The number that spans of this text carry.
    pub fn add(&mut self, source: Source) -> u16 {
        self.0.push(source);
        u16::try_from(self.0.len() - 1).unwrap_or(u16::MAX)
    }

    pub fn of(&self, span: Span) -> &Source {
        &self.0[usize::from(span.file)]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    pub fn path(&self, span: Span) -> &Path {
        &self.of(span).path
    }

    pub fn place(&self, span: Span) -> Place {
        let source = self.of(span);
        let (line, column) = source.position(span.start);
        Place { file: source.path.clone(), at: Some((line, column)), excerpt: Some(source.line(line).to_owned()) }
    }
}

/// A value, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
