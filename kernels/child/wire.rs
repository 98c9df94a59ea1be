//! What parent and child say to each other: little-endian numbers, each message with its length before it.

use super::Containment;
use crate::gpu::plan::Rule;
use crate::gpu::{Launch, Source};
use std::io::{self, Read, Write};

/// No message is longer; whoever sends more is broken.
const LONGEST: usize = 64 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Builtin(String),
    Library {
        path: String,
        symbol: String,
    },
    /// CUDA C++ that a C++ compiler has made a library of: see [`crate::gpu::emulator`].
    Emulated {
        library: String,
        rule: Rule,
    },
    /// Machine code for an NVIDIA GPU.
    Cuda {
        code: Vec<u8>,
        entry: String,
        rule: Rule,
    },
    /// WGSL, for what Vulkan finds; the number is that of the operation.
    Wgsl {
        source: Source,
        entry: String,
        op: u32,
        rule: Rule,
    },
    /// A Triton kernel, for the process of a Python ([`crate::gpu::triton`]): no child of this program takes it.
    Triton {
        python: String,
        source: Source,
        entry: String,
        /// The types of its arguments.
        signature: Vec<String>,
        rule: Rule,
    },
}

/// What a kernel runs on, where that is not the process itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub device: String,
    pub driver: String,
    /// A driver that has the CPU do it.
    pub software: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    Inputs,
    Outputs,
}

/// Whole pages of a file, mapped between two guard pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub file: File,
    pub offset: u64,
    pub bytes: u64,
}

/// A tensor within a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub region: u32,
    pub start: u64,
    pub bytes: u64,
    pub dtype: u32,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParamValue {
    Integer(i64),
    Float(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallSpec {
    /// Which of the loaded kernels.
    pub kernel: u32,
    pub op: u32,
    pub threads: u32,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    pub params: Vec<(String, ParamValue)>,
    /// A region, where in it, and how many bytes.
    pub workspace: Option<(u32, u64, u64)>,
    /// For a process that can't plan it by itself.
    pub launch: Option<Launch>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    pub regions: Vec<Region>,
    pub calls: Vec<CallSpec>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Load(Target),
    Run(Batch),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Loaded {
        kernel: u32,
        held: Containment,
        place: Option<Place>,
    },
    /// Each call's status and nanoseconds.
    Ran(Vec<(i32, u64)>),
    /// A kernel did what none may, and was seen doing it.
    Faulted(String),
    Refused(String),
}

/// What can be written to and read from the socket.
pub trait Wire: Sized {
    fn put(&self, to: &mut Vec<u8>);
    /// None where the bytes are no such thing.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

pub fn write(to: &mut impl Write, message: &impl Wire) -> io::Result<()> {
    let mut bytes = vec![0; 8];
    message.put(&mut bytes);
    let length = (bytes.len() - 8) as u64;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    to.write_all(&bytes)
}

pub fn read<T: Wire>(from: &mut impl Read) -> io::Result<T> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "no message of this protocol");
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|n| *n <= LONGEST).ok_or_else(bad)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    let mut rest = bytes.as_slice();
    T::take(&mut rest).filter(|_| rest.is_empty()).ok_or_else(bad)
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(<$type>::from_le_bytes(*bytes))
            }
        }
    )*};
}
numbers!(u8, u32, i32, u64, i64, f64);

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u64).put(to);
        to.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::take(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(length)?;
        *from = rest;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u64).put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = u64::take(from)?;
        let mut all = Vec::new();
        for _ in 0..length {
            all.push(T::take(from)?);
        }
        Some(all)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(self.is_some()).put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(None),
            1 => T::take(from).map(Some),
            _ => None,
        }
    }
}

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

macro_rules! records {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)*
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                $(let $field = Wire::take(from)?;)*
                Some($name { $($field),* })
            }
        }
    )*};
}
records! {
    Region { file, offset, bytes }
    TensorSpec { region, start, bytes, dtype, shape, strides }
    CallSpec { kernel, op, threads, inputs, outputs, params, workspace, launch }
    Launch { grid, block, sizes }
    Batch { regions, calls }
    Containment { limits, system_calls, landlock }
    Rule { block, tile }
    Source { name, text, headers }
    Place { device, driver, software }
}

impl Wire for (u32, u64, u64) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
        self.2.put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((u32::take(from)?, u64::take(from)?, u64::take(from)?))
    }
}

