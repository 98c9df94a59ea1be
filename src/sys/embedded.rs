//! The model inside the binary: the file `fixtures/bizra-guide.gguf`, borrowed where the program's own pages hold it.
//! Leaves out what it is used for.

/// What it is called wherever a model is named. A file of this name is `./embedded`.
pub const NAME: &str = "embedded";

/// Weights are read in whole blocks and cache lines.
#[cfg(feature = "embedded-model")]
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

#[cfg(feature = "embedded-model")]
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!("../../fixtures/bizra-guide.gguf"));

/// None in a build without the feature `embedded-model`.
pub fn bytes() -> Option<&'static [u8]> {
    #[cfg(feature = "embedded-model")]
    return Some(&MODEL.0);
    #[cfg(not(feature = "embedded-model"))]
    None
}
