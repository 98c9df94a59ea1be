//! Picking the next token from logits: greedy unless a temperature is given.
//!
//! The order is fixed: bias, penalties, then at temperature 0 the greatest logit; else top-k, typical, top-p, min-p,
//! temperature, and one draw. Ties go to the lower id. The generator is ChaCha20 under a key that begins with the seed
//! (little-endian, the rest zero), so that a seed means the same for every version of every library.
//!
//! Typical sampling is Meister et al. 2023, min-p Nguyen et al. 2024, the repetition penalty Keskar et al. 2019.

use std::collections::{HashMap, VecDeque};

use bizra_kernels::select;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::fault::InferError;

/// What users may set; the default is greedy and changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token.
    pub temperature: f32,
    /// Only so many of the most likely; 0 is all.
    pub top_k: usize,
    /// The most likely whose probabilities reach this sum; 1 is all.
    pub top_p: f32,
    /// Only those at least this fraction as likely as the most likely; 0 is all.
    pub min_p: f32,
    /// Those whose surprise is nearest to the expected one, until they reach this sum; 1 is all.
    pub typical: f32,
    /// Divides positive logits and multiplies negative ones of tokens seen lately; 1 does nothing.
    pub repetition: f32,
    /// Subtracted from the logits of tokens seen lately.
    pub presence: f32,
    /// Subtracted for each time that a token was seen lately.
    pub frequency: f32,
    /// How many of the last tokens, the prompt's included, count as lately.
    pub lookback: usize,
    /// Added to logits; minus infinity forbids a token.
    pub bias: Vec<(u32, f32)>,
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical: 1.0,
            repetition: 1.0,
            presence: 0.0,
            frequency: 0.0,
            lookback: 64,
            bias: Vec::new(),
            seed: 0,
        }
    }
}

impl Sampling {
    pub fn check(&self, vocab: usize) -> Result<(), InferError> {
        let refuse = |option: &'static str, value: f32, range: &'static str| {
            Err(InferError::Sampling { option, value: value.to_string(), range })
        };
        let fraction = |x: f32| x > 0.0 && x <= 1.0;
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", self.temperature, "0 or above");
        }
        if !fraction(self.top_p) {
            return refuse("top-p", self.top_p, "above 0 and at most 1");
        }
        if !fraction(self.typical) {
            return refuse("typical", self.typical, "above 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return refuse("min-p", self.min_p, "from 0 to 1");
        }
        if !(self.repetition.is_finite() && self.repetition > 0.0) {
            return refuse("repetition penalty", self.repetition, "above 0");
        }
        for (option, value) in [("presence penalty", self.presence), ("frequency penalty", self.frequency)] {
            if !value.is_finite() {
                return refuse(option, value, "a finite number");
            }
        }
        for &(id, bias) in &self.bias {
            if id as usize >= vocab {
                return Err(InferError::TokenId { id, vocab });
            }
            if bias.is_nan() || bias == f32::INFINITY {
                return refuse("logit bias", bias, "a number or minus infinity");
            }
        }
        Ok(())
    }

    fn penalises(&self) -> bool {
        self.lookback > 0 && (self.repetition != 1.0 || self.presence != 0.0 || self.frequency != 0.0)
    }
}

#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    generator: ChaCha20Rng,
    recent: VecDeque<u32>,
    counts: HashMap<u32, u32>,
    logits: Vec<f32>,
}

