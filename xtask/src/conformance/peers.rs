//! Architectures without real weights in the data: files of random weights over real vocabularies, run by bizra and by
//! another program whose answers are the record. `xtask/peers/llama.cpp` is such a program.

mod model;

use std::fs;
use std::path::Path;

use bizra::infer::engine::Options;
use bizra::infer::{conformance, conformance_lm};

use super::infer::{cases_of, options};
use super::{Case, Verdict};
use crate::tools::{self, Outcome};
use model::{MODELS, Model};

const PROMPT: &str =
    "The gate opens at 12:45, says naïve Zoë — 東京 holds  two spaces,\n\nfn main() { return 0; } and more";
const TOKENS: &str = "32";

/// A case is skipped where there is no program to compare with.
pub(super) fn run(llama: Option<&Path>, data: &Path) -> Vec<Case> {
    let Some(program) = llama else {
        let outcome = Verdict::Skipped("needs a peer: --llama PROGRAM, built from xtask/peers/llama.cpp".into());
        return vec![Case { name: "all".into(), outcome }];
    };
    MODELS.iter().flat_map(|model| cases_of(model.name, judge(model, program, data))).collect()
}

fn judge(model: &Model, program: &Path, data: &Path) -> Outcome<Vec<conformance::Case>> {
    let vocabulary = data.join("tokenizers").join(format!("ggml-vocab-{}.gguf", model.vocabulary));
    let bytes = model.build(&tools::read_file(&vocabulary)?)?;
    let folder = tools::root().join("target/peers");
    let path = folder.join(format!("{}.gguf", model.name));
    tools::write_file(&path, &bytes)?;
    let context = model.context.to_string();
    let record = tools::read(tools::command(program).arg(&path).args([PROMPT, TOKENS, &context]));
    fs::remove_file(&path).map_err(|cause| format!("cannot remove {}: {cause}", path.display()))?;
    let options = Options { context: Some(model.context), ..options() };
    Ok(conformance_lm::gguf(model.name, &bytes, record?.as_bytes(), &options))
}
