//! Metadata values: scalars by value, strings borrowed, arrays left in the file and read when asked for.

/// A value of the metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(&'a str),
    Array(Array<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// The type of a value, or of an array's items, by its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    Str = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    const ALL: [ValueType; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::Str,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub(super) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(id as usize).copied()
    }

    /// Bytes of a value of fixed size.
    pub(super) fn size(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Str | Self::Array => None,
        }
    }

    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64 | Self::Bool | Self::Str | Self::Array)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "an 8-bit unsigned number",
            Self::I8 => "an 8-bit signed number",
            Self::U16 => "a 16-bit unsigned number",
            Self::I16 => "a 16-bit signed number",
            Self::U32 => "a 32-bit unsigned number",
            Self::I32 => "a 32-bit signed number",
            Self::F32 => "a 32-bit float",
            Self::Bool => "a boolean",
            Self::Str => "a string",
            Self::Array => "an array",
            Self::U64 => "a 64-bit unsigned number",
            Self::I64 => "a 64-bit signed number",
            Self::F64 => "a 64-bit float",
        }
    }
}

impl<'a> Value<'a> {
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::Str(_) => ValueType::Str,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// Any integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::U64(n) => Some(n),
            Self::I8(n) => n.try_into().ok(),
            Self::I16(n) => n.try_into().ok(),
            Self::I32(n) => n.try_into().ok(),
            Self::I64(n) => n.try_into().ok(),
            _ => None,
        }
    }

    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(x) => Some(x),
            Self::F64(x) => Some(x as f32),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = *self { Some(b) } else { None }
    }

    pub fn as_str(&self) -> Option<&'a str> {
        if let Self::Str(s) = *self { Some(s) } else { None }
    }

    pub fn as_array(&self) -> Option<Array<'a>> {
        if let Self::Array(array) = *self { Some(array) } else { None }
    }
}

/// An array whose items were checked when the file was opened and are decoded as they are visited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    pub(super) item: ValueType,
    pub(super) len: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Array<'a> {
    pub fn item_type(&self) -> ValueType {
        self.item
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items of an array of strings.
    pub fn strings(&self) -> Option<impl ExactSizeIterator<Item = &'a str> + use<'a>> {
        (self.item == ValueType::Str).then_some(Strings { left: self.len, bytes: self.bytes })
    }

    /// The items of an array of 32-bit floats (or of integers that stand for them).
    pub fn floats(&self) -> Option<impl ExactSizeIterator<Item = f32> + use<'a>> {
        let (bytes, item) = (self.bytes, self.item);
        matches!(item, ValueType::F32 | ValueType::I32).then(|| {
            bytes.as_chunks::<4>().0.iter().map(move |four| match item {
                ValueType::F32 => f32::from_le_bytes(*four),
                _ => i32::from_le_bytes(*four) as f32,
            })
        })
    }

    /// The items of an array of booleans.
    pub fn flags(&self) -> Option<impl ExactSizeIterator<Item = bool> + use<'a>> {
        (self.item == ValueType::Bool).then(|| self.bytes.iter().map(|&byte| byte == 1))
    }

    /// The items of an array of integers.
    pub fn integers(&self) -> Option<impl ExactSizeIterator<Item = i128> + use<'a>> {
        let item = self.item;
        let size = item.size().filter(|_| item.is_integer())? as usize;
        Some(self.bytes.chunks_exact(size).map(move |bytes| {
            let mut eight = [0; 8];
            eight[..size].copy_from_slice(bytes);
            let raw = u64::from_le_bytes(eight);
            match item {
                ValueType::I8 => i128::from(raw as i8),
                ValueType::I16 => i128::from(raw as i16),
                ValueType::I32 => i128::from(raw as i32),
                ValueType::I64 => i128::from(raw as i64),
                _ => i128::from(raw),
            }
        }))
    }
}

struct Strings<'a> {
    left: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        let (length, rest) = self.bytes.split_first_chunk::<8>().expect("invariant: measured when the file was opened");
        let (text, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
        self.bytes = rest;
        Some(std::str::from_utf8(text).expect("invariant: checked when the file was opened"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}
