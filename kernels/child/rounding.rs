//! How the processor computes with floating-point numbers: the direction of rounding, what happens to denormals, which
//! exceptions trap. A call has to leave it as it found it, since everything after it would compute otherwise.

/// Flags that only say what has happened are no part of it. Zero where this is not known how to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounding {
    vectors: u64,
    x87: u16,
}

impl Rounding {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn now() -> Self {
        const HAPPENED: u32 = 0x3f;
        let (mut vectors, mut x87) = (0u32, 0u16);
        // SAFETY: each instruction stores a control register in a variable of its size.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut vectors, options(nostack, preserves_flags));
            std::arch::asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack, preserves_flags));
        }
        Self { vectors: u64::from(vectors & !HAPPENED), x87 }
    }

    /// Makes it as it was.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn restore(self) {
        let (vectors, x87) = (self.vectors as u32, self.x87);
        // SAFETY: both values were read from the same registers.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const vectors, options(nostack, preserves_flags));
            std::arch::asm!("fldcw [{}]", in(reg) &raw const x87, options(nostack, preserves_flags));
        }
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn now() -> Self {
        let vectors: u64;
        // SAFETY: reads a control register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) vectors, options(nomem, nostack, preserves_flags)) };
        Self { vectors, x87: 0 }
    }

    /// Makes it as it was.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn restore(self) {
        // SAFETY: the value was read from the same register.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) self.vectors, options(nomem, nostack, preserves_flags)) };
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn now() -> Self {
        Self { vectors: 0, x87: 0 }
    }

    /// Nothing was read.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn restore(self) {}

    /// Denormals flushed to zero, as code for speed often has it.
    pub(crate) fn flush() {
        let mut now = Self::now();
        now.vectors |= if cfg!(target_arch = "x86_64") { 0x8040 } else { 1 << 24 };
        now.restore();
    }
}