impl Wire for [u32; 3] {
    fn put(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(to));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some([u32::take(from)?, u32::take(from)?, u32::take(from)?])
    }
}

impl Wire for File {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u8).put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(File::Inputs),
            1 => Some(File::Outputs),
            _ => None,
        }
    }
}

impl Wire for ParamValue {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            ParamValue::Integer(i) => {
                0u8.put(to);
                i.put(to);
            }
            ParamValue::Float(f) => {
                1u8.put(to);
                f.put(to);
            }
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => i64::take(from).map(ParamValue::Integer),
            1 => f64::take(from).map(ParamValue::Float),
            _ => None,
        }
    }
}

impl Wire for Target {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Target::Builtin(name) => {
                0u8.put(to);
                name.put(to);
            }
            Target::Library { path, symbol } => {
                1u8.put(to);
                path.put(to);
                symbol.put(to);
            }
            Target::Emulated { library, rule } => {
                2u8.put(to);
                library.put(to);
                rule.put(to);
            }
            Target::Cuda { code, entry, rule } => {
                3u8.put(to);
                code.put(to);
                entry.put(to);
                rule.put(to);
            }
            Target::Wgsl { source, entry, op, rule } => {
                4u8.put(to);
                source.put(to);
                entry.put(to);
                op.put(to);
                rule.put(to);
            }
            Target::Triton { source, entry, signature, .. } => {
                5u8.put(to);
                source.name.put(to);
                source.text.put(to);
                entry.put(to);
                signature.put(to);
                super::filter().put(to);
            }
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => String::take(from).map(Target::Builtin),
            1 => Some(Target::Library { path: String::take(from)?, symbol: String::take(from)? }),
            2 => Some(Target::Emulated { library: Wire::take(from)?, rule: Wire::take(from)? }),
            3 => Some(Target::Cuda { code: Wire::take(from)?, entry: Wire::take(from)?, rule: Wire::take(from)? }),
            4 => {
                let (source, entry) = (Wire::take(from)?, Wire::take(from)?);
                Some(Target::Wgsl { source, entry, op: Wire::take(from)?, rule: Wire::take(from)? })
            }
            _ => None,
        }
    }
}

impl Wire for Request {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Request::Load(target) => {
                0u8.put(to);
                target.put(to);
            }
            Request::Run(batch) => {
                1u8.put(to);
                batch.put(to);
            }
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Target::take(from).map(Request::Load),
            1 => Batch::take(from).map(Request::Run),
            _ => None,
        }
    }
}

impl Wire for Reply {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Reply::Loaded { kernel, held, place } => {
                0u8.put(to);
                kernel.put(to);
                held.put(to);
                place.put(to);
            }
            Reply::Ran(results) => {
                1u8.put(to);
                results.put(to);
            }
            Reply::Refused(why) => {
                2u8.put(to);
                why.put(to);
            }
            Reply::Faulted(what) => {
                3u8.put(to);
                what.put(to);
            }
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(Reply::Loaded { kernel: Wire::take(from)?, held: Wire::take(from)?, place: Wire::take(from)? }),
            1 => Vec::take(from).map(Reply::Ran),
            2 => String::take(from).map(Reply::Refused),
            3 => String::take(from).map(Reply::Faulted),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_and_cut_ones_are_refused() {
        let tensor = TensorSpec { region: 1, start: 4, bytes: 24, dtype: 0, shape: vec![2, 3], strides: vec![3, 1] };
        let call = CallSpec {
            kernel: 0,
            op: 3,
            threads: 2,
            inputs: vec![tensor.clone()],
            outputs: vec![tensor],
            params: vec![("eps".into(), ParamValue::Float(1e-5)), ("k".into(), ParamValue::Integer(-1))],
            workspace: Some((1, 0, 64)),
            launch: Some(Launch { grid: [1, 2, 3], block: 64, sizes: vec![7] }),
        };
        let region = Region { file: File::Outputs, offset: 4096, bytes: 8192 };
        let request = Request::Run(Batch { regions: vec![region], calls: vec![call] });
        let mut bytes = Vec::new();
        write(&mut bytes, &request).unwrap();
        assert_eq!(read::<Request>(&mut bytes.as_slice()).unwrap(), request);
        for cut in 0..bytes.len() {
            assert!(read::<Request>(&mut &bytes[..cut]).is_err());
        }
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read::<Request>(&mut bytes.as_slice()).is_err());
    }
}
