//! How a child gives up what a kernel has no use for.

use super::{Containment, FORBIDDEN};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Private memory that a kernel may take.
const MOST_MEMORY: u64 = 3 << 30;
/// Seconds of processor time, in case nobody watches any more.
const MOST_SECONDS: u64 = 1200;

/// `last_word` is where the number of a forbidden system call is left, plus one.
pub(super) fn confine(last_word: *mut u32) -> Containment {
    LAST_WORD.store(last_word, Ordering::SeqCst);
    // SAFETY: plain numbers in and out. Both filters below ask for it.
    let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
    Containment { limits: limit(), landlock: privileges && landlock(), system_calls: privileges && filter() }
}

fn limit() -> bool {
    let limits = [
        (libc::RLIMIT_DATA, MOST_MEMORY),
        (libc::RLIMIT_FSIZE, 0),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 64),
        (libc::RLIMIT_CPU, MOST_SECONDS),
    ];
    limits.iter().all(|(which, most)| {
        let limit = libc::rlimit { rlim_cur: *most as libc::rlim_t, rlim_max: *most as libc::rlim_t };
        // SAFETY: reads one valid struct.
        unsafe { libc::setrlimit(*which, &raw const limit) == 0 }
    })
}

/// Forbids every kind of writing below any folder: a ruleset that handles them and allows none.
fn landlock() -> bool {
    const WRITE_FILE: u64 = 1 << 1;
    const REMOVE_AND_MAKE: u64 = 0x1ff0;
    let handled: u64 = WRITE_FILE | REMOVE_AND_MAKE;
    // SAFETY: the first version of the attributes is one word of 64 bits; the rest are numbers.
    unsafe {
        let fd = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, 8usize, 0u32);
        if fd < 0 {
            return false;
        }
        let held = libc::syscall(libc::SYS_landlock_restrict_self, fd, 0u32) == 0;
        libc::close(fd as i32);
        held
    }
}

static LAST_WORD: AtomicPtr<u32> = AtomicPtr::new(std::ptr::null_mut());

/// Leaves the number of the system call and ends the process.
extern "C" fn on_forbidden(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: for SIGSYS the system puts the call's number behind the address of the instruction, 24 bytes in; the last
    // word is a page that stays mapped; `_exit` may be called from handlers.
    unsafe {
        let number = info.cast::<u8>().add(24).cast::<i32>().read_unaligned();
        let word = LAST_WORD.load(Ordering::SeqCst);
        if !word.is_null() {
            word.write_volatile((number as u32).wrapping_add(1));
        }
        libc::_exit(FORBIDDEN);
    }
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const TRAP: u32 = libc::SECCOMP_RET_TRAP;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const NOT_THERE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: u32 = 0;

/// Calls that no kernel needs: programs, the network, files, other processes.
const FORBIDDEN_CALLS: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_mount,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_open_tree,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

/// Calls that may be meant for other processes, and that libraries try for themselves: they are told no.
const REFUSED_CALLS: &[libc::c_long] = &[
    libc::SYS_setrlimit,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_tkill,
    libc::SYS_process_madvise,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_perf_event_open,
];
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[libc::c_long] = &[];

/// Whether a stream is a terminal and how wide, what can be read from it, and whether programs inherit it.
const ASKED: &[u32] = &[
    libc::TCGETS as u32,
    0x802c_542a, // the same, as newer C libraries ask it
    libc::TIOCGWINSZ as u32,
    libc::FIONREAD as u32,
    libc::FIONBIO as u32,
    libc::FIOCLEX as u32,
    libc::FIONCLEX as u32,
];

const WRITING: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u32;
const THREAD: u32 = libc::CLONE_THREAD as u32;

/// A filter in the kernel's own small language. A process that is `own` may signal its own threads alone.
fn program(own: Option<u32>) -> Vec<libc::sock_filter> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let argument = |n: u32| 16 + 8 * n;
    let mut program = vec![
        op(LOAD, 4, 0, 0),
        op(EQUAL, ARCHITECTURE, 1, 0),
        op(RETURN, KILL, 0, 0),
        op(LOAD, 0, 0, 0),
        // The 32-bit pointers' set of calls on the same architecture.
        op(AT_LEAST, 0x4000_0000, 0, 1),
        op(RETURN, KILL, 0, 0),
    ];
    // What libraries ask of their streams; others change what files are.
    program.extend([op(EQUAL, libc::SYS_ioctl as u32, 0, 3 + ASKED.len() as u8), op(LOAD, argument(1), 0, 0)]);
    for (number, asked) in (1u8..).zip(ASKED) {
        program.push(op(EQUAL, *asked, ASKED.len() as u8 - number + 1, 0));
    }
    program.extend([op(RETURN, TRAP, 0, 0), op(RETURN, ALLOW, 0, 0)]);
    for call in FORBIDDEN_CALLS.iter().chain(OLD_CALLS) {
        program.extend([op(EQUAL, *call as u32, 0, 1), op(RETURN, TRAP, 0, 0)]);
    }
    // Their arguments are in memory, where a filter can't look; libraries go on with the older calls.
    for call in [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_io_uring_setup] {
        program.extend([op(EQUAL, call as u32, 0, 1), op(RETURN, NOT_THERE, 0, 0)]);
    }
    for call in REFUSED_CALLS {
        program.extend([op(EQUAL, *call as u32, 0, 1), op(RETURN, NOT_PERMITTED, 0, 0)]);
    }
    if let Some(own) = own {
        program.extend([
            op(EQUAL, libc::SYS_tgkill as u32, 0, 4),
            op(LOAD, argument(0), 0, 0),
            op(EQUAL, own, 0, 1),
            op(RETURN, ALLOW, 0, 0),
            op(RETURN, NOT_PERMITTED, 0, 0),
        ]);
    }
    let mut by_argument = |call: libc::c_long, n: u32, bits: u32, with: u32, without: u32| {
        program.extend([
            op(EQUAL, call as u32, 0, 4),
            op(LOAD, argument(n), 0, 0),
            op(ANY_BIT, bits, 0, 1),
            op(RETURN, with, 0, 0),
            op(RETURN, without, 0, 0),
        ]);
    };
    by_argument(libc::SYS_clone, 0, THREAD, ALLOW, TRAP);
    by_argument(libc::SYS_openat, 2, WRITING, TRAP, ALLOW);
    #[cfg(target_arch = "x86_64")]
    by_argument(libc::SYS_open, 1, WRITING, TRAP, ALLOW);
    // Limits may be read, which passes no new ones.
    by_argument(libc::SYS_prlimit64, 2, u32::MAX, NOT_PERMITTED, ALLOW);
    program.push(op(RETURN, ALLOW, 0, 0));
    program
}

/// The filter as the system reads it, for a child that puts it in place by itself; empty where there is none.
pub(super) fn filter_code() -> Vec<u8> {
    if ARCHITECTURE == 0 {
        return Vec::new();
    }
    let op = |op: &libc::sock_filter| {
        let [code, jumps] = [op.code.to_ne_bytes(), [op.jt, op.jf]];
        [code.as_slice(), &jumps, &op.k.to_ne_bytes()].concat()
    };
    program(None).iter().flat_map(op).collect()
}

fn filter() -> bool {
    if ARCHITECTURE == 0 {
        return false;
    }
    // SAFETY: the handler is async-signal-safe, and the filter's struct outlives the call that copies it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_forbidden as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        if libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) != 0 {
            return false;
        }
        let mut program = program(Some(std::process::id()));
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter, 0, 0) == 0
    }
}
