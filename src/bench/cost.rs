//! What a token costs at least: bytes that must be read and products that must be formed, over what the machine can do.
//!
//! Every cost is counted low, so that a limit is never below what can be reached: vectors are left out, as is attention
//! where a model looks through windows.

use super::result::{Better, Limit, Metric, Peak};

/// The sizes of a model, as far as costs follow from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Bytes of the matrices that every token meets.
    pub weights: u64,
    /// Multiply-adds of a token with quantised and with float matrices, the output's left out.
    pub integer: u64,
    pub float: u64,
    /// The same of the output matrix, which only a prompt's last token meets.
    pub output_integer: u64,
    pub output_float: u64,
    /// Bytes of keys and values that a position takes.
    pub cache: u64,
    /// Multiply-adds of attention for each position that is looked at.
    pub attention: u64,
}

/// Seconds that something takes at least, and because of what.
#[derive(Clone, Debug, PartialEq)]
struct Least {
    seconds: f64,
    what: String,
}

/// What a run reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub prompt: u64,
    pub generated: u64,
    pub depth: u64,
    pub batch: u64,
}

impl Shape {
    fn prefill(&self, amount: Amount, peak: &Peak) -> Least {
        let Amount { prompt, depth, batch, .. } = amount;
        let tokens = (prompt * batch) as f64;
        // Token i of the prompt looks at all before it and at itself.
        let seen = prompt as f64 * (depth as f64 + (prompt as f64 + 1.0) / 2.0) * batch as f64;
        let last = batch as f64;
        let integer = self.integer as f64 * tokens + self.output_integer as f64 * last;
        let float = self.float as f64 * tokens + self.output_float as f64 * last + self.attention as f64 * seen;
        least(self.weights as f64, integer, float, tokens, peak)
    }

    /// A step that gives each sequence one token, in the middle of the run.
    fn decode(&self, amount: Amount, peak: &Peak) -> Least {
        let Amount { prompt, generated, depth, batch } = amount;
        let seen = (depth + prompt) as f64 + (generated as f64 + 1.0) / 2.0;
        let batch = batch as f64;
        let bytes = self.weights as f64 + self.cache as f64 * seen * batch;
        let integer = (self.integer + self.output_integer) as f64 * batch;
        let float = ((self.float + self.output_float) as f64 + self.attention as f64 * seen) * batch;
        least(bytes, integer, float, batch, peak)
    }

    /// The limit of a metric, in its unit; none where arithmetic and memory say nothing about it.
    pub fn limit(&self, metric: &Metric, amount: Amount, peak: &Peak) -> Option<Limit> {
        let Amount { prompt, batch, .. } = amount;
        let (least, tokens) = match metric.id {
            "prefill.tok_s" | "prefill.bare_tok_s" => (self.prefill(amount, peak), prompt * batch),
            "first_token.ms" => (self.prefill(amount, peak), 1),
            "decode.tok_s" | "decode.bare_tok_s" => (self.decode(amount, peak), batch),
            "between_tokens.p50_ms" => (self.decode(amount, peak), 1),
            _ => return None,
        };
        let value = match metric.better {
            Better::Higher => tokens as f64 / least.seconds,
            Better::Lower => least.seconds * 1e3,
        };
        (value.is_finite() && value > 0.0).then_some(Limit { what: least.what, value })
    }
}

/// Reading and computing can go on at the same time, so the longer of the two is what counts.
fn least(bytes: f64, integer: f64, float: f64, tokens: f64, peak: &Peak) -> Least {
    let reading = bytes / peak.bandwidth;
    let computing = integer / peak.integer + float / peak.float;
    if reading >= computing {
        let what = format!("{:.3} MB a token at {:.1} GB/s", bytes / tokens / 1e6, peak.bandwidth / 1e9);
        Least { seconds: reading, what }
    } else {
        let products = integer + float;
        let what =
            format!("{:.3} M products a token at {:.0} G/s", products / tokens / 1e6, products / computing / 1e9);
        Least { seconds: computing, what }
    }
}

#[cfg(test)]
mod tests {
    use super::super::result::metric_of;
    use super::*;

    const PEAK: Peak = Peak { threads: 2, bandwidth: 20e9, integer: 500e9, float: 250e9 };

    fn shape() -> Shape {
        Shape {
            weights: 600_000_000,
            integer: 1_000_000_000,
            float: 0,
            output_integer: 50_000_000,
            output_float: 0,
            cache: 20_000,
            attention: 100_000,
        }
    }

    fn limit(id: &str, amount: Amount) -> Limit {
        shape().limit(metric_of(id).unwrap(), amount, &PEAK).unwrap()
    }

    const ONE: Amount = Amount { prompt: 1, generated: 1, depth: 0, batch: 1 };

    #[test]
    fn decode_is_bound_by_memory_and_prefill_by_arithmetic() {
        let amount = Amount { prompt: 511, generated: 1, ..ONE };
        // 600 MB and 512 positions of 20 KB, at 20 GB/s.
        let decode = limit("decode.tok_s", amount);
        assert!((decode.value - 20e9 / (600e6 + 512.0 * 20e3)).abs() < 1e-9, "{decode:?}");
        assert_eq!(decode.what, "610.240 MB a token at 20.0 GB/s");
        assert!((limit("between_tokens.p50_ms", amount).value * decode.value - 1e3).abs() < 1e-9);
        let prefill = limit("prefill.tok_s", Amount { prompt: 100, ..ONE });
        let integer = (100.0 * 1e9 + 50e6) / 500e9;
        let attention = 100.0 * 50.5 * 1e5 / 250e9;
        assert!((prefill.value - 100.0 / (integer + attention)).abs() < 1e-9, "{prefill:?}");
        assert!(prefill.what.contains("products a token at"));
        assert!(
            (limit("first_token.ms", Amount { prompt: 100, ..ONE }).value - (integer + attention) * 1e3).abs() < 1e-9
        );
    }

    #[test]
    fn company_shares_the_reading_until_arithmetic_binds() {
        let of = |batch| limit("decode.tok_s", Amount { batch, ..ONE }).value;
        assert!(of(4) > 3.9 * of(1));
        // 1.05 G products at 500 G/s, and two positions' attention.
        assert!(of(1000) < 500e9 / 1.05e9 && of(1000) > 450.0);
        assert_eq!(shape().limit(metric_of("load.warm_ms").unwrap(), ONE, &PEAK), None);
        let unknown = Peak { bandwidth: 0.0, ..PEAK };
        assert_eq!(shape().limit(metric_of("decode.tok_s").unwrap(), ONE, &unknown), None);
    }
}
