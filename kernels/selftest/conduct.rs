//! Kernels that misbehave: their answers are right or never come.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::product::product;
use super::{Specimen, declare, dot};
use crate::call::abi::Status;
use crate::child::rounding::Rounding;

/// Far more than a kernel is given.
const STEP: usize = 64 << 20;

static BURNS: AtomicBool = AtomicBool::new(false);
static AWHILE: AtomicBool = AtomicBool::new(false);
/// Until when threads burn, by the clock of [`crate::child`].
static UNTIL: AtomicU64 = AtomicU64::new(0);
/// Longer than whoever is timed next takes, and shorter than anybody waits for a kernel to come to rest.
const WHILE: u64 = 60_000_000;

pub(super) const SPECIMENS: &[Specimen] = declare! {
    wrong Matmul "conduct-crash" "writes through a null pointer" => |_| {
        // SAFETY: none; that it ends the process is what the verifier has to bear.
        unsafe { std::hint::black_box(std::ptr::null_mut::<u32>()).write_volatile(1) };
        Ok(())
    };
    wrong Matmul "conduct-panic" "panics" => |call| {
        let none: Option<u32> = std::hint::black_box(None);
        product(call, |_, _| none.expect("a kernel that panics") as f32)
    };
    wrong Matmul "conduct-hang" "never comes back" => |_| loop {
        std::hint::spin_loop();
    };
    wrong Matmul "conduct-sleep" "sleeps for an hour" => |call| {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        product(call, dot)
    };
    wrong Matmul "conduct-overflow" "runs out of stack" => |call| {
        fn deep(n: u64) -> u64 {
            let room = std::hint::black_box([n; 512]);
            if n == u64::MAX { 0 } else { deep(n + 1) + room[n as usize % 512] }
        }
        let depth = deep(0) as f32;
        product(call, |a, b| dot(a, b) + depth)
    };
    wrong Matmul "conduct-memory" "takes memory without end" => |_| {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        loop {
            taken.push(std::hint::black_box(vec![0; STEP]));
        }
    };
    wrong Matmul "conduct-prints" "prints megabytes" => |call| {
        let mut out = std::io::stdout().lock();
        for _ in 0..4096 {
            let _ = out.write_all(&[b'x'; 4096]);
        }
        product(call, dot)
    };
    wrong Matmul "conduct-fails" "says that it failed" => |_| Err(Status::Failed(3));
    wrong Matmul "conduct-unsupported" "supports no shape of its own domain" => |_| Err(Status::Unsupported);
    wrong Matmul "conduct-nothing" "says that all is well and writes nothing" => |_| Ok(());
    wrong Matmul "conduct-file" "writes a file" => |call| {
        let _ = std::fs::write("/tmp/bizra-selftest-conduct-file", b"written by a kernel");
        product(call, dot)
    };
    wrong Matmul "conduct-program" "starts a program" => |call| {
        let _ = std::process::Command::new("/bin/true").status();
        product(call, dot)
    };
    wrong Matmul "conduct-network" "reaches for the network" => |call| {
        let _ = std::net::UdpSocket::bind("127.0.0.1:0");
        product(call, dot)
    };
    wrong Matmul "conduct-exit" "ends its process as if all were done" => |_| leave();
    wrong Matmul "conduct-fork" "splits its process in two" => |call| {
        fork();
        product(call, dot)
    };
    wrong Matmul "conduct-parent" "looks for its parent to send a signal" => |call| {
        signal_parent();
        product(call, dot)
    };
    wrong Matmul "conduct-leaves-flushing" "leaves the processor flushing denormals to zero" => |call| {
        let answer = product(call, dot);
        Rounding::flush();
        answer
    };
    wrong Matmul "conduct-burns" "leaves threads behind that never come to rest" => |call| {
        if !BURNS.swap(true, Relaxed) {
            for _ in 0..8 {
                std::thread::spawn(|| {
                    while std::hint::black_box(true) {
                        std::hint::spin_loop();
                    }
                });
            }
        }
        product(call, dot)
    };
    wrong Matmul "conduct-burns-awhile" "slows down whoever comes next for a moment, and claims twice the baseline's speed"
        [claim "ratio >= 2 over product-plain"] => |call| {
        if !AWHILE.swap(true, Relaxed) {
            for _ in 0..8 {
                std::thread::spawn(|| loop {
                    if crate::child::now() >= UNTIL.load(Relaxed) {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
            }
        }
        let answer = product(call, dot);
        UNTIL.store(crate::child::now() + WHILE, Relaxed);
        answer
    };
};

#[cfg(unix)]
fn leave() -> Result<(), Status> {
    // SAFETY: ends this process, without any of its parts being told.
    unsafe { libc::_exit(0) }
}

#[cfg(unix)]
fn fork() {
    // SAFETY: the new process, where there is one, ends at once.
    unsafe {
        if libc::fork() == 0 {
            libc::_exit(0);
        }
    }
}

/// Nothing is sent: that a kernel asks is enough.
#[cfg(unix)]
fn signal_parent() {
    // SAFETY: signal 0 only asks whether the process is there.
    unsafe { libc::kill(libc::getppid(), 0) };
}

#[cfg(not(unix))]
fn leave() -> Result<(), Status> {
    Err(Status::Unsupported)
}

#[cfg(not(unix))]
fn fork() {}

#[cfg(not(unix))]
fn signal_parent() {}
