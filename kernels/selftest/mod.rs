//! The kernels that the verifier tests itself with: wrong, cheating and over-claiming ones that it must refuse, and honest
//! ones with unusual arithmetic that it must not.
//!
//! Each is a real kernel behind the same interface as those of users ([`crate::call`]), made to be nearly right: it does
//! what its neighbour here does, but for the one thing that its line says. They only ever run in a confined process.
//!
//! Left out: which check refuses whom, and what a pass or a miss means; the verifier finds that out anew each time.

mod attention;
mod choose;
mod conduct;
mod memory;
mod product;
mod rotate;
mod rows;

use crate::call::abi::{OpCode, Status};
use crate::call::{Entry, Invocation};

/// One kernel of the self-test.
#[derive(Debug, Clone, Copy)]
pub struct Specimen {
    pub entry: Entry,
    pub op: OpCode,
    /// Honest kernels must pass, all others must be refused.
    pub honest: bool,
    /// In the words of the table.
    pub does: &'static str,
    /// What it says of its own speed, where that is what is wrong with it.
    pub claim: Option<&'static str>,
    /// Bytes that it asks for.
    pub workspace: u64,
}

/// Declares kernels as a list of [`Specimen`].
macro_rules! declare {
    ($($kind:ident $op:ident $name:literal $does:literal $([claim $claim:literal])? $([workspace $bytes:literal])? => $body:expr;)*) => {
        &[$({
            struct It;
            impl $crate::call::Kernel for It {
                fn run(call: &mut $crate::call::Invocation<'_>, _: $crate::Level) -> Result<(), $crate::call::abi::Status> {
                    let body: fn(&mut $crate::call::Invocation<'_>) -> Result<(), $crate::call::abi::Status> = $body;
                    body(call)
                }
            }
            $crate::selftest::Specimen {
                entry: $crate::call::Entry::of::<It>($name),
                op: $crate::call::abi::OpCode::$op,
                honest: declare!(@honest $kind),
                does: $does,
                claim: declare!(@first $(Some($claim),)? None),
                workspace: declare!(@first $($bytes,)? 0),
            }
        }),*]
    };
    (@honest honest) => { true };
    (@honest wrong) => { false };
    (@first $first:expr $(, $rest:expr)?) => { $first };
}
use declare;

const LISTS: [&[Specimen]; 7] = [
    product::SPECIMENS,
    memory::SPECIMENS,
    attention::SPECIMENS,
    rows::SPECIMENS,
    rotate::SPECIMENS,
    choose::SPECIMENS,
    conduct::SPECIMENS,
];

const COUNT: usize = {
    let (mut count, mut list) = (0, 0);
    while list < LISTS.len() {
        count += LISTS[list].len();
        list += 1;
    }
    count
};

/// All of them, in the order of the table.
pub fn specimens() -> impl Iterator<Item = &'static Specimen> {
    LISTS.iter().copied().flatten()
}

/// As the process that runs kernels finds them.
pub static ENTRIES: [Entry; COUNT] = {
    let mut entries = [LISTS[0][0].entry; COUNT];
    let (mut count, mut list) = (0, 0);
    while list < LISTS.len() {
        let mut at = 0;
        while at < LISTS[list].len() {
            entries[count] = LISTS[list][at].entry;
            count += 1;
            at += 1;
        }
        list += 1;
    }
    entries
};

/// The right product, which what over-claims is compared with.
pub(crate) fn product_plain(call: &mut Invocation<'_>) -> Result<(), Status> {
    product::product(call, dot)
}

/// Applies `row` to each row of an input of two dimensions, into the first output.
fn each_row(call: &mut Invocation<'_>, mut row: impl FnMut(&[f32], &mut [f32])) -> Result<(), Status> {
    let x = call.input(0)?;
    let [rows, width] = x.shape()?;
    let x = x.f32()?;
    let out = call.output_f32(0)?;
    for r in 0..rows {
        row(&x[r * width..][..width], &mut out[r * width..][..width]);
    }
    Ok(())
}

/// A sum of products in f32, sixteen lanes that are added at the end.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests;
