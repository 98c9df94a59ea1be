//! A call, seen safely: what kernels written in Rust read from and write to.

use super::abi::{Call, DType, OpCode, Status, Tensor};
use std::ffi::CStr;
use std::marker::PhantomData;

/// The call in progress. Inputs are shared, outputs exclusive, as the caller of the C function promised.
pub struct Invocation<'c> {
    call: &'c Call,
}

/// One tensor of a call.
#[derive(Clone, Copy)]
pub struct View<'c> {
    tensor: &'c Tensor,
    life: PhantomData<&'c [u8]>,
}

impl<'c> Invocation<'c> {
    /// # Safety
    /// The call's pointers are valid for what the call says, and outputs overlap nothing else.
    pub(crate) unsafe fn new(call: &'c Call) -> Self {
        Invocation { call }
    }

    pub fn op(&self) -> Option<OpCode> {
        OpCode::from_number(self.call.op)
    }

    pub fn threads(&self) -> usize {
        self.call.threads.max(1) as usize
    }

    fn all(pointer: *const Tensor, len: u32) -> &'c [Tensor] {
        match len {
            0 => &[],
            // SAFETY: the caller of the C function vouches for as many tensors.
            n => unsafe { std::slice::from_raw_parts(pointer, n as usize) },
        }
    }

    pub fn input(&self, index: usize) -> Result<View<'c>, Status> {
        let tensor = Self::all(self.call.inputs, self.call.inputs_len).get(index).ok_or(Status::Unsupported)?;
        Ok(View { tensor, life: PhantomData })
    }

    pub fn output(&self, index: usize) -> Result<View<'c>, Status> {
        let tensor = Self::all(self.call.outputs, self.call.outputs_len).get(index).ok_or(Status::Unsupported)?;
        Ok(View { tensor, life: PhantomData })
    }

    /// An output in f32 without gaps, to be written.
    pub fn output_f32(&mut self, index: usize) -> Result<&mut [f32], Status> {
        let view = self.output(index)?;
        view.plain(DType::F32)?;
        // SAFETY: an output's memory belongs to the kernel alone, and `&mut self` lends one output at a time.
        Ok(unsafe { slice_mut(view.tensor) })
    }

    /// An output in i32 without gaps, to be written.
    pub fn output_i32(&mut self, index: usize) -> Result<&mut [i32], Status> {
        let view = self.output(index)?;
        view.plain(DType::I32)?;
        // SAFETY: as above.
        Ok(unsafe { slice_mut(view.tensor) })
    }

    /// The bytes of an output, whatever its type.
    pub fn output_bytes(&mut self, index: usize) -> Result<&mut [u8], Status> {
        let view = self.output(index)?;
        // SAFETY: as above; every pattern of bytes is one of u8.
        Ok(unsafe { slice_mut(view.tensor) })
    }

    pub fn workspace(&mut self) -> &mut [u8] {
        match self.call.workspace_bytes {
            0 => &mut [],
            // SAFETY: the workspace belongs to the kernel alone for the time of the call.
            n => unsafe { std::slice::from_raw_parts_mut(self.call.workspace.cast(), n as usize) },
        }
    }

    fn param(&self, key: &str) -> Result<&'c super::abi::Param, Status> {
        let all = match self.call.params_len {
            0 => &[],
            // SAFETY: the caller vouches for as many parameters.
            n => unsafe { std::slice::from_raw_parts(self.call.params, n as usize) },
        };
        // SAFETY: keys are strings that end with a zero.
        let named = |p: &&super::abi::Param| unsafe { CStr::from_ptr(p.key) }.to_bytes() == key.as_bytes();
        all.iter().find(named).ok_or(Status::Unsupported)
    }

    pub fn integer(&self, key: &str) -> Result<i64, Status> {
        self.param(key).and_then(|p| if p.kind == 0 { Ok(p.i) } else { Err(Status::Unsupported) })
    }

    pub fn float(&self, key: &str) -> Result<f64, Status> {
        self.param(key).and_then(|p| if p.kind == 1 { Ok(p.f) } else { Err(Status::Unsupported) })
    }
}

