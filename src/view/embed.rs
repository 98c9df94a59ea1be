//! Vectors: a line of numbers for each text, or JSON.

use serde_json::{Value, json};

use super::View;
use crate::embed::{Embedded, Pooling};
use crate::ui::Page;

pub(crate) struct Vectors {
    pub(crate) model: String,
    pub(crate) dimensions: usize,
    pub(crate) pooling: Pooling,
    pub(crate) normalised: bool,
    pub(crate) limit: usize,
    pub(crate) embedded: Vec<Embedded>,
}

impl View for Vectors {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut text = String::new();
        for one in &self.embedded {
            let numbers: Vec<String> = one.vector.iter().map(f32::to_string).collect();
            text.push_str(&numbers.join(" "));
            text.push('\n');
        }
        page.verbatim(text);
        page
    }

    fn json(&self) -> Value {
        // As short as they can be written, and exact when they are read as f32 again.
        let number = |x: &f32| x.to_string().parse::<f64>().map_or(Value::Null, Value::from);
        let vectors: Vec<Value> = self
            .embedded
            .iter()
            .map(|one| {
                let vector: Vec<Value> = one.vector.iter().map(number).collect();
                json!({ "tokens": one.tokens, "truncated": one.truncated, "vector": vector })
            })
            .collect();
        json!({
            "model": self.model,
            "dimensions": self.dimensions,
            "pooling": self.pooling.name(),
            "normalised": self.normalised,
            "limit_tokens": self.limit,
            "vectors": vectors,
        })
    }
}
