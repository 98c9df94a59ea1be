//! Attention: what it may see, how it weighs, and the ways to get either nearly right.

use half::bf16;

use super::{Specimen, declare, dot};
use crate::call::Invocation;
use crate::call::abi::Status;

/// A query and a key, by where they stand.
struct Pair {
    key: usize,
    /// Below zero where a sequence has fewer keys than queries.
    position: isize,
    /// Keys that count, and those that there is room for.
    len: usize,
    room: usize,
    causal: bool,
    /// 0 is none.
    window: usize,
}

/// What of attention a kernel does its own way.
#[derive(Clone, Copy)]
struct Way {
    sees: fn(&Pair) -> bool,
    /// The key head of a query head, of so many query and key heads.
    head: fn(usize, usize, usize) -> usize,
    /// Scores become weights, in place; their sum is given back.
    weigh: fn(&mut [f32]) -> f32,
    capped: fn(f32, f32) -> f32,
}

const RIGHT: Way = Way { sees, head: |h, heads, groups| h / (heads / groups), weigh, capped };

fn sees(pair: &Pair) -> bool {
    pair.key < pair.len
        && (!pair.causal || pair.key as isize <= pair.position)
        && (pair.window == 0 || (pair.key + pair.window) as isize > pair.position)
}

fn weigh(scores: &mut [f32]) -> f32 {
    weigh_from(scores, level)
}

fn weigh_from(scores: &mut [f32], level: fn(f32) -> f32) -> f32 {
    let level = level(greatest(scores));
    scores.iter_mut().for_each(|score| *score = (*score - level).exp());
    scores.iter().sum()
}

fn greatest(scores: &[f32]) -> f32 {
    scores.iter().fold(f32::NEG_INFINITY, |most, score| if score.is_nan() { *score } else { most.max(*score) })
}

/// What scores are weighed from: where all are minus infinity, that less itself is no number.
fn level(most: f32) -> f32 {
    if most == f32::NEG_INFINITY { 0.0 } else { most }
}

fn capped(score: f32, cap: f32) -> f32 {
    if cap > 0.0 { cap * (score / cap).tanh() } else { score }
}

/// The sizes and parameters of a call.
struct Setting<'c> {
    batch: usize,
    queries: usize,
    heads: usize,
    dim: usize,
    room: usize,
    groups: usize,
    q: &'c [f32],
    k: &'c [f32],
    v: &'c [f32],
    len: &'c [i32],
    scale: f32,
    causal: bool,
    window: usize,
    cap: f32,
}

fn setting<'c>(call: &Invocation<'c>) -> Result<Setting<'c>, Status> {
    let (q, k, v, len) = (call.input(0)?, call.input(1)?, call.input(2)?, call.input(3)?);
    let ([batch, queries, heads, dim], [_, room, groups, _]) = (q.shape()?, k.shape()?);
    Ok(Setting {
        batch,
        queries,
        heads,
        dim,
        room,
        groups,
        q: q.f32()?,
        k: k.f32()?,
        v: v.f32()?,
        len: len.i32()?,
        scale: call.float("scale")? as f32,
        causal: call.integer("causal")? != 0,
        window: usize::try_from(call.integer("window")?).unwrap_or(0),
        cap: call.float("softcap")? as f32,
    })
}

impl Setting<'_> {
    /// Where a key's row begins.
    fn row(&self, batch: usize, key: usize, head: usize) -> usize {
        ((batch * self.room + key) * self.groups + head) * self.dim
    }

    /// For each query, with its output: the scores of the keys it sees, and where their rows begin.
    fn each(
        &self,
        way: Way,
        out: &mut [f32],
        mut answer: impl FnMut(&mut [f32], &[usize], &mut [f32]),
    ) -> Result<(), Status> {
        let (mut scores, mut rows) = (Vec::new(), Vec::new());
        for batch in 0..self.batch {
            let len = usize::try_from(self.len[batch]).map_err(|_| Status::Unsupported)?;
            for query in 0..self.queries {
                let position = (len + query) as isize - self.queries as isize;
                for h in 0..self.heads {
                    let at = ((batch * self.queries + query) * self.heads + h) * self.dim;
                    let q = &self.q[at..][..self.dim];
                    let head = (way.head)(h, self.heads, self.groups);
                    scores.clear();
                    rows.clear();
                    for key in 0..self.room {
                        let (causal, window) = (self.causal, self.window);
                        let pair = Pair { key, position, len, room: self.room, causal, window };
                        if (way.sees)(&pair) {
                            let row = self.row(batch, key, head);
                            let score = self.scale * dot(q, &self.k[row..][..self.dim]);
                            scores.push((way.capped)(score, self.cap));
                            rows.push(row);
                        }
                    }
                    answer(&mut scores, &rows, &mut out[at..][..self.dim]);
                }
            }
        }
        Ok(())
    }
}

