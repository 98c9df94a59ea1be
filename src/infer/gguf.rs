//! Reads GGUF, versions 2 and 3, from bytes that somebody else mapped: metadata, and where each tensor lies.
//! Nothing is copied and nothing is allocated before the file is seen to hold it. What the keys mean is for
//! [`super::config`] and [`super::tokenizer`]. The format is described by ggml's `gguf.md`.

mod fault;
mod value;
pub mod write;

use std::borrow::Cow;
use std::collections::HashMap;

pub use fault::{Fault, GgufError, Place};
pub use value::{Array, Value, ValueType};

use super::dtype::DType;
use super::weights::{Dims, Tensor};

pub const MAGIC: [u8; 4] = *b"GGUF";
pub const DEFAULT_ALIGNMENT: u32 = 32;

const MOST_KEYS: u64 = 1 << 16;
const MOST_TENSORS: u64 = 1 << 17;
const LONGEST_KEY: u64 = (1 << 16) - 1;
const LONGEST_TENSOR_NAME: u64 = 64;
/// Name length, name, type, and the smallest value.
const SMALLEST_KEY: u64 = 8 + 1 + 4 + 1;
/// Name length, name, rank, one dimension, type, offset.
const SMALLEST_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// An opened file.
#[derive(Clone, Debug)]
pub struct Gguf<'a> {
    version: u32,
    alignment: u32,
    data_start: u64,
    metadata: Vec<(&'a str, Value<'a>)>,
    keys: HashMap<&'a str, usize>,
    tensors: Vec<Tensor<'a>>,
    names: HashMap<&'a str, usize>,
}

impl<'a> Gguf<'a> {
    pub fn parse(file: &'a [u8]) -> Result<Self, GgufError> {
        let mut cursor = Cursor { file, at: 0 };
        let version = read_version(&mut cursor)?;
        let tensor_count = cursor.u64()?;
        let key_count = cursor.u64()?;
        cursor.plausible("keys", key_count, SMALLEST_KEY, MOST_KEYS, 16)?;
        cursor.plausible("tensors", tensor_count, SMALLEST_TENSOR, MOST_TENSORS, 8)?;

        let mut metadata = Vec::new();
        let mut keys = HashMap::new();
        let mut key_offsets = Vec::new();
        for number in 0..key_count {
            let offset = cursor.at;
            let key = cursor.string("key", LONGEST_KEY).map_err(|e| e.within(Place::KeyNumber(number)))?;
            let place = || Place::Key(key.to_owned());
            if let Some(&first) = keys.get(key) {
                let first: usize = first;
                return Err(refuse(offset, Fault::Duplicate { first: key_offsets[first] }).within(place()));
            }
            let value = cursor.value().map_err(|e| e.within(place()))?;
            keys.insert(key, metadata.len());
            key_offsets.push(offset);
            metadata.push((key, value));
        }
        let alignment = match keys.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(&index) => alignment(metadata[index].1).map_err(|fault| GgufError {
                offset: key_offsets[index],
                place: Place::Key("general.alignment".to_owned()),
                fault,
            })?,
        };

        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut names = HashMap::new();
        for number in 0..tensor_count {
            let offset = cursor.at;
            let name =
                cursor.string("tensor name", LONGEST_TENSOR_NAME).map_err(|e| e.within(Place::TensorNumber(number)))?;
            let place = || Place::Tensor(name.to_owned());
            if let Some(&first) = names.get(name) {
                let first: usize = first;
                return Err(refuse(offset, Fault::Duplicate { first: entries[first].entry_offset }).within(place()));
            }
            let entry = cursor.tensor(name, alignment).map_err(|e| e.within(place()))?;
            names.insert(name, entries.len());
            entries.push(entry);
        }

        let data_start = cursor.at.next_multiple_of(u64::from(alignment));
        let tensors = place_tensors(file, data_start, &entries)?;
        Ok(Self { version, alignment, data_start, metadata, keys, tensors, names })
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// Where the tensors' data begins; everything before it is header.
    pub fn data_start(&self) -> u64 {
        self.data_start
    }

    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.keys.get(key).map(|&index| self.metadata[index].1)
    }

    /// Keys and values in file order.
    pub fn metadata(&self) -> &[(&'a str, Value<'a>)] {
        &self.metadata
    }

    /// Tensors in file order.
    pub fn tensors(&self) -> &[Tensor<'a>] {
        &self.tensors
    }

    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.names.get(name).map(|&index| &self.tensors[index])
    }
}

