//! The two memory files that parent and child share, from the parent's side, and how the child gets them.

use super::File;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// The exit code of a child that did what it may not.
pub const FORBIDDEN: i32 = 77;

pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// Inputs, which the child gets to read only, and outputs, whose first page is for the child's last word.
#[derive(Debug)]
pub struct Files {
    inputs: Mapping,
    outputs: Mapping,
    /// The inputs once more, opened for reading.
    readable: fs::File,
}

#[derive(Debug)]
struct Mapping {
    file: fs::File,
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping is this value's own, and bytes are only copied in and out.
unsafe impl Send for Mapping {}

impl Files {
    pub fn new() -> io::Result<Files> {
        let (inputs, outputs) = (Mapping::new(c"bizra inputs")?, Mapping::new(c"bizra outputs")?);
        let readable = fs::File::open(format!("/proc/self/fd/{}", inputs.file.as_raw_fd()))?;
        let mut files = Files { inputs, outputs, readable };
        files.grow(0, page_size())?;
        Ok(files)
    }

    /// Sees to it that the files have room for so many bytes.
    pub fn grow(&mut self, inputs: usize, outputs: usize) -> io::Result<()> {
        self.inputs.grow(inputs)?;
        self.outputs.grow(outputs.max(page_size()))
    }

    pub fn write(&mut self, file: File, at: usize, bytes: &[u8]) {
        self.mapping(file).write(at, bytes);
    }

    /// Repeats a pattern over a range of the outputs.
    pub fn fill(&mut self, at: usize, len: usize, pattern: &[u8]) {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            bytes.extend_from_slice(&pattern[..pattern.len().min(len - bytes.len())]);
        }
        self.outputs.write(at, &bytes);
    }

    /// Whether [`Files::flush`] does anything on this architecture.
    pub const FLUSHES: bool = cfg!(target_arch = "x86_64");

    /// Puts all bytes of both files out of the caches of all processors.
    pub fn flush(&self) {
        for mapping in [&self.inputs, &self.outputs] {
            mapping.flush();
        }
    }

    /// A copy of what stands there now.
    pub fn read(&self, file: File, at: usize, len: usize) -> Vec<u8> {
        let mapping = match file {
            File::Inputs => &self.inputs,
            File::Outputs => &self.outputs,
        };
        mapping.read(at, len)
    }

    /// The system call for which the child was ended, if it was.
    pub fn forbidden_call(&self) -> Option<u32> {
        let word = self.outputs.read(0, 4);
        word.first_chunk().map(|w| u32::from_le_bytes(*w)).and_then(|word| word.checked_sub(1))
    }

    /// Forgets a child's last word, before the next one.
    pub fn forget(&mut self) {
        self.outputs.write(0, &[0; 4]);
    }

    /// Hands the files over to the child at the other end.
    pub fn send(&self, socket: &UnixStream) -> io::Result<()> {
        let fds = [self.readable.as_raw_fd(), self.outputs.file.as_raw_fd()];
        let mut byte = [1u8];
        let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        let mut control = [0u64; CONTROL_WORDS];
        // SAFETY: an all-zero header is a valid one, and its pointers are set to live memory of the given sizes; the
        // control buffer is aligned for its header and large enough for two descriptors.
        let sent = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size_of_val(&fds) as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of_val(&fds) as u32) as _;
            std::ptr::copy_nonoverlapping(fds.as_ptr(), libc::CMSG_DATA(header).cast::<RawFd>(), 2);
            libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
        };
        if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn mapping(&mut self, file: File) -> &mut Mapping {
        match file {
            File::Inputs => &mut self.inputs,
            File::Outputs => &mut self.outputs,
        }
    }
}

/// Room for the control message's header and two descriptors.
const CONTROL_WORDS: usize = 8;

/// Inputs and outputs, as the child receives them.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<[fs::File; 2]> {
    let mut fds = [-1 as RawFd; 2];
    let mut byte = [0u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: as in `send`; the descriptors are copied out only where the header says that they are there.
    let received = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let n = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let whole = !header.is_null()
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize == libc::CMSG_LEN(size_of_val(&fds) as u32) as usize;
        if n == 1 && whole {
            std::ptr::copy_nonoverlapping(libc::CMSG_DATA(header).cast::<RawFd>(), fds.as_mut_ptr(), 2);
        }
        n
    };
    if received != 1 || fds.contains(&-1) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no memory files were sent"));
    }
    // SAFETY: the system has just made these descriptors for this process.
    Ok(fds.map(|fd| fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
}

impl Mapping {
    fn new(name: &std::ffi::CStr) -> io::Result<Mapping> {
        // SAFETY: the name is a string that ends with a zero.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let file = fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(Mapping { file, start: std::ptr::null_mut(), len: 0 })
    }

    fn grow(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.len {
            return Ok(());
        }
        let len = bytes.next_multiple_of(page_size()).max(1 << 20);
        self.file.set_len(len as u64)?;
        self.unmap();
        // SAFETY: a new mapping of a file of this length; its address goes into this value alone.
        let start = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, self.file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        (self.start, self.len) = (start.cast(), len);
        Ok(())
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at <= self.len && bytes.len() <= self.len - at, "invariant: the file was grown first");
        if !bytes.is_empty() {
            // SAFETY: within the mapping, as was just checked; no reference to its bytes exists anywhere.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(at), bytes.len()) };
        }
    }

    fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at <= self.len && len <= self.len - at, "invariant: the file was grown first");
        let mut bytes = vec![0; len];
        if len > 0 {
            // SAFETY: as above; a child that writes meanwhile changes what is copied, and nothing else.
            unsafe { std::ptr::copy_nonoverlapping(self.start.add(at), bytes.as_mut_ptr(), len) };
        }
        bytes
    }

    #[cfg(target_arch = "x86_64")]
    fn flush(&self) {
        use std::arch::x86_64::{_mm_clflush, _mm_mfence};
        const LINE: usize = 64;
        for at in (0..self.len).step_by(LINE) {
            // SAFETY: within the mapping; a line is written back and dropped, and its bytes stay what they are. Part of
            // every processor of this architecture.
            unsafe { _mm_clflush(self.start.add(at)) };
        }
        // SAFETY: orders what was done before it, and nothing else.
        unsafe { _mm_mfence() };
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn flush(&self) {}

    fn unmap(&mut self) {
        if !self.start.is_null() {
            // SAFETY: this value's own mapping, to which no pointer is left.
            unsafe { libc::munmap(self.start.cast(), self.len) };
            (self.start, self.len) = (std::ptr::null_mut(), 0);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
}