fn attend(call: &mut Invocation<'_>, way: Way) -> Result<(), Status> {
    attend_with(&setting(call)?, call.output_f32(0)?, way)
}

fn attend_with(setting: &Setting<'_>, out: &mut [f32], way: Way) -> Result<(), Status> {
    setting.each(way, out, |scores, rows, out| {
        let sum = (way.weigh)(scores);
        gather(setting, scores, rows, out);
        out.iter_mut().for_each(|o| *o = if rows.is_empty() { 0.0 } else { *o / sum });
    })
}

fn gather(setting: &Setting<'_>, weights: &[f32], rows: &[usize], out: &mut [f32]) {
    out.fill(0.0);
    for (weight, row) in weights.iter().zip(rows) {
        for (o, v) in out.iter_mut().zip(&setting.v[*row..][..setting.dim]) {
            *o += weight * v;
        }
    }
}

/// A part of the keys: their greatest score, the sum of their weights relative to it, and of their weighted values.
struct Part {
    most: f32,
    sum: f32,
    out: Vec<f32>,
}

impl Part {
    fn of(setting: &Setting<'_>, scores: &[f32], rows: &[usize], level: fn(f32) -> f32) -> Part {
        let mut weights = scores.to_vec();
        let most = greatest(scores);
        let sum = weigh_from(&mut weights, level);
        let mut out = vec![0.0; setting.dim];
        gather(setting, &weights, rows, &mut out);
        Part { most, sum, out }
    }

    fn with(self, other: Part, level: fn(f32) -> f32) -> Part {
        let most = if self.most.is_nan() || self.most > other.most { self.most } else { other.most };
        let (mine, its) = ((self.most - level(most)).exp(), (other.most - level(most)).exp());
        let out = self.out.iter().zip(&other.out).map(|(a, b)| a * mine + b * its).collect();
        Part { most, sum: self.sum * mine + other.sum * its, out }
    }
}

/// In parts of so many keys, each with its own greatest score, brought together in order or from the end.
fn in_parts(call: &mut Invocation<'_>, keys: usize, from_the_end: bool, level: fn(f32) -> f32) -> Result<(), Status> {
    let setting = setting(call)?;
    let out = call.output_f32(0)?;
    setting.each(RIGHT, out, |scores, rows, out| {
        let mut parts: Vec<Part> =
            scores.chunks(keys).zip(rows.chunks(keys)).map(|(s, r)| Part::of(&setting, s, r, level)).collect();
        if from_the_end {
            parts.reverse();
        }
        match parts.into_iter().reduce(|all, part| all.with(part, level)) {
            Some(all) => out.iter_mut().zip(&all.out).for_each(|(o, sum)| *o = sum / all.sum),
            None => out.fill(0.0),
        }
    })
}