/// A tensor as the header describes it, before its place in the file is checked.
struct Entry<'a> {
    entry_offset: u64,
    name: &'a str,
    dims: Dims,
    dtype: DType,
    relative: u64,
    bytes: u64,
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, GgufError> {
    let magic = cursor.array::<4>()?;
    if magic != MAGIC {
        return Err(refuse(0, Fault::Magic(magic)));
    }
    match cursor.u32()? {
        version @ (2 | 3) => Ok(version),
        version if matches!(version.swap_bytes(), 1..=3) => Err(refuse(4, Fault::BigEndian)),
        version => Err(refuse(4, Fault::Version(version))),
    }
}

fn alignment(value: Value<'_>) -> Result<u32, Fault> {
    match value {
        Value::U32(value) if value.is_power_of_two() => Ok(value),
        Value::U32(value) => Err(Fault::Alignment(value)),
        other => Err(Fault::AlignmentType(other.value_type().name())),
    }
}

fn place_tensors<'a>(file: &'a [u8], data_start: u64, entries: &[Entry<'a>]) -> Result<Vec<Tensor<'a>>, GgufError> {
    let mut by_offset: Vec<&Entry<'_>> = entries.iter().collect();
    by_offset.sort_by_key(|entry| entry.relative);
    for pair in by_offset.windows(2) {
        if pair[1].relative - pair[0].relative < pair[0].bytes {
            let fault = Fault::Overlap { other: pair[0].name.to_owned() };
            return Err(refuse(pair[1].entry_offset, fault).within(Place::Tensor(pair[1].name.to_owned())));
        }
    }
    entries
        .iter()
        .map(|entry| {
            let place = || Place::Tensor(entry.name.to_owned());
            let begin = data_start.checked_add(entry.relative);
            let end = begin.and_then(|begin| begin.checked_add(entry.bytes));
            let (Some(begin), Some(end)) = (begin, end) else {
                return Err(refuse(entry.entry_offset, Fault::TooLarge).within(place()));
            };
            let fault = Fault::Outside { end, file: file.len() as u64 };
            let data = usize::try_from(begin).ok().zip(usize::try_from(end).ok()).and_then(|(b, e)| file.get(b..e));
            let data = data.ok_or_else(|| refuse(entry.entry_offset, fault).within(place()))?;
            let name = Cow::Borrowed(entry.name);
            Ok(Tensor { name, dims: entry.dims, dtype: entry.dtype, offset: begin, data })
        })
        .collect()
}

fn refuse(offset: u64, fault: Fault) -> GgufError {
    GgufError { offset, place: Place::Header, fault }
}

impl GgufError {
    fn within(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

struct Cursor<'a> {
    file: &'a [u8],
    at: u64,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> u64 {
        self.file.len() as u64 - self.at
    }

    fn take(&mut self, need: u64) -> Result<&'a [u8], GgufError> {
        let have = self.left();
        if need > have {
            return Err(refuse(self.at, Fault::Truncated { need, have }));
        }
        let begin = self.at as usize;
        self.at += need;
        Ok(&self.file[begin..self.at as usize])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.take(N as u64).map(|bytes| bytes.try_into().expect("invariant: take gives what was asked"))
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Whether `count` items of at least `smallest` bytes can still follow.
    fn plausible(
        &self,
        what: &'static str,
        count: u64,
        smallest: u64,
        limit: u64,
        offset: u64,
    ) -> Result<(), GgufError> {
        let most = limit.min(self.left() / smallest);
        if count > most { Err(refuse(offset, Fault::Count { what, count, most })) } else { Ok(()) }
    }

    fn text(&mut self, what: &'static str, most: u64) -> Result<&'a str, GgufError> {
        let begin = self.at;
        let length = self.u64()?;
        if length > most {
            return Err(refuse(begin, Fault::Length { what, length, most }));
        }
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|e| refuse(begin + 8 + e.valid_up_to() as u64, Fault::NotUtf8(what)))
    }

    fn string(&mut self, what: &'static str, most: u64) -> Result<&'a str, GgufError> {
        let begin = self.at;
        let text = self.text(what, most)?;
        if text.is_empty() { Err(refuse(begin, Fault::Empty(what))) } else { Ok(text) }
    }

    fn value(&mut self) -> Result<Value<'a>, GgufError> {
        Ok(match self.value_type()? {
            ValueType::U8 => Value::U8(self.array::<1>()?[0]),
            ValueType::I8 => Value::I8(i8::from_le_bytes(self.array()?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(self.array()?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(self.array()?)),
            ValueType::U32 => Value::U32(self.u32()?),
            ValueType::I32 => Value::I32(i32::from_le_bytes(self.array()?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(self.array()?)),
            ValueType::U64 => Value::U64(self.u64()?),
            ValueType::I64 => Value::I64(i64::from_le_bytes(self.array()?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(self.array()?)),
            ValueType::Str => Value::Str(self.text("string", u64::MAX)?),
            ValueType::Bool => {
                let at = self.at;
                match self.array::<1>()?[0] {
                    byte @ (0 | 1) => Value::Bool(byte == 1),
                    byte => return Err(refuse(at, Fault::NotBool(byte))),
                }
            }
            ValueType::Array => Value::Array(self.items()?),
        })
    }

    fn value_type(&mut self) -> Result<ValueType, GgufError> {
        let at = self.at;
        let id = self.u32()?;
        ValueType::from_id(id).ok_or_else(|| refuse(at, Fault::ValueType(id)))
    }

    fn items(&mut self) -> Result<Array<'a>, GgufError> {
        let at = self.at;
        let item = self.value_type()?;
        if item == ValueType::Array {
            return Err(refuse(at, Fault::NestedArray));
        }
        let count_at = self.at;
        let count = self.u64()?;
        self.plausible("array items", count, item.size().unwrap_or(8), u64::MAX, count_at)?;
        let begin = self.at;
        match item.size() {
            Some(size) => {
                let bytes = self.take(count * size)?;
                if let (ValueType::Bool, Some(bad)) = (item, bytes.iter().position(|&byte| byte > 1)) {
                    return Err(refuse(begin + bad as u64, Fault::NotBool(bytes[bad])));
                }
            }
            None => {
                for _ in 0..count {
                    self.text("string", u64::MAX)?;
                }
            }
        }
        Ok(Array { item, len: count as usize, bytes: &self.file[begin as usize..self.at as usize] })
    }

    fn tensor(&mut self, name: &'a str, alignment: u32) -> Result<Entry<'a>, GgufError> {
        let entry_offset = self.at - 8 - name.len() as u64;
        let at = self.at;
        let rank = self.u32()?;
        if rank == 0 || rank as usize > Dims::MAX {
            return Err(refuse(at, Fault::Rank(rank)));
        }
        let mut sizes = [1; Dims::MAX];
        for (index, size) in sizes.iter_mut().enumerate().take(rank as usize) {
            let at = self.at;
            *size = self.u64()?;
            if *size == 0 {
                return Err(refuse(at, Fault::ZeroDimension(index)));
            }
        }
        let dims = Dims::new(&sizes[..rank as usize]).expect("invariant: the rank was checked");
        let at = self.at;
        let dtype = DType::from_ggml(self.u32()?).map_err(|e| refuse(at, Fault::Unsupported(e)))?;
        let width = dims.width();
        if !width.is_multiple_of(dtype.block()) {
            return Err(refuse(at, Fault::Blocks { width, block: dtype.block(), dtype: dtype.name() }));
        }
        let bytes = dims.rows().and_then(|rows| dtype.bytes(width, rows));
        let bytes = bytes.ok_or_else(|| refuse(at, Fault::TooLarge))?;
        let at = self.at;
        let relative = self.u64()?;
        if !relative.is_multiple_of(u64::from(alignment)) {
            return Err(refuse(at, Fault::Misaligned { relative, alignment }));
        }
        Ok(Entry { entry_offset, name, dims, dtype, relative, bytes })
    }
}

#[cfg(test)]
mod tests;
