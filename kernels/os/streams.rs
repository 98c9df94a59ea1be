//! Whether stdout was closed when the process started.
//!
//! The standard library opens `/dev/null` in the place of a closed stream before `main`, and from then on an answer
//! that nobody can read looks delivered. So it is asked before that, by a constructor of the binary.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod before_main {
    use std::sync::atomic::{AtomicBool, Ordering};

    static CLOSED: AtomicBool = AtomicBool::new(false);

    extern "C" fn look() {
        // SAFETY: descriptor 1 is only asked for its flags, which fails cleanly when it is closed; nothing else of the
        // process runs yet that could close or reuse it.
        let stdout = unsafe { std::os::fd::BorrowedFd::borrow_raw(1) };
        if rustix::io::fcntl_getfd(stdout) == Err(rustix::io::Errno::BADF) {
            CLOSED.store(true, Ordering::Relaxed);
        }
    }

    // SAFETY: the section holds pointers to functions without required arguments, called once before `main`; `look`
    // uses neither the runtime nor the allocator.
    #[unsafe(link_section = ".init_array")]
    #[used]
    static LOOK: extern "C" fn() = look;

    pub(super) fn stdout_was_closed() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod before_main {
    pub(super) fn stdout_was_closed() -> bool {
        false
    }
}

/// True where the process was started without a stdout; always false on platforms where that can't be told.
pub fn stdout_was_closed() -> bool {
    before_main::stdout_was_closed()
}
