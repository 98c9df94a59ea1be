//! Trains the model inside the binary: a recipe and samples in, weights out. `cargo xtask train` makes the samples before
//! and the model file after; this is a program of its own because nothing else needs candle.
//!
//!     guide-trainer FOLDER [STEPS]
//!
//! FOLDER holds `recipe.txt`, `train.bin` and `dev.bin`; written now and then are `weights.safetensors`,
//! `checkpoint.safetensors` (from which the next run goes on) and `loss.csv`, and `done` at the end. After STEPS steps it stops,
//! as if it had been interrupted.

mod adam;
mod data;
mod model;
mod ops;
mod recipe;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::{Device, Tensor};

use adam::AdamW;
use data::{Batch, Sample};
use model::Model;
use recipe::Recipe;

type Outcome<T = ()> = Result<T, String>;

const CHECK_EVERY: usize = 100;
const KEEP_EVERY: usize = 200;
const SAY_EVERY: usize = 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(folder) = args.next() else {
        eprintln!("usage: guide-trainer FOLDER [STEPS]");
        return ExitCode::from(2);
    };
    let stop = args.next().and_then(|text| text.parse().ok());
    match run(Path::new(&folder), stop) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, stop: Option<usize>) -> Outcome {
    let recipe = Recipe::read(&folder.join("recipe.txt"))?;
    let samples = data::read(&folder.join("train.bin"))?;
    let dev = data::read(&folder.join("dev.bin"))?;
    if samples.iter().chain(&dev).flat_map(|sample| &sample.tokens).any(|id| *id as usize >= recipe.vocab) {
        return Err("the samples hold a token outside of the vocabulary".into());
    }
    let steps = data::batches(&samples, recipe.batch);
    let mut state = State::begin_or_resume(folder, &recipe)?;
    let parameters: usize = state.model.vars.values().map(|var| var.elem_count()).sum();
    println!(
        "{parameters} parameters; {} samples in {} steps of about {} tokens; step {} comes next",
        samples.len(),
        steps.len(),
        recipe.batch,
        state.step
    );
    let (started, mut tokens, mut smooth) = (Instant::now(), 0, None);
    let last = steps.len();
    let end = stop.map_or(last, |more| last.min(state.step + more));
    while state.step < end {
        let batch = &samples[steps[state.step].clone()];
        let rate = recipe.rate_at(state.step, steps.len());
        let loss = state.learn(batch, rate, recipe.decay).map_err(|e| e.to_string())?;
        if !loss.is_finite() {
            return Err(format!("the loss of step {} is {loss}", state.step));
        }
        state.step += 1;
        tokens += data::inputs(batch);
        let mean = smooth.map_or(loss, |before: f32| 0.95 * before + 0.05 * loss);
        smooth = Some(mean);
        let checked = if state.step.is_multiple_of(CHECK_EVERY) || state.step == last {
            Some(check(&state.model, &dev, recipe.batch).map_err(|e| e.to_string())?)
        } else {
            None
        };
        if state.step.is_multiple_of(SAY_EVERY) || checked.is_some() {
            let speed = tokens as f64 / started.elapsed().as_secs_f64();
            let told = checked.map(|loss| format!(", on questions for tuning {loss:.4}")).unwrap_or_default();
            println!("step {}/{}: loss {mean:.4}{told}; {speed:.0} tokens/s", state.step, steps.len());
            let dev = checked.map(|loss| loss.to_string()).unwrap_or_default();
            let _ = writeln!(state.log, "{},{mean},{dev},{rate}", state.step);
        }
        if state.step.is_multiple_of(KEEP_EVERY) || state.step == end {
            state.keep(folder, &recipe)?;
        }
    }
    if state.step == last {
        write(&folder.join("done"), &recipe.text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn check(model: &Model, dev: &[Sample], budget: usize) -> candle_core::Result<f32> {
    let (mut sum, mut tokens) = (0.0, 0.0);
    for range in data::batches(dev, budget) {
        let batch = Batch::of(&dev[range]);
        let learnt = batch.targets.len() as f32;
        sum += model.loss(&batch)?.to_scalar::<f32>()? * learnt;
        tokens += learnt;
    }
    Ok(sum / tokens)
}

/// What a training stands at.
struct State {
    model: Model,
    adam: AdamW,
    step: usize,
    log: String,
}

impl State {
    fn begin_or_resume(folder: &Path, recipe: &Recipe) -> Outcome<Self> {
        let model = Model::new(recipe).map_err(|e| e.to_string())?;
        let fresh = State { model, adam: AdamW::default(), step: 0, log: "step,loss,dev,rate\n".into() };
        let path = folder.join("checkpoint.safetensors");
        if !path.exists() {
            return Ok(fresh);
        }
        let of = std::fs::read_to_string(folder.join("checkpoint.recipe")).unwrap_or_default();
        if of != recipe.text {
            return Err(format!("{} belongs to another recipe: take it away to begin anew", path.display()));
        }
        let tensors = fresh.take(&path)?;
        let broken = |e: candle_core::Error| format!("{} is damaged: {e}", path.display());
        let step = tensors.get("step").ok_or("the checkpoint has no step")?.to_scalar::<u32>().map_err(broken)?;
        let log = std::fs::read_to_string(folder.join("loss.csv")).unwrap_or(fresh.log);
        Ok(State { model: fresh.model, adam: AdamW::load(&tensors).map_err(broken)?, step: step as usize, log })
    }

    /// Takes the weights of a file, and hands over all that it holds.
    fn take(&self, path: &Path) -> Outcome<HashMap<String, Tensor>> {
        let broken = |e: candle_core::Error| format!("{} is damaged: {e}", path.display());
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(broken)?;
        for (name, var) in &self.model.vars {
            let tensor = tensors.get(name).ok_or(format!("{} has no {name}", path.display()))?;
            var.set(tensor).map_err(broken)?;
        }
        Ok(tensors)
    }

    fn learn(&mut self, batch: &[Sample], rate: f64, decay: f64) -> candle_core::Result<f32> {
        let (loss, grads) = pull(&self.model, batch)?;
        self.adam.step(&self.model.vars, grads, self.step, rate, decay)?;
        Ok(loss)
    }

    fn keep(&self, folder: &Path, recipe: &Recipe) -> Outcome {
        let fault = |e: candle_core::Error| e.to_string();
        let mut tensors: HashMap<String, Tensor> =
            self.model.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        save(&folder.join("weights.safetensors"), &tensors)?;
        self.adam.save(&mut tensors).map_err(fault)?;
        tensors.insert("step".into(), Tensor::new(self.step as u32, &Device::Cpu).map_err(fault)?);
        save(&folder.join("checkpoint.safetensors"), &tensors)?;
        write(&folder.join("checkpoint.recipe"), &recipe.text)?;
        write(&folder.join("loss.csv"), &self.log)
    }
}

type Gradients = BTreeMap<String, Vec<f32>>;

/// The loss of a batch, and where it pulls the weights. Its halves are worked on at the same time; they are halves on one
/// core too, so that sums round alike.
fn pull(model: &Model, batch: &[Sample]) -> candle_core::Result<(f32, Gradients)> {
    let half = data::inputs(batch) / 2;
    let mut seen = 0;
    let middle = batch.iter().take_while(|sample| {
        seen += sample.tokens.len() - 1;
        seen <= half
    });
    let (first, second) = batch.split_at(middle.count());
    if first.is_empty() {
        return gradients(model, second, 1.0);
    }
    let learnt = |part: &[Sample]| part.iter().map(|sample| sample.tokens.len() - sample.given).sum::<usize>() as f32;
    let weight = learnt(first) / learnt(batch);
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| gradients(model, first, weight));
        let second = gradients(model, second, 1.0 - weight);
        (first.join(), second)
    });
    let first = first.map_err(|_| candle_core::Error::Msg("a thread panicked".into()))?;
    let ((loss, mut grads), (other_loss, others)) = (first?, second?);
    for (name, other) in others {
        match grads.entry(name) {
            Entry::Vacant(entry) => _ = entry.insert(other),
            Entry::Occupied(mut entry) => entry.get_mut().iter_mut().zip(&other).for_each(|(g, other)| *g += other),
        }
    }
    Ok((loss + other_loss, grads))
}

fn gradients(model: &Model, samples: &[Sample], weight: f32) -> candle_core::Result<(f32, Gradients)> {
    let loss = (model.loss(&Batch::of(samples))? * f64::from(weight))?;
    let mut grads = loss.backward()?;
    let mut values = Gradients::new();
    for (name, var) in &model.vars {
        if let Some(grad) = grads.remove(var) {
            values.insert(name.clone(), grad.flatten_all()?.to_vec1()?);
        }
    }
    Ok((loss.to_scalar()?, values))
}

/// Written beside and renamed, so that an interrupted write costs nothing.
fn save(path: &Path, tensors: &HashMap<String, Tensor>) -> Outcome {
    let beside = path.with_extension("new");
    candle_core::safetensors::save(tensors, &beside).map_err(|e| e.to_string())?;
    std::fs::rename(&beside, path).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
