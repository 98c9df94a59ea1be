//! What the ways to run a GPU kernel have in common.

use std::fmt;

/// One of a kernel's tensors, as bytes.
#[derive(Debug)]
pub enum Buffer<'b> {
    Input(&'b [u8]),
    /// What it holds before is what the kernel finds there.
    Output(&'b mut [u8]),
}

impl Buffer<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Buffer::Input(bytes) => bytes,
            Buffer::Output(bytes) => bytes,
        }
    }
}

/// How many blocks of how many threads, and the words of the struct of sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub grid: [u32; 3],
    pub block: u32,
    pub sizes: Vec<u32>,
}

impl Launch {
    /// No block, nothing to do: drivers refuse such a grid.
    pub fn is_empty(&self) -> bool {
        self.grid.contains(&0)
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The machine's, or its driver's.
    Machine(String),
    /// The kernel's own.
    Kernel(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Fault::Machine(why) | Fault::Kernel(why)) = self;
        f.write_str(why)
    }
}

/// Bytes before and behind a buffer in a GPU's memory, where there are no guard pages. A multiple of every alignment that
/// devices ask for.
pub(super) const MARGIN: usize = 64 << 10;

/// What stands in the margins: no byte twice in a row, so that a shifted copy shows.
pub(super) fn margin() -> Vec<u8> {
    (0..MARGIN).map(|i| (i * 37 + i / 251) as u8 ^ 0xa5).collect()
}

/// Whether what surrounds `tensor` bytes is as it was; the fault says which tensor was left, and on which side.
pub(super) fn intact(whole: &[u8], tensor: usize, number: usize) -> Result<(), Fault> {
    let margin = margin();
    let side = |at: &[u8]| at.iter().zip(&margin).position(|(a, b)| a != b);
    if let Some(at) = side(&whole[..MARGIN]) {
        let by = MARGIN - at;
        return Err(Fault::Kernel(format!("it wrote {by} bytes before the start of tensor {number}")));
    }
    match side(&whole[MARGIN + tensor..]) {
        Some(at) => Err(Fault::Kernel(format!("it wrote {at} bytes behind the end of tensor {number}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_margin_is_seen() {
        let mut whole = [margin(), vec![7; 100], margin()].concat();
        assert_eq!(intact(&whole, 100, 0), Ok(()));
        whole[MARGIN + 103] ^= 1;
        assert_eq!(intact(&whole, 100, 2).unwrap_err().to_string(), "it wrote 3 bytes behind the end of tensor 2");
        whole[MARGIN - 4] ^= 1;
        assert_eq!(intact(&whole, 100, 1).unwrap_err().to_string(), "it wrote 4 bytes before the start of tensor 1");
    }
}