fn in_double(call: &mut Invocation<'_>) -> Result<(), Status> {
    let setting = setting(call)?;
    let out = call.output_f32(0)?;
    setting.each(RIGHT, out, |scores, rows, out| {
        let most = greatest(scores);
        let weights: Vec<f64> = scores.iter().map(|s| f64::from(s - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for (d, o) in out.iter_mut().enumerate() {
            let all: f64 = weights.iter().zip(rows).map(|(w, row)| w * f64::from(setting.v[row + d])).sum();
            *o = if rows.is_empty() { 0.0 } else { (all / sum) as f32 };
        }
    })
}

pub(super) const SPECIMENS: &[Specimen] = declare! {
    honest Attention "attention-two-passes" "knows all scores before it weighs them" => |call| attend(call, RIGHT);
    honest Attention "attention-online" "meets the keys 48 at a time with a running maximum" => |call| in_parts(call, 48, false, level);
    honest Attention "attention-split" "weighs parts of 100 keys apart and brings them together from the end" =>
        |call| in_parts(call, 100, true, level);
    honest Attention "attention-double" "weighs and sums in f64" => in_double;
    wrong Attention "attention-last-key" "drops the last key of many" => |call| attend(call, Way {
        sees: |pair| sees(pair) && (pair.len < 3 || pair.key + 1 < pair.len || pair.key as isize == pair.position),
        ..RIGHT
    });
    wrong Attention "attention-block-edge" "drops the first key of every block of 64 but the first" => |call| attend(call, Way {
        sees: |pair| sees(pair) && (pair.key == 0 || pair.key % 64 != 0 || pair.key as isize == pair.position),
        ..RIGHT
    });
    wrong Attention "attention-block-end" "drops the last key of the second block of 32" =>
        |call| attend(call, Way { sees: |pair| sees(pair) && (pair.key != 63 || pair.position == 63), ..RIGHT });
    wrong Attention "attention-wide-window" "has a window that is one key too wide" => |call| attend(call, Way {
        sees: |pair| sees(&Pair { window: if pair.window > 0 { pair.window + 1 } else { 0 }, ..*pair }),
        ..RIGHT
    });
    wrong Attention "attention-narrow-window" "has a window that is one key too narrow" => |call| attend(call, Way {
        sees: |pair| sees(&Pair { window: pair.window - usize::from(pair.window > 1), ..*pair }),
        ..RIGHT
    });
    wrong Attention "attention-ahead" "sees one key of the future" => |call| attend(call, Way {
        sees: |pair| sees(&Pair { position: pair.position + isize::from(pair.causal && pair.window == 0), ..*pair }),
        ..RIGHT
    });
    wrong Attention "attention-not-itself" "doesn't see its own position but at the start" => |call| attend(call, Way {
        sees: |pair| sees(pair) && (!pair.causal || pair.key as isize != pair.position || pair.key == 0),
        ..RIGHT
    });
    wrong Attention "attention-not-causal" "sees all keys where the first query stands far in" => |call| attend(call, Way {
        sees: |pair| sees(&Pair { causal: pair.causal && pair.position < 100, ..*pair }),
        ..RIGHT
    });
    wrong Attention "attention-heads" "deals key heads out in turn instead of in groups" =>
        |call| attend(call, Way { head: |h, _, groups| h % groups, ..RIGHT });
    wrong Attention "attention-one-head" "uses the first key head for all" =>
        |call| attend(call, Way { head: |_, _, _| 0, ..RIGHT });
    wrong Attention "attention-beyond" "reads keys beyond the length where it isn't causal" => |call| attend(call, Way {
        sees: |pair| sees(&Pair { len: if pair.causal { pair.len } else { pair.room }, ..*pair }),
        ..RIGHT
    });
    wrong Attention "attention-long" "sees no more than 500 keys" =>
        |call| attend(call, Way { sees: |pair| sees(pair) && pair.key < 500, ..RIGHT });
    wrong Attention "attention-own-scale" "takes one over the root of a head's size for its scale, whatever it is given" => |call| {
        let given = setting(call)?;
        let own = Setting { scale: 1.0 / (given.dim as f32).sqrt(), ..given };
        attend_with(&own, call.output_f32(0)?, RIGHT)
    };
    wrong Attention "attention-no-maximum" "doesn't subtract the greatest score" => |call| attend(call, Way {
        weigh: |scores| {
            scores.iter_mut().for_each(|score| *score = score.exp());
            scores.iter().sum()
        },
        ..RIGHT
    });
    wrong Attention "attention-bf16-weights" "rounds its weights to bf16 and doesn't say so" => |call| attend(call, Way {
        weigh: |scores| {
            let sum = weigh(scores);
            scores.iter_mut().for_each(|weight| *weight = bf16::from_f32(*weight).to_f32());
            sum
        },
        ..RIGHT
    });
    wrong Attention "attention-all-infinite" "takes minus infinity from itself where all keys of a block have it" =>
        |call| in_parts(call, 48, false, |most| most);
    wrong Attention "attention-small-weights" "drops weights below a hundredth of the greatest" => |call| attend(call, Way {
        weigh: |scores| {
            let sum = weigh(scores);
            scores.iter_mut().filter(|weight| **weight < 1e-2).for_each(|weight| *weight = 0.0);
            sum
        },
        ..RIGHT
    });
    wrong Attention "attention-one-length" "takes the first sequence's length for all" => |call| {
        let setting = setting(call)?;
        let lens = vec![setting.len.first().copied().unwrap_or(0); setting.batch];
        let setting = Setting { len: &lens, ..setting };
        let out = call.output_f32(0)?;
        setting.each(RIGHT, out, |scores, rows, out| {
            let sum = weigh(scores);
            gather(&setting, scores, rows, out);
            out.iter_mut().for_each(|o| *o = if rows.is_empty() { 0.0 } else { *o / sum });
        })
    };
    wrong Attention "attention-mean" "writes the mean of the values that it sees" => |call| attend(call, Way {
        weigh: |scores| {
            scores.fill(1.0);
            scores.len() as f32
        },
        ..RIGHT
    });
};
