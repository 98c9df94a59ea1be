//! The end of a process whose mapped file was cut short.
//!
//! Touching a page that the file no longer has raises SIGBUS, and no code can go on from there. What can be done is to end
//! with a sentence and a code instead of a signal.

/// Says once per process what happens then. Safe to call often.
#[cfg(unix)]
pub(super) fn expect() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: an all-zero `sigaction` is a valid one: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = end as *const () as usize;
        // SAFETY: `action` is a whole structure and outlives the call; the handler calls nothing but what a signal
        // handler may.
        unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
    });
}

#[cfg(not(unix))]
pub(super) fn expect() {}

/// The exit code of an input that is not what it claims to be.
#[cfg(unix)]
const INVALID: libc::c_int = 3;

#[cfg(unix)]
extern "C" fn end(_: libc::c_int) {
    let words = b"error: a file was cut short while it was in use, so the answer is void\n  hint: put the model's file back and run the command again\n";
    // SAFETY: both are async-signal-safe, and `words` has the length that is told.
    unsafe {
        libc::write(2, words.as_ptr().cast(), words.len());
        libc::_exit(INVALID);
    }
}
