//! A model file made from another with fewer bits: read through a mapping, written beside its place, then renamed.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use bizra_kernels::os::Mapped;
use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use crate::error::{Error, Place, Result};
use crate::infer::gguf::Gguf;
use crate::infer::requantize::{self, Made, ModelFile, RequantizeError, Target, Work};

/// The size of a file that is about to be quantised, and a check that it can be opened.
pub fn size(source: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(source).map_err(|e| Error::reading(source, &e))?;
    if metadata.is_dir() {
        return Err(Error::invalid("this is a folder")
            .at(Place::file(source))
            .hint("name a .gguf file with f32, f16 or bf16 weights"));
    }
    Ok(metadata.len())
}

pub fn make(source: &Path, out: &Path, target: Target, work: &Work<'_>) -> Result<Made> {
    let place = |error: Error| error.at(Place::file(source));
    let mapped = Mapped::open(source).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => place(Error::invalid("this is no plain file")),
        _ => Error::reading(source, &e),
    })?;
    let gguf = Gguf::parse(&mapped).map_err(|e| place(Error::invalid(e.to_string())))?;
    let (writer, mut steps) = requantize::plan(&gguf, target).map_err(|e| place(refusal(e)))?;
    let mut failed = None;
    let mut made = (Sha256::new(), 0);
    files::replace_by(out, Access::Everyone, &mut |file| {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut out = Digested { out: BufWriter::with_capacity(1 << 20, file), hash: &mut hash, bytes: &mut bytes };
        writer.write(&mut out, |at| {
            requantize::encode(&gguf.tensors()[at], &mut steps[at], work).map_err(|e| {
                failed = Some(e);
                io::ErrorKind::Other.into()
            })
        })?;
        out.out.flush()?;
        drop(out);
        made = (hash, bytes);
        Ok(())
    })
    .map_err(|e| match failed.take() {
        Some(RequantizeError::Stopped) => refusal(RequantizeError::Stopped),
        Some(why) => place(refusal(why)),
        None => e,
    })?;
    let named = |path: &Path, sha256, bytes| ModelFile {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        sha256,
        bytes,
    };
    let (hash, bytes) = made;
    Ok(Made {
        steps,
        source: named(source, Sha256::digest(&*mapped).into(), mapped.len() as u64),
        made: named(out, hash.finalize().into(), bytes),
    })
}

fn refusal(error: RequantizeError) -> Error {
    let message = error.to_string();
    match error {
        RequantizeError::Stopped => {
            Error::new(crate::error::Exit::Interrupted, "stopped before the file was whole, so there is none")
        }
        RequantizeError::Already { .. } => Error::invalid(message)
            .hint("quantise the f32, f16 or bf16 file that it was made from: each time loses more"),
        _ => Error::invalid(message),
    }
}

/// What goes through it is hashed and counted.
struct Digested<'d, W> {
    out: W,
    hash: &'d mut Sha256,
    bytes: &'d mut u64,
}

impl<W: Write> Write for Digested<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        *self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
