//! The tensors of a model under their GGUF names, whichever kind of file they came from.
//! Leaves out what they mean: shapes are checked against the configuration by whoever builds the model.

use std::borrow::Cow;
use std::collections::HashMap;

use super::dtype::DType;

/// Sizes of a tensor, the innermost (contiguous) dimension first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    sizes: [u64; Dims::MAX],
    rank: u8,
}

impl Dims {
    pub const MAX: usize = 4;

    /// `None` for no dimension or more than four.
    pub fn new(sizes: &[u64]) -> Option<Self> {
        if sizes.is_empty() || sizes.len() > Self::MAX {
            return None;
        }
        let mut all = [1; Self::MAX];
        all[..sizes.len()].copy_from_slice(sizes);
        Some(Self { sizes: all, rank: sizes.len() as u8 })
    }

    pub fn as_slice(&self) -> &[u64] {
        &self.sizes[..usize::from(self.rank)]
    }

    /// Elements of a row.
    pub fn width(&self) -> u64 {
        self.sizes[0]
    }

    /// Rows of all outer dimensions together; `None` when their product overflows.
    pub fn rows(&self) -> Option<u64> {
        self.sizes[1..].iter().try_fold(1u64, |product, &size| product.checked_mul(size))
    }
}

impl std::fmt::Debug for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// A tensor whose bytes lie in a file that somebody else holds.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    pub name: Cow<'a, str>,
    pub dims: Dims,
    pub dtype: DType,
    /// Where `data` begins in its file.
    pub offset: u64,
    pub data: &'a [u8],
}

/// All tensors of a model by GGUF name.
#[derive(Clone, Debug, Default)]
pub struct Weights<'a> {
    by_name: HashMap<Cow<'a, str>, Tensor<'a>>,
}

impl<'a> Weights<'a> {
    /// The first of two tensors with one name is handed back as the error.
    pub fn new(tensors: impl IntoIterator<Item = Tensor<'a>>) -> Result<Self, Tensor<'a>> {
        let mut by_name = HashMap::new();
        for tensor in tensors {
            if let Some(earlier) = by_name.insert(tensor.name.clone(), tensor) {
                return Err(earlier);
            }
        }
        Ok(Self { by_name })
    }

    pub fn get(&self, name: &str) -> Option<&Tensor<'a>> {
        self.by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Tensor<'a>> {
        self.by_name.values()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}
