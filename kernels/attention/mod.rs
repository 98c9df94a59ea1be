//! Attention over a cache of keys and values.
//!
//! The flash way: positions are met 128 at a time with a running maximum, so the memory needed doesn't grow with the
//! context. Chunks begin at multiples of 128 whatever the batch, so a row's bits depend on its own query and the
//! cache alone.

mod cache;
mod flash;
mod naive;
#[cfg(test)]
mod tests;

pub use cache::{Cache, Cell};
pub use naive::naive;

use crate::error::{Error, length, product, rows};
use crate::pool::Disjoint;
use crate::{Level, Pool};

/// What a model says about its attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Query heads: a multiple of the cache's heads.
    pub heads: usize,
    /// Multiplies the products of queries and keys; usually `1/√head_dim`.
    pub scale: f32,
    /// A position sees only so many, itself included.
    pub window: Option<usize>,
    /// Scores become `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Positions see none that come later; else all of the cache (the window then counts backwards only).
    pub causal: bool,
}

/// What the lengths of a call come to.
struct Sizes {
    /// Query heads of a key head.
    group: usize,
    /// Values of a position's queries.
    width: usize,
    positions: usize,
}

impl Sizes {
    /// Refuses what doesn't fit together.
    fn of(shape: &Attention, cache: &Cache, first: usize, q: &[f32], out: &[f32]) -> Result<Sizes, Error> {
        let group = match shape.heads.checked_rem(cache.heads()) {
            Some(0) => shape.heads / cache.heads(),
            _ => return Err(Error::Block { what: "query heads", value: shape.heads, block: cache.heads() }),
        };
        let width = product("queries", &[shape.heads, cache.head_dim()])?;
        let positions = rows("queries", q.len(), width)?;
        length("output of attention", q.len(), out.len())?;
        let end = first.checked_add(positions).ok_or(Error::TooLarge { what: "positions" })?;
        if end > cache.len() {
            return Err(Error::Range { what: "positions that attend", value: end, limit: cache.len() });
        }
        Ok(Sizes { group, width, positions })
    }
}

/// Attends from the queries of consecutive positions that begin at `first` and are in the cache already. `q` and `out`
/// hold, for each position, `heads` heads.
pub fn attention(
    pool: &Pool,
    level: Level,
    shape: &Attention,
    cache: &Cache,
    first: usize,
    q: &[f32],
    out: &mut [f32],
) -> Result<(), Error> {
    let Sizes { group, width, positions: n } = Sizes::of(shape, cache, first, q, out)?;
    if n == 0 {
        return Ok(());
    }
    let split = flash::Split::new(n, group);
    let tasks = split.tasks() * cache.heads();
    // One position over few key heads would leave threads idle: then the query heads of a key head are shared out.
    let pieces = pool.threads().div_ceil(tasks).min(group);
    let share = group.div_ceil(pieces);
    let out = Disjoint::new(out);
    pool.run(tasks * pieces, |task| {
        let (part, head, piece) = (task / pieces / cache.heads(), task / pieces % cache.heads(), task % pieces);
        let queries = (piece * share).min(group)..(piece * share + share).min(group);
        let job = flash::Job { shape, cache, first, q, out: &out, width, group, head, queries };
        // The last positions see the most: they go first, so that no thread is left with a long task at the end.
        job.run(level, split.part(split.tasks() - 1 - part));
    });
    Ok(())
}
