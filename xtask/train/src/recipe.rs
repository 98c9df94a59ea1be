//! What a training is made of, as `cargo xtask train` writes it: a name and a number a line.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use crate::ops::HEAD;

pub struct Recipe {
    pub text: String,
    pub vocab: usize,
    pub dim: usize,
    pub layers: usize,
    pub ffn: usize,
    pub rope_base: f32,
    pub seed: u64,
    /// Tokens of a step.
    pub batch: usize,
    pub rate: f64,
    pub warmup: usize,
    pub decay: f64,
}

impl Recipe {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        fn number<T: FromStr>(lines: &BTreeMap<&str, &str>, name: &str) -> Result<T, String> {
            lines.get(name).and_then(|text| text.parse().ok()).ok_or(format!("the recipe has no number `{name}`"))
        }
        let recipe = Recipe {
            vocab: number(&lines, "vocab")?,
            dim: number(&lines, "dim")?,
            layers: number(&lines, "layers")?,
            ffn: number(&lines, "ffn")?,
            rope_base: number(&lines, "rope_base")?,
            seed: number(&lines, "seed")?,
            batch: number(&lines, "batch")?,
            rate: number(&lines, "rate")?,
            warmup: number(&lines, "warmup")?,
            decay: number(&lines, "decay")?,
            text,
        };
        if recipe.dim == 0 || !recipe.dim.is_multiple_of(HEAD) || recipe.layers == 0 || recipe.ffn == 0 {
            return Err(format!("the recipe's width must be a multiple of {HEAD}, and nothing may be 0"));
        }
        Ok(recipe)
    }

    /// Warm-up, then a cosine down to a twentieth.
    pub fn rate_at(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup {
            return self.rate * (step + 1) as f64 / self.warmup as f64;
        }
        let along = (step - self.warmup) as f64 / (steps - self.warmup).max(1) as f64;
        self.rate * (0.05 + 0.475 * (1.0 + (along * std::f64::consts::PI).cos()))
    }
}