/// # Safety
/// The tensor's memory belongs to the kernel alone and holds valid values of `T`, for which any bytes do.
unsafe fn slice_mut<'c, T>(tensor: &Tensor) -> &'c mut [T] {
    match tensor.bytes as usize / size_of::<T>() {
        0 => &mut [],
        // SAFETY: as above, and the alignment is that of an element, which the call promises.
        n => unsafe { std::slice::from_raw_parts_mut(tensor.data.cast(), n) },
    }
}

impl<'c> View<'c> {
    pub fn dtype(&self) -> Option<DType> {
        DType::from_number(self.tensor.dtype)
    }

    pub fn shape<const R: usize>(&self) -> Result<[usize; R], Status> {
        if self.tensor.rank as usize != R {
            return Err(Status::Unsupported);
        }
        Ok(std::array::from_fn(|i| self.tensor.shape[i] as usize))
    }

    pub fn strides<const R: usize>(&self) -> Result<[i64; R], Status> {
        if self.tensor.rank as usize != R {
            return Err(Status::Unsupported);
        }
        Ok(std::array::from_fn(|i| self.tensor.strides[i]))
    }

    /// All sizes.
    pub fn dims(&self) -> &'c [i64] {
        self.tensor.shape.get(..self.tensor.rank as usize).unwrap_or_default()
    }

    /// All strides, in elements.
    pub fn steps(&self) -> &'c [i64] {
        self.tensor.strides.get(..self.tensor.rank as usize).unwrap_or_default()
    }

    pub fn address(&self) -> usize {
        self.tensor.data.addr()
    }

    /// Whether elements follow each other without gaps.
    pub fn is_contiguous(&self) -> bool {
        let rank = self.tensor.rank as usize;
        let mut expected = 1;
        (0..rank).rev().all(|i| {
            let fits = self.tensor.strides[i] == expected || self.tensor.shape[i] <= 1;
            expected *= self.tensor.shape[i].max(1);
            fits
        })
    }

    fn plain(&self, dtype: DType) -> Result<(), Status> {
        let fits = self.dtype() == Some(dtype) && self.is_contiguous();
        if fits { Ok(()) } else { Err(Status::Unsupported) }
    }

    /// All bytes of the tensor, gaps included.
    pub fn bytes(&self) -> &'c [u8] {
        match self.tensor.bytes {
            0 => &[],
            // SAFETY: inputs are valid for their bytes, which nobody writes during the call.
            n => unsafe { std::slice::from_raw_parts(self.tensor.data.cast_const().cast(), n as usize) },
        }
    }

    /// The values of an f32 tensor without gaps.
    pub fn f32(&self) -> Result<&'c [f32], Status> {
        self.plain(DType::F32)?;
        Ok(self.values())
    }

    /// The values of an f32 tensor as they lie, gaps included.
    pub fn f32_with_gaps(&self) -> Result<&'c [f32], Status> {
        if self.dtype() == Some(DType::F32) { Ok(self.values()) } else { Err(Status::Unsupported) }
    }

    pub fn i32(&self) -> Result<&'c [i32], Status> {
        self.plain(DType::I32)?;
        Ok(self.values())
    }

    pub fn f64(&self) -> Result<&'c [f64], Status> {
        self.plain(DType::F64)?;
        Ok(self.values())
    }

    fn values<T>(&self) -> &'c [T] {
        match self.tensor.bytes as usize / size_of::<T>() {
            0 => &[],
            // SAFETY: the element type was compared, pointers are aligned to an element, and any bytes are a number.
            n => unsafe { std::slice::from_raw_parts(self.tensor.data.cast_const().cast(), n) },
        }
    }
}
