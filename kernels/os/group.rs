//! Programs that are ended with everything they started.

use std::process::{Child, Command};

/// Lets the program, and what it starts, be a group of its own.
pub fn own_group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Ends a group by its leader's number, where its [`Child`] is with somebody else. The leader must not have been waited
/// for yet, or the number may be another's.
pub fn end_group_of(leader: u32) {
    #[cfg(unix)]
    if let Some(leader) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = leader;
}

/// What people call a signal.
pub fn signal_name(signal: i32) -> String {
    #[cfg(unix)]
    let word = match signal {
        libc::SIGSEGV => "it read or wrote memory that is not its own",
        libc::SIGBUS => "it read or wrote memory that is not there",
        libc::SIGABRT => "it gave up (abort)",
        libc::SIGILL => "it ran an instruction that this processor doesn't have",
        libc::SIGFPE => "it divided by zero",
        libc::SIGKILL => "it was killed",
        libc::SIGXFSZ => "it wrote to a file",
        libc::SIGXCPU => "it used up its processor time",
        libc::SIGSYS => "it made a system call that kernels may not make, such as one to start a program",
        _ => "a signal",
    };
    #[cfg(not(unix))]
    let word = "a signal";
    format!("{word}, signal {signal}")
}

/// The name of a system call, of those that kernels get ended for.
pub fn system_call_name(number: u32) -> String {
    #[cfg(target_os = "linux")]
    {
        let names: &[(libc::c_long, &str)] = &[
            (libc::SYS_clone, "clone, to start a process"),
            (libc::SYS_execve, "execve, to start a program"),
            (libc::SYS_openat, "openat, to write a file"),
            (libc::SYS_socket, "socket, to reach the network"),
            (libc::SYS_connect, "connect, to reach the network"),
            (libc::SYS_unlinkat, "unlinkat, to remove a file"),
            (libc::SYS_mkdirat, "mkdirat, to make a folder"),
            (libc::SYS_kill, "kill, to signal a process"),
            (libc::SYS_ptrace, "ptrace, to look into a process"),
            (libc::SYS_ftruncate, "ftruncate, to cut a file"),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_fork, "fork, to start a process"),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_vfork, "vfork, to start a process"),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, "open, to write a file"),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_unlink, "unlink, to remove a file"),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_mkdir, "mkdir, to make a folder"),
        ];
        if let Some((_, name)) = names.iter().find(|(n, _)| *n == libc::c_long::from(number)) {
            return (*name).to_owned();
        }
    }
    format!("number {number}")
}

/// Ends the program and its group. It may have ended by itself in this moment, which is as good.
pub fn end_group(child: &mut Child) {
    #[cfg(unix)]
    if let Some(leader) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
}
