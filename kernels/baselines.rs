//! What kernels are compared with: plain ways of doing the same, by the names that manifests use.
//!
//! Each also comes `.delayed`: busy for a twentieth of its own time after its work, which a stand that measures has to
//! find.

use crate::Level;
use crate::attention::{self, Attention, Cache, Cell};
use crate::call::abi::Status;
use crate::call::builtin::pool;
use crate::call::{Entry, Invocation, Kernel};
use crate::selftest::product_plain;

pub const BASELINES: &[Entry] = &[
    Entry::of::<Naive>("naive"),
    Entry::of::<Delayed<Naive>>("naive.delayed"),
    Entry::of::<Plain>("product-plain"),
    Entry::of::<Delayed<Plain>>("product-plain.delayed"),
];

/// The kernel, and a twentieth of its time once more in which nothing is done.
pub struct Delayed<K>(std::marker::PhantomData<K>);

impl<K: Kernel> Kernel for Delayed<K> {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let start = crate::child::now();
        let answer = K::run(call, level);
        let end = crate::child::now();
        while crate::child::now() < end + end.saturating_sub(start) / 20 {
            std::hint::spin_loop();
        }
        answer
    }
}

/// Attention with all scores of a head at once, with the engine's own inner products.
struct Naive;

impl Kernel for Naive {
    fn run(call: &mut Invocation<'_>, level: Level) -> Result<(), Status> {
        let (q, k, v, len) = (call.input(0)?, call.input(1)?, call.input(2)?, call.input(3)?);
        let ([batch, s, heads, dim], [_, t, groups, _]) = (q.shape()?, k.shape()?);
        let (window, softcap) = (call.integer("window")?, call.float("softcap")?);
        if window > 0 {
            return Err(Status::Unsupported);
        }
        let shape = Attention {
            heads,
            scale: call.float("scale")? as f32,
            window: None,
            softcap: (softcap > 0.0).then_some(softcap as f32),
            causal: call.integer("causal")? != 0,
        };
        let pool = pool(call.threads());
        let (q, k, v, len) = (q.f32()?, k.f32()?, v.f32()?, len.i32()?);
        let out = call.output_f32(0)?;
        let (rows, keys) = (s * heads * dim, t * groups * dim);
        for b in 0..batch {
            let filled = usize::try_from(len[b]).map_err(|_| Status::Unsupported)?;
            let first = filled.checked_sub(s).ok_or(Status::Unsupported)?;
            let mut cache = Cache::new(Cell::F32, groups, dim, t)?;
            let part = b * keys..b * keys + filled * groups * dim;
            cache.push(&k[part.clone()], &v[part])?;
            let part = b * rows..(b + 1) * rows;
            attention::naive(&pool, level, &shape, &cache, first, &q[part.clone()], &mut out[part])?;
        }
        Ok(())
    }
}

/// A product of matrices without any art: what the self-test's kernels over-claim against.
struct Plain;

impl Kernel for Plain {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        product_plain(call)
    }
}