impl Sampler {
    /// `sampling` is checked against the vocabulary first.
    pub fn new(sampling: &Sampling, vocab: usize) -> Result<Sampler, InferError> {
        sampling.check(vocab)?;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&sampling.seed.to_le_bytes());
        Ok(Sampler {
            sampling: sampling.clone(),
            generator: ChaCha20Rng::from_seed(key),
            recent: VecDeque::new(),
            counts: HashMap::new(),
            logits: Vec::new(),
        })
    }

    /// Takes note of a token of the prompt or one that was picked.
    pub fn accept(&mut self, id: u32) {
        if !self.sampling.penalises() {
            return;
        }
        if self.recent.len() == self.sampling.lookback
            && let Some(old) = self.recent.pop_front()
            && let Some(count) = self.counts.get_mut(&old)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&old);
            }
        }
        self.recent.push_back(id);
        *self.counts.entry(id).or_default() += 1;
    }

    /// The next token; none where every logit is NaN or forbidden.
    pub fn pick(&mut self, logits: &[f32]) -> Option<u32> {
        self.pick_among(logits, None)
    }

    /// The next token of those whose bit is set in `allowed`, where that is given.
    pub fn pick_among(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> Option<u32> {
        self.adjust(logits);
        if let Some(allowed) = allowed {
            forbid(&mut self.logits, allowed);
        }
        let best = select::argmax(&self.logits).filter(|&best| self.logits[best] > f32::NEG_INFINITY)?;
        if self.sampling.temperature == 0.0 {
            return Some(best as u32);
        }
        let candidates = self.candidates(self.logits[best]);
        let uniform = (self.generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        select::draw(&candidates, self.logits[best], self.sampling.temperature, uniform).map(|id| id as u32)
    }

    fn adjust(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        for &(id, bias) in &self.sampling.bias {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        let Sampling { repetition, presence, frequency, .. } = self.sampling;
        for (&id, &count) in &self.counts {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                let repeated = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                *logit = repeated - presence - frequency * count as f32;
            }
        }
    }

    /// Tokens that may be drawn, by id, with their logits.
    fn candidates(&self, most: f32) -> Vec<(usize, f32)> {
        let Sampling { top_k, top_p, min_p, typical, .. } = self.sampling;
        let mut left: Vec<(usize, f32)> = match top_k {
            0 => self.logits.iter().copied().enumerate().filter(|(_, l)| *l > f32::NEG_INFINITY).collect(),
            k => select::top_k(&self.logits, k).into_iter().filter(|(_, l)| *l > f32::NEG_INFINITY).collect(),
        };
        if typical < 1.0 {
            left = nearest_to_expected_surprise(left, most, typical);
        }
        if top_p < 1.0 {
            left = most_likely(left, most, top_p);
        }
        if min_p > 0.0 {
            let best = left.iter().fold(f32::NEG_INFINITY, |best, (_, logit)| best.max(*logit));
            let least = best + min_p.ln();
            left.retain(|(_, logit)| *logit >= least);
        }
        left.sort_unstable_by_key(|(id, _)| *id);
        left
    }
}

/// All but the tokens whose bit is set.
fn forbid(logits: &mut [f32], allowed: &[u32]) {
    for (number, logits) in logits.chunks_mut(32).enumerate() {
        match allowed.get(number).copied().unwrap_or(0) {
            0 => logits.fill(f32::NEG_INFINITY),
            u32::MAX => {}
            word => {
                for (bit, logit) in logits.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
    }
}

fn weight(logit: f32, most: f32) -> f64 {
    f64::from(logit - most).exp()
}

fn total(candidates: &[(usize, f32)], most: f32) -> f64 {
    candidates.iter().map(|(_, logit)| weight(*logit, most)).sum()
}

fn by_likelihood(a: &(usize, f32), b: &(usize, f32)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The fewest of the most likely that reach the share; at least one.
fn most_likely(mut candidates: Vec<(usize, f32)>, most: f32, share: f32) -> Vec<(usize, f32)> {
    let wanted = total(&candidates, most) * f64::from(share);
    // Few tokens hold most of the probability, so sorting the whole vocabulary would be waste.
    let mut sorted = 0;
    let mut reached = 0.0;
    while sorted < candidates.len() {
        let rest = &mut candidates[sorted..];
        let step = (sorted * 3).max(128).min(rest.len());
        if step < rest.len() {
            rest.select_nth_unstable_by(step - 1, by_likelihood);
        }
        rest[..step].sort_unstable_by(by_likelihood);
        for (i, (_, logit)) in rest[..step].iter().enumerate() {
            reached += weight(*logit, most);
            if reached >= wanted {
                candidates.truncate(sorted + i + 1);
                return candidates;
            }
        }
        sorted += step;
    }
    candidates
}

fn nearest_to_expected_surprise(candidates: Vec<(usize, f32)>, most: f32, share: f32) -> Vec<(usize, f32)> {
    let sum = total(&candidates, most);
    let surprise = |logit: f32| sum.ln() - f64::from(logit - most);
    let expected: f64 = candidates.iter().map(|(_, l)| weight(*l, most) / sum * surprise(*l)).sum();
    let mut by_distance: Vec<(f64, (usize, f32))> =
        candidates.into_iter().map(|c| ((surprise(c.1) - expected).abs(), c)).collect();
    by_distance.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(by_likelihood(&a.1, &b.1)));
    let wanted = sum * f64::from(share);
    let mut reached = 0.0;
    let mut kept = Vec::new();
    for (_, candidate) in by_distance {
        kept.push(candidate);
        reached += weight(candidate.1, most);
        if reached >= wanted {
            break;
        }
    }
    kept
}

/// Natural logarithms of the probabilities that logits stand for, before any bias or penalty: of one token, and of the
/// `n` most likely.
pub fn logprobs(logits: &[f32], picked: u32, n: usize) -> (f64, Vec<(u32, f64)>) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| weight(*logit, most)).sum();
    let logprob = |logit: f32| f64::from(logit - most) - sum.ln();
    let own = logits.get(picked as usize).map_or(f64::NEG_INFINITY, |logit| logprob(*logit));
    (own, select::top_k(logits, n).into_iter().map(|(id, logit)| (id as u32, logprob(logit))).collect())
}

#[cfg(test)]
mod tests;
