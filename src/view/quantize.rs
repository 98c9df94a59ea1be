//! What became of a model's tensors when they were given fewer bits.

use serde_json::{Value, json};

use super::View;
use crate::infer::requantize::{Error, Made, ModelFile, Target};
use crate::receipts::hex;
use crate::ui::{Align, Grid, Line, Page, Tone};

pub(crate) struct Quantized {
    pub(crate) target: Target,
    pub(crate) out: String,
    pub(crate) made: Made,
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl View for Quantized {
    fn page(&self) -> Page {
        let mut page = Page::new();
        let mut grid = Grid::new([
            ("tensor", Align::Left),
            ("weights", Align::Right),
            ("from", Align::Left),
            ("to", Align::Left),
            ("error", Align::Right),
        ]);
        for (step, error) in self.made.quantised() {
            let error = format!("{:.5}", error.relative());
            grid.row([step.name.as_str(), &step.elements.to_string(), step.from.name(), step.to.name(), &error]);
        }
        page.grid(grid);
        let (source, made) = (&self.made.source, &self.made.made);
        page.line(
            Line::new()
                .toned(Tone::Strong, &self.out)
                .text(format!(
                    ": {} from {}; error {:.5} of the weights' root mean square; {} tensors are as they were",
                    mib(made.bytes),
                    mib(source.bytes),
                    self.made.error().relative(),
                    self.made.steps.len() - self.made.quantised().count()
                ))
                .hanging(2),
        );
        page
    }

    fn json(&self) -> Value {
        let file =
            |file: &ModelFile| json!({ "name": file.name, "sha256": hex::encode(&file.sha256), "bytes": file.bytes });
        let tensors: Vec<Value> = self
            .made
            .steps
            .iter()
            .map(|step| {
                json!({ "name": step.name, "weights": step.elements, "from": step.from.name(), "to": step.to.name(),
                    "error": step.error.map(Error::relative),
                    "rmse": step.error.map(|e| (e.squares / step.elements as f64).sqrt()) })
            })
            .collect();
        json!({
            "format": self.target.name(),
            "error": self.made.error().relative(),
            "source": file(&self.made.source),
            "made": file(&self.made.made),
            "tensors": tensors,
        })
    }
}
