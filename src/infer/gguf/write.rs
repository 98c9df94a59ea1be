//! Writes GGUF version 3: the header first, then each tensor's data as the caller produces it.
//! Leaves out any opinion on keys; [`super::Gguf`] reads back what is written here.

use std::io::{self, Write};

use super::{DEFAULT_ALIGNMENT, MAGIC, Value, ValueType};
use crate::infer::dtype::DType;

/// A file in the making. Keys and tensors stand in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Writer {
    alignment: u32,
    keys: Vec<u8>,
    key_count: u64,
    tensors: Vec<Planned>,
}

#[derive(Clone, Debug)]
struct Planned {
    name: String,
    dims: Vec<u64>,
    dtype: DType,
    bytes: u64,
}

/// A value to write. Arrays hold items of one type.
#[derive(Clone, Copy, Debug)]
pub enum Put<'a> {
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Bool(bool),
    Str(&'a str),
    Strings(&'a [&'a str]),
    Floats(&'a [f32]),
    Integers(&'a [i32]),
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    pub fn new() -> Self {
        Self { alignment: DEFAULT_ALIGNMENT, keys: Vec::new(), key_count: 0, tensors: Vec::new() }
    }

    /// Writes `general.alignment` too. Call it at most once, before anything is written out.
    pub fn aligned(mut self, alignment: u32) -> Self {
        assert!(alignment.is_power_of_two(), "alignment {alignment} is not a power of two");
        self.alignment = alignment;
        self.key("general.alignment", Put::U32(alignment))
    }

    pub fn key(mut self, key: &str, value: Put<'_>) -> Self {
        put_text(&mut self.keys, key);
        put_value(&mut self.keys, value);
        self.key_count += 1;
        self
    }

    /// A value's bytes as another file holds them, its type in front.
    pub fn raw_key(mut self, key: &str, typed_value: &[u8]) -> Self {
        put_text(&mut self.keys, key);
        self.keys.extend_from_slice(typed_value);
        self.key_count += 1;
        self
    }

    /// A key as another file holds it.
    pub fn copied(self, key: &str, value: &Value<'_>) -> Self {
        let mut typed = Vec::new();
        let kind = value.value_type();
        match value {
            Value::U8(n) => put_scalar(&mut typed, kind, [*n]),
            Value::I8(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::U16(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::I16(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::U32(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::I32(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::U64(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::I64(n) => put_scalar(&mut typed, kind, n.to_le_bytes()),
            Value::F32(x) => put_scalar(&mut typed, kind, x.to_le_bytes()),
            Value::F64(x) => put_scalar(&mut typed, kind, x.to_le_bytes()),
            Value::Bool(b) => put_scalar(&mut typed, kind, [u8::from(*b)]),
            Value::Str(text) => put_value(&mut typed, Put::Str(text)),
            Value::Array(array) => {
                put_array(&mut typed, array.item, array.len);
                typed.extend_from_slice(array.bytes);
            }
        }
        self.raw_key(key, &typed)
    }

    /// Announces a tensor; its size follows from `dims` (innermost first) and `dtype`.
    pub fn tensor(mut self, name: &str, dims: &[u64], dtype: DType) -> Self {
        let rows = dims[1..].iter().product();
        let bytes = dtype.bytes(dims[0], rows).expect("invariant: whole blocks are announced");
        self.tensors.push(Planned { name: name.to_owned(), dims: dims.to_vec(), dtype, bytes });
        self
    }

    /// Everything before the first tensor's data, padding included.
    pub fn header(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&3u32.to_le_bytes());
        out.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.key_count.to_le_bytes());
        out.extend_from_slice(&self.keys);
        let mut relative = 0u64;
        for tensor in &self.tensors {
            put_text(&mut out, &tensor.name);
            out.extend_from_slice(&(tensor.dims.len() as u32).to_le_bytes());
            for size in &tensor.dims {
                out.extend_from_slice(&size.to_le_bytes());
            }
            out.extend_from_slice(&tensor.dtype.ggml_id().to_le_bytes());
            out.extend_from_slice(&relative.to_le_bytes());
            relative += self.padded(tensor.bytes);
        }
        out.resize(self.padded(out.len() as u64) as usize, 0);
        out
    }

    /// Header and data; `data` is asked for each tensor by number and must give as many bytes as were announced.
    pub fn write(&self, out: &mut impl Write, mut data: impl FnMut(usize) -> io::Result<Vec<u8>>) -> io::Result<()> {
        out.write_all(&self.header())?;
        for (number, tensor) in self.tensors.iter().enumerate() {
            let bytes = data(number)?;
            if bytes.len() as u64 != tensor.bytes {
                let text = format!("tensor {}: {} bytes announced, {} given", tensor.name, tensor.bytes, bytes.len());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            out.write_all(&bytes)?;
            let padding = self.padded(tensor.bytes) - tensor.bytes;
            io::copy(&mut io::Read::take(io::repeat(0), padding), out)?;
        }
        Ok(())
    }

    fn padded(&self, bytes: u64) -> u64 {
        bytes.next_multiple_of(u64::from(self.alignment))
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_array(out: &mut Vec<u8>, item: ValueType, len: usize) {
    out.extend_from_slice(&(ValueType::Array as u32).to_le_bytes());
    out.extend_from_slice(&(item as u32).to_le_bytes());
    out.extend_from_slice(&(len as u64).to_le_bytes());
}

fn put_scalar<const N: usize>(out: &mut Vec<u8>, kind: ValueType, bytes: [u8; N]) {
    out.extend_from_slice(&(kind as u32).to_le_bytes());
    out.extend_from_slice(&bytes);
}

fn put_value(out: &mut Vec<u8>, value: Put<'_>) {
    match value {
        Put::U32(n) => put_scalar(out, ValueType::U32, n.to_le_bytes()),
        Put::I32(n) => put_scalar(out, ValueType::I32, n.to_le_bytes()),
        Put::U64(n) => put_scalar(out, ValueType::U64, n.to_le_bytes()),
        Put::F32(x) => put_scalar(out, ValueType::F32, x.to_le_bytes()),
        Put::Bool(b) => put_scalar(out, ValueType::Bool, [u8::from(b)]),
        Put::Str(text) => {
            out.extend_from_slice(&(ValueType::Str as u32).to_le_bytes());
            put_text(out, text);
        }
        Put::Strings(items) => {
            put_array(out, ValueType::Str, items.len());
            items.iter().for_each(|item| put_text(out, item));
        }
        Put::Floats(items) => {
            put_array(out, ValueType::F32, items.len());
            items.iter().for_each(|item| out.extend_from_slice(&item.to_le_bytes()));
        }
        Put::Integers(items) => {
            put_array(out, ValueType::I32, items.len());
            items.iter().for_each(|item| out.extend_from_slice(&item.to_le_bytes()));
        }
    }
}
