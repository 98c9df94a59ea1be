use candle_core::Tensor;

use crate::data::{self, Batch, Sample};
use crate::model::Model;
use crate::recipe::Recipe;

fn tiny() -> Recipe {
    Recipe {
        text: String::new(),
        vocab: 11,
        dim: 64,
        layers: 2,
        ffn: 48,
        rope_base: 10_000.0,
        seed: 3,
        batch: 8,
        rate: 1e-2,
        warmup: 2,
        decay: 0.0,
    }
}

fn samples() -> Vec<Sample> {
    vec![
        Sample { tokens: vec![1, 5, 3, 9, 2, 0], given: 2 },
        Sample { tokens: vec![7, 7, 4], given: 1 },
        Sample { tokens: vec![10, 2, 8, 6, 1], given: 3 },
    ]
}

/// Along the gradient, a small step changes the loss by what the gradient's length says, for each variable alone.
#[test]
fn gradients_are_those_of_the_loss() {
    let model = Model::new(&tiny()).unwrap();
    let batch = Batch::of(&samples());
    let grads = model.loss(&batch).unwrap().backward().unwrap();
    for (name, var) in &model.vars {
        let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let length = grad.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();
        assert!(length > 1e-4, "{name}: {length}");
        let before = var.as_tensor().copy().unwrap();
        let step = 0.01;
        let at = |by: f32| {
            let along: Tensor = (grad * f64::from(by / length)).unwrap();
            var.set(&(&before + along).unwrap()).unwrap();
            model.loss(&batch).unwrap().to_scalar::<f32>().unwrap()
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        var.set(&before).unwrap();
        assert!((slope - length).abs() < 0.02 * length + 1e-4, "{name}: {slope} instead of {length}");
    }
}

#[test]
fn texts_of_a_batch_do_not_see_each_other() {
    let model = Model::new(&tiny()).unwrap();
    let loss = |samples: &[Sample]| model.loss(&Batch::of(samples)).unwrap().to_scalar::<f32>().unwrap();
    let samples = samples();
    let alone: f32 = samples.iter().map(|s| loss(std::slice::from_ref(s)) * (s.tokens.len() - s.given) as f32).sum();
    let learnt: usize = samples.iter().map(|s| s.tokens.len() - s.given).sum();
    assert!((loss(&samples) - alone / learnt as f32).abs() < 1e-5);
}

/// Trainings in a folder of their own.
#[test]
fn a_resumed_training_ends_as_one_without_a_break() {
    let root = std::env::temp_dir().join(format!("guide-trainer-{}", std::process::id()));
    let folder = |name: &str| {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let recipe =
            "vocab 11\ndim 64\nlayers 1\nffn 32\nrope_base 10000\nseed 3\nbatch 8\nrate 0.01\nwarmup 2\ndecay 0.1\n";
        std::fs::write(folder.join("recipe.txt"), recipe).unwrap();
        let mut bytes = Vec::new();
        for sample in (0..6).flat_map(|_| samples()) {
            for number in
                [sample.tokens.len(), sample.given].into_iter().chain(sample.tokens.iter().map(|t| *t as usize))
            {
                bytes.extend((number as u16).to_le_bytes());
            }
        }
        std::fs::write(folder.join("train.bin"), &bytes).unwrap();
        std::fs::write(folder.join("dev.bin"), &bytes).unwrap();
        folder
    };
    let (whole, broken) = (folder("whole"), folder("broken"));
    crate::run(&whole, None).unwrap();
    crate::run(&broken, Some(3)).unwrap();
    crate::run(&broken, None).unwrap();
    let weights = |folder: &std::path::Path| {
        let weights =
            candle_core::safetensors::load(folder.join("weights.safetensors"), &candle_core::Device::Cpu).unwrap();
        let mut names: Vec<_> = weights.into_iter().collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names.into_iter().map(|(_, t)| t.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(weights(&whole), weights(&broken));
    assert!(whole.join("done").exists());
    std::fs::write(
        broken.join("recipe.txt"),
        "vocab 11\ndim 32\nlayers 1\nffn 32\nrope_base 10000\nseed 3\nbatch 8\nrate 0.01\nwarmup 2\ndecay 0.1\n",
    )
    .unwrap();
    assert!(crate::run(&broken, None).unwrap_err().contains("another recipe"));
    std::fs::remove_dir_all(&root).unwrap();
}

/// What halves of a batch say about it, each weighed by what it learns, is what the batch says as a whole.
#[test]
fn halves_of_a_batch_pull_as_the_whole() {
    let model = Model::new(&tiny()).unwrap();
    let samples = samples();
    let (loss, pulled) = crate::pull(&model, &samples).unwrap();
    let whole = model.loss(&Batch::of(&samples)).unwrap();
    assert!((loss - whole.to_scalar::<f32>().unwrap()).abs() < 1e-5);
    let grads = whole.backward().unwrap();
    for (name, var) in &model.vars {
        let grad = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let most = grad.iter().fold(0f32, |most, g| most.max(g.abs()));
        for (g, pulled) in grad.iter().zip(&pulled[name]) {
            assert!((g - pulled).abs() <= 1e-4 * most, "{name}: {pulled} instead of {g}");
        }
    }
}

#[test]
fn batches_hold_every_sample_once_and_in_order() {
    let samples = samples();
    assert_eq!(data::batches(&samples, 6), [0..2, 2..3]);
    let batch = Batch::of(&samples[..2]);
    assert_eq!(batch.inputs, [1, 5, 3, 9, 2, 7, 7]);
    assert_eq!(batch.offsets, [0, 5, 7]);
    assert_eq!(batch.learnt, [1, 2, 3, 4, 5, 6]);
    assert_eq!(batch.targets, [3, 9, 2, 0, 7, 4]);
}
