//! The Rust twin of `bizra_kernel.h`; `tests` hold the two against each other.

use std::ffi::{c_char, c_void};

pub const ABI: u32 = 1;
pub const MAX_RANK: usize = 8;

macro_rules! numbered {
    ($(#[doc = $about:literal])* $name:ident { $($variant:ident = $number:literal $word:literal),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(non_camel_case_types)]
        #[repr(u32)]
        pub enum $name { $($variant = $number),* }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),*];

            pub fn from_number(number: u32) -> Option<$name> {
                match number { $($number => Some($name::$variant),)* _ => None }
            }

            /// As manifests and cases write it.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            pub fn parse(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.word().eq_ignore_ascii_case(word))
            }
        }
    };
}

numbered! {
    /// Element types, with the numbers of GGUF's tensor types.
    DType {
        F32 = 0 "f32", F16 = 1 "f16", Q4_0 = 2 "q4_0", Q4_1 = 3 "q4_1", Q5_0 = 6 "q5_0", Q5_1 = 7 "q5_1",
        Q8_0 = 8 "q8_0", Q2_K = 10 "q2_K", Q3_K = 11 "q3_K", Q4_K = 12 "q4_K", Q5_K = 13 "q5_K", Q6_K = 14 "q6_K",
        I32 = 26 "i32", F64 = 28 "f64", BF16 = 30 "bf16",
    }
}

numbered! {
    /// What a kernel computes; the header says from what.
    OpCode {
        Matmul = 1 "matmul", Attention = 2 "attention", Softmax = 3 "softmax", RmsNorm = 4 "rmsnorm",
        LayerNorm = 5 "layernorm", Rope = 6 "rope", Gated = 7 "gated", Argmax = 8 "argmax", TopK = 9 "topk",
        Sample = 10 "sample",
    }
}

impl DType {
    /// The weight format of that number, where it is one.
    pub fn format(self) -> Option<crate::Format> {
        crate::Format::from_ggml_type(self as u32)
    }

    /// Values that are stored together, and the bytes they take.
    pub fn block(self) -> (usize, usize) {
        match self {
            DType::I32 => (1, 4),
            DType::F64 => (1, 8),
            other => other.format().map_or((1, 1), |f| (f.block_len(), f.block_bytes())),
        }
    }

    pub fn is_quantised(self) -> bool {
        self.block().0 > 1
    }
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Tensor {
    pub data: *mut c_void,
    pub bytes: u64,
    pub dtype: u32,
    pub rank: u32,
    pub shape: [i64; MAX_RANK],
    pub strides: [i64; MAX_RANK],
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Param {
    pub key: *const c_char,
    pub kind: u32,
    pub reserved: u32,
    pub i: i64,
    pub f: f64,
}

#[derive(Debug)]
#[repr(C)]
pub struct Call {
    pub abi: u32,
    pub op: u32,
    pub inputs_len: u32,
    pub outputs_len: u32,
    pub params_len: u32,
    pub threads: u32,
    pub inputs: *const Tensor,
    pub outputs: *const Tensor,
    pub params: *const Param,
    pub workspace: *mut c_void,
    pub workspace_bytes: u64,
}

/// A kernel's function. Whoever calls it sees to it that the call's pointers hold what the call says.
pub type Function = unsafe extern "C" fn(*const Call) -> i32;

/// What a kernel returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    /// This shape, type or parameter is not implemented.
    Unsupported,
    /// This processor lacks the instructions.
    NoHardware,
    Failed(i32),
}

impl Status {
    pub fn code(self) -> i32 {
        match self {
            Status::Ok => 0,
            Status::Unsupported => 1,
            Status::NoHardware => 2,
            Status::Failed(code) => code,
        }
    }

    pub fn from_code(code: i32) -> Status {
        match code {
            0 => Status::Ok,
            1 => Status::Unsupported,
            2 => Status::NoHardware,
            other => Status::Failed(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = include_str!("../bizra_kernel.h");

    #[test]
    fn the_header_has_the_same_numbers() {
        for dtype in DType::ALL {
            let line = format!("BIZRA_{} = {}", format!("{dtype:?}").to_uppercase(), *dtype as u32);
            assert!(HEADER.to_uppercase().contains(&line.to_uppercase()), "{line}");
        }
        for op in OpCode::ALL {
            let line = format!("BIZRA_{} = {}", op.word().to_uppercase(), *op as u32);
            assert!(HEADER.contains(&line), "{line}");
        }
        assert!(HEADER.contains(&format!("#define BIZRA_KERNEL_ABI {ABI}\n")));
        assert!(HEADER.contains(&format!("#define BIZRA_MAX_RANK {MAX_RANK}\n")));
    }

    #[test]
    fn structs_have_the_layout_that_the_header_gives_on_64_bits() {
        assert_eq!((size_of::<Tensor>(), size_of::<Param>(), size_of::<Call>()), (152, 32, 64));
        assert_eq!(std::mem::offset_of!(Call, workspace), 48);
        assert_eq!(std::mem::offset_of!(Tensor, strides), 88);
    }
}
