//! AdamW whose state can be kept: candle's own hides its moments, so that a training couldn't be resumed.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor, Var};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.98;
const EPS: f64 = 1e-8;
/// The gradient as a whole is never longer than this.
const LONGEST: f64 = 1.0;

#[derive(Default)]
pub struct AdamW {
    moments: BTreeMap<String, (Vec<f32>, Vec<f32>)>,
}

impl AdamW {
    /// `step` counts from 0. Returns the gradient's length before it was cut.
    pub fn step(
        &mut self,
        vars: &BTreeMap<String, Var>,
        grads: BTreeMap<String, Vec<f32>>,
        step: usize,
        rate: f64,
        decay: f64,
    ) -> Result<f64> {
        let squares: f64 = grads.values().flatten().map(|g| f64::from(*g) * f64::from(*g)).sum();
        let length = squares.sqrt();
        let cut = if length > LONGEST { LONGEST / length } else { 1.0 } as f32;
        let (hurry1, hurry2) = (1.0 - BETA1.powi(step as i32 + 1), 1.0 - BETA2.powi(step as i32 + 1));
        let (b1, b2) = (BETA1 as f32, BETA2 as f32);
        let (pace, root) = ((rate / hurry1) as f32, hurry2.sqrt().recip() as f32);
        for (name, grad) in grads {
            let var = &vars[&name];
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            let shrink = if var.rank() > 1 { 1.0 - (rate * decay) as f32 } else { 1.0 };
            let (m, v) =
                self.moments.entry(name).or_insert_with(|| (vec![0.0; values.len()], vec![0.0; values.len()]));
            for (((w, g), m), v) in values.iter_mut().zip(&grad).zip(m).zip(v) {
                let g = g * cut;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *w = *w * shrink - pace * *m / (v.sqrt() * root + EPS as f32);
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(length)
    }

    pub fn save(&self, into: &mut HashMap<String, Tensor>) -> Result<()> {
        for (name, (m, v)) in &self.moments {
            into.insert(format!("m.{name}"), Tensor::new(m.as_slice(), &candle_core::Device::Cpu)?);
            into.insert(format!("v.{name}"), Tensor::new(v.as_slice(), &candle_core::Device::Cpu)?);
        }
        Ok(())
    }

    pub fn load(from: &HashMap<String, Tensor>) -> Result<Self> {
        let mut moments = BTreeMap::new();
        for (name, m) in from.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("m.")?, tensor))) {
            let v = from.get(&format!("v.{name}")).ok_or(candle_core::Error::Msg(format!("no moment v.{name}")))?;
            moments.insert(name.to_owned(), (m.to_vec1()?, v.to_vec1()?));
        }
        Ok(AdamW { moments })
    }
}
