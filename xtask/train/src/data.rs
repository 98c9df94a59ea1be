//! Samples as `cargo xtask train` writes them: for each, two lengths in two bytes (all of it; what is read and not
//! learnt), then its tokens in two bytes each, all little-endian.

use std::path::Path;

pub struct Sample {
    pub tokens: Vec<u32>,
    /// So many tokens at the beginning are given, not learnt.
    pub given: usize,
}

/// Texts one after another, without padding.
pub struct Batch {
    pub inputs: Vec<u32>,
    pub offsets: Vec<usize>,
    /// Rows of the inputs whose next token is learnt, and these tokens.
    pub learnt: Vec<u32>,
    pub targets: Vec<u32>,
}

pub fn read(path: &Path) -> Result<Vec<Sample>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut numbers = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut samples = Vec::new();
    while let Some(len) = numbers.next() {
        let given = numbers.next().ok_or("the data end within a sample")?.into();
        let tokens: Vec<u32> = numbers.by_ref().take(len.into()).map(u32::from).collect();
        if tokens.len() != usize::from(len) || given == 0 || given >= tokens.len() {
            return Err(format!("sample {} of {} is cut or has nothing to learn", samples.len(), path.display()));
        }
        samples.push(Sample { tokens, given });
    }
    Ok(samples)
}

/// Cuts the samples, in their order, into batches of about `budget` tokens: ranges of samples.
pub fn batches(samples: &[Sample], budget: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut begin, mut tokens) = (0, 0);
    for (number, sample) in samples.iter().enumerate() {
        tokens += sample.tokens.len() - 1;
        if tokens >= budget || number + 1 == samples.len() {
            ranges.push(begin..number + 1);
            (begin, tokens) = (number + 1, 0);
        }
    }
    ranges
}

/// Tokens that are read.
pub fn inputs(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.tokens.len() - 1).sum()
}

impl Batch {
    pub fn of(samples: &[Sample]) -> Self {
        let mut batch = Batch { inputs: Vec::new(), offsets: vec![0], learnt: Vec::new(), targets: Vec::new() };
        for sample in samples {
            let begin = batch.inputs.len();
            let inputs = sample.tokens.len() - 1;
            batch.inputs.extend_from_slice(&sample.tokens[..inputs]);
            batch.offsets.push(batch.inputs.len());
            batch.learnt.extend((sample.given - 1..inputs).map(|at| (begin + at) as u32));
            batch.targets.extend_from_slice(&sample.tokens[sample.given..]);
        }
        batch
    }
}
