//! Stands where the feature `wgpu` was not built in: every way to WGSL answers with what to build.

use super::{Buffer, Fault, Launch, Source};

/// Whether this build has the real one.
pub const BUILT: bool = false;

/// Why nothing here works.
pub const MISSING: &str = "this build has no WGSL: it was built without the feature `wgpu`";

fn missing<T>() -> Result<T, Fault> {
    Err(Fault::Machine(MISSING.into()))
}

/// A source in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    pub language: &'static str,
    pub code: Vec<u8>,
}

pub fn translate(_: &Source, _: &str) -> Result<Vec<Translation>, Fault> {
    missing()
}

#[derive(Debug)]
pub struct Gpu {}

impl Gpu {
    pub fn open() -> Result<Gpu, String> {
        Err(MISSING.into())
    }

    pub fn name(&self) -> String {
        String::new()
    }

    pub fn driver(&self) -> String {
        String::new()
    }

    pub fn is_software(&self) -> bool {
        true
    }

    pub fn load(&self, _: &Source, _: &str, _: &[bool]) -> Result<Kernel<'_>, Fault> {
        missing()
    }
}

#[derive(Debug)]
pub struct Kernel<'g>(std::marker::PhantomData<&'g Gpu>);

impl Kernel<'_> {
    pub fn launch(&self, _: &mut [Buffer<'_>], _: &Launch) -> Result<(), Fault> {
        missing()
    }
}
