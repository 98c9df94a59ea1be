//! What kernels are compared with: plain ways of doing the same, by the names that manifests use.
//!
//! Each also comes `.delayed`: busy for a twentieth of its own time after its work, which a stand that measures has to
//! find.

use crate::Level;
use crate::attention::{self, Cell};
use crate::call::abi::Status;
use crate::call::builtin::attend;
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
        attend(call, level, Cell::F32, attention::naive)
    }
}

/// A product of matrices without any art: what the self-test's kernels over-claim against.
struct Plain;

impl Kernel for Plain {
    fn run(call: &mut Invocation<'_>, _: Level) -> Result<(), Status> {
        product_plain(call)
    }
}
