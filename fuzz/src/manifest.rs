//! A kernel's manifest is read or refused, each refusal with a reason.

use std::path::Path;

use bizra::sys::kernels;

pub fn look(bytes: &[u8]) {
    if let Err(problems) = kernels::read(bytes, Path::new("kernel.yaml"), Path::new(".")) {
        assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
}
