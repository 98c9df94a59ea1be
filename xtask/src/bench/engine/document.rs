//! The results as files: the table and plots in `engine.md`, which keeps the prose around them, and raw samples.

use std::path::Path;

use serde_json::{Value, json};

use super::plan::{Cell, Isa, Test, Who};
use super::plot::{Line, Plot};
use super::state::State;
use super::summary::{self, Summary};
use crate::models::{Mix, recipes};
use crate::tools::{self, Outcome};

const BEGIN: &str = "<!-- written by `cargo xtask bench engine`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask bench engine`: end -->\n";

pub(super) fn write(folder: &Path, summary: &Summary, state: &State, about: &Value, left_out: &[String]) -> Outcome {
    let mut body = format!("{}\n{}", machine(about), summary.markdown());
    if !left_out.is_empty() {
        body += "\nLeft out:\n\n";
        left_out.iter().for_each(|line| body += &format!("- {line}\n"));
    }
    for (name, plot) in plots(state) {
        let Some(svg) = plot.svg() else { continue };
        tools::write_file(&folder.join(format!("engine-{name}.svg")), svg.as_bytes())?;
        body += &format!("\n![{}](engine-{name}.svg)\n\n{}", plot.title, plot.markdown());
    }
    let path = folder.join("engine.md");
    let before = std::fs::read_to_string(&path).unwrap_or_else(|_| format!("# The CPU engine\n\n{BEGIN}{END}"));
    tools::write_file(&path, between(&before, &body)?.as_bytes())?;
    let samples: Vec<Value> =
        state.samples().map(|one| json!([one.cell, one.what, one.who, one.round, one.value])).collect();
    let raw = json!({"about": about, "columns": ["cell", "what", "who", "round", "value"], "samples": samples});
    tools::write_file(&folder.join("engine.json"), format!("{raw}\n").as_bytes())?;
    println!("{}", path.display());
    Ok(())
}

/// The text with what stood between the marks replaced.
fn between(text: &str, body: &str) -> Outcome<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or("engine.md has lost the marks between which the results belong")?;
    Ok(format!("{before}{BEGIN}\n{body}\n{END}{after}"))
}

fn machine(about: &Value) -> String {
    let text = |name: &str| about[name].as_str().unwrap_or("unknown");
    format!(
        "{}, {} cores, {}; commit {}, {}.\n",
        text("cpu"),
        about["cores"],
        text("level"),
        text("commit"),
        text("rustc")
    )
}

fn plots(state: &State) -> Vec<(&'static str, Plot)> {
    let recipe = recipes().find(|one| one.mix == Mix::Q4KM).expect("invariant: the first shape has this mix");
    let cell = Cell { recipe, threads: 2, isa: Isa::Best };
    let subjects = [Who::Bizra, Who::Llama, Who::LlamaPlain, Who::Candle];
    let lines = |tests: &[(f64, Test)]| -> Vec<Line> {
        subjects
            .iter()
            .map(|who| Line {
                name: who.name().to_owned(),
                points: tests
                    .iter()
                    .filter_map(|(at, test)| Some((*at, summary::speed(state, &cell, *test, *who)?)))
                    .collect(),
            })
            .filter(|line| !line.points.is_empty())
            .collect()
    };
    let plot = |title: &str, across: &str, tests: Vec<(f64, Test)>| Plot {
        title: format!("{title}: {}, 2 threads", recipe.name()),
        across: across.to_owned(),
        up: "tokens per second".to_owned(),
        lines: lines(&tests),
    };
    // The middle of the 128 tokens that decode measures without a context.
    let decode = [(64.0, Test::Decode { tokens: 128, depth: 0 })]
        .into_iter()
        .chain([512usize, 1024, 2048, 4096, 8192].map(|depth| (depth as f64, Test::Decode { tokens: 32, depth })));
    let prefill = [64usize, 128, 256, 512, 1024, 2048].map(|tokens| (tokens as f64, Test::Prefill { tokens }));
    let rows = [(1.0, Test::Decode { tokens: 128, depth: 0 })]
        .into_iter()
        .chain([2usize, 4, 8, 16].map(|rows| (rows as f64, Test::Rows { rows })));
    vec![
        ("decode", plot("Decode against context", "tokens of context", decode.collect())),
        ("prefill", plot("Prefill against prompt", "tokens of prompt", prefill.into())),
        ("rows", plot("Tokens against rows a pass", "rows a pass", rows.collect())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_around_the_results_stays() {
        let text = format!("# T\n\nbefore\n{BEGIN}old\n{END}after\n");
        assert_eq!(between(&text, "new").expect("marked"), format!("# T\n\nbefore\n{BEGIN}\nnew\n{END}after\n"));
        assert!(between("# T\n", "new").is_err());
    }
}
