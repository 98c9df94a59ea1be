//! Noise that is nearly normal and quick to make: sums of eight bytes.

pub(super) struct Noise(u64);

/// The sum of eight even bytes has this mean and this deviation.
const MEAN: f32 = 1020.0;
const DEVIATION: f32 = 209.02;

impl Noise {
    pub(super) fn of(tensor: u64, row: u64) -> Self {
        Noise(mixed(tensor << 32 ^ row))
    }

    /// Mean 0, standard deviation 1.
    pub(super) fn fill(&mut self, values: &mut [f32]) {
        for value in values {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            *value = (sum_of_bytes(mixed(self.0)) as f32 - MEAN) / DEVIATION;
        }
    }
}

/// The finaliser of SplitMix64.
fn mixed(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn sum_of_bytes(x: u64) -> u64 {
    const LOW: u64 = 0x00ff_00ff_00ff_00ff;
    ((x & LOW) + (x >> 8 & LOW)).wrapping_mul(0x0001_0001_0001_0001) >> 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_mean_and_the_spread_that_it_says() {
        assert_eq!(sum_of_bytes(0x0102_0304_05ff_0708), 1 + 2 + 3 + 4 + 5 + 255 + 7 + 8);
        let mut values = vec![0.0; 1 << 16];
        Noise::of(1, 2).fill(&mut values);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
        assert!(mean.abs() < 0.02 && (spread - 1.0).abs() < 0.02, "{mean} {spread}");
        let mut others = vec![0.0; 8];
        Noise::of(1, 3).fill(&mut others);
        assert_ne!(others, values[..8]);
    }
}
