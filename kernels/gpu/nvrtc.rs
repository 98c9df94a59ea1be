//! NVIDIA's run-time compiler, which needs no GPU: CUDA C++ to machine code for an architecture.
//!
//! Bound here and not through cudarc, which takes the first library of a likely name: whoever has several says which.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::Library;

use super::Source;

type Program = *mut c_void;
type Text = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;

/// The compiler's library, with the functions that are used here.
#[derive(Debug)]
pub struct Nvrtc {
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    cubin_size: Size,
    cubin: Text,
    log_size: Size,
    log: Text,
    message: unsafe extern "C" fn(c_int) -> *const c_char,
    version: (i32, i32),
    /// Its code, and that of the library of built-ins; kept for as long as the functions are.
    _libraries: Vec<Library>,
}

/// What the compiler made of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    Cubin {
        code: Vec<u8>,
        /// Warnings; often empty.
        log: String,
    },
    /// The source is at fault; the log has lines.
    Refused { log: String },
}

impl Nvrtc {
    /// The library in that file, or the one that the system's loader finds. The error is the reason why there is none.
    pub fn load(file: Option<&Path>) -> Result<Nvrtc, String> {
        let mut libraries = Vec::new();
        match file {
            Some(file) => {
                // Outside of the loader's path NVRTC doesn't find its other half, unless that is there already.
                for sibling in built_ins(file) {
                    libraries.extend(open(&sibling));
                }
                let library = open(file).ok_or(format!("{}: this is no library that can be loaded", file.display()))?;
                libraries.push(library);
            }
            None => {
                let names: &[&str] = if cfg!(windows) {
                    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
                } else {
                    &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
                };
                let found = names.iter().find_map(|name| open(Path::new(name)));
                libraries.push(found.ok_or("the loader finds no libnvrtc")?);
            }
        }
        Self::of(libraries).ok_or_else(|| "the library lacks a function that NVRTC has had since CUDA 11.1".to_owned())
    }

    fn of(libraries: Vec<Library>) -> Option<Nvrtc> {
        let library = libraries.last()?;
        let mut version = (0, 0);
        // SAFETY: these functions have had these signatures since they exist (nvrtc.h).
        unsafe {
            let ask = library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(b"nvrtcVersion\0").ok()?;
            if ask(&raw mut version.0, &raw mut version.1) != 0 {
                return None;
            }
            Some(Nvrtc {
                create: *library.get(b"nvrtcCreateProgram\0").ok()?,
                compile: *library.get(b"nvrtcCompileProgram\0").ok()?,
                destroy: *library.get(b"nvrtcDestroyProgram\0").ok()?,
                cubin_size: *library.get(b"nvrtcGetCUBINSize\0").ok()?,
                cubin: *library.get(b"nvrtcGetCUBIN\0").ok()?,
                log_size: *library.get(b"nvrtcGetProgramLogSize\0").ok()?,
                log: *library.get(b"nvrtcGetProgramLog\0").ok()?,
                message: *library.get(b"nvrtcGetErrorString\0").ok()?,
                version,
                _libraries: libraries,
            })
        }
    }

    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// Compiles for an architecture such as `sm_90`. An error is about this machine, a refusal about the source.
    pub fn compile(&self, source: &Source, architecture: &str) -> Result<Compiled, String> {
        let text = |of: &str| CString::new(of).map_err(|_| format!("{}: there is a zero byte in it", source.name));
        let (code, name) = (text(&source.text)?, text(&source.name)?);
        let headers =
            source.headers.iter().map(|(n, t)| Ok((text(n)?, text(t)?))).collect::<Result<Vec<_>, String>>()?;
        let names: Vec<*const c_char> = headers.iter().map(|(name, _)| name.as_ptr()).collect();
        let texts: Vec<*const c_char> = headers.iter().map(|(_, text)| text.as_ptr()).collect();
        let mut handle: Program = std::ptr::null_mut();
        // SAFETY: all strings end with a zero and outlive the program, which is destroyed before this function returns;
        // the arrays have the length that is told.
        let made = unsafe {
            (self.create)(
                &raw mut handle,
                code.as_ptr(),
                name.as_ptr(),
                headers.len() as c_int,
                texts.as_ptr(),
                names.as_ptr(),
            )
        };
        self.expect(made, "taking a source")?;
        let program = Made { compiler: self, handle };
        let options = [text(&format!("--gpu-architecture={architecture}"))?, text("--std=c++17")?];
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        // SAFETY: the program was just made; the options are strings that outlive the call.
        let compiled = unsafe { (self.compile)(program.handle, pointers.len() as c_int, pointers.as_ptr()) };
        let log =
            String::from_utf8_lossy(&program.bytes(self.log_size, self.log)?).trim_end_matches(['\0', '\n']).to_owned();
        const COMPILATION: c_int = 6;
        match compiled {
            0 => Ok(Compiled::Cubin { code: program.bytes(self.cubin_size, self.cubin)?, log }),
            COMPILATION => Ok(Compiled::Refused { log }),
            other => Err(format!("NVRTC {}: {}: {log}", self.version(), self.words(other))),
        }
    }

    fn words(&self, code: c_int) -> String {
        // SAFETY: the function answers any number with a string of its own that is never freed.
        let words = unsafe { (self.message)(code) };
        if words.is_null() {
            return format!("code {code}");
        }
        // SAFETY: as above.
        unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
    }

    fn expect(&self, code: c_int, what: &str) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        Err(format!("NVRTC {} failed at {what}: {}", self.version(), self.words(code)))
    }
}

/// A program within the compiler.
struct Made<'c> {
    compiler: &'c Nvrtc,
    handle: Program,
}

impl Made<'_> {
    fn bytes(&self, size: Size, fill: Text) -> Result<Vec<u8>, String> {
        let mut len = 0;
        // SAFETY: the program lives as long as this value; one number is written.
        let code = unsafe { size(self.handle, &raw mut len) };
        self.compiler.expect(code, "giving a size")?;
        let mut bytes = vec![0u8; len];
        // SAFETY: the buffer has the length that the compiler has just told.
        let code = unsafe { fill(self.handle, bytes.as_mut_ptr().cast()) };
        self.compiler.expect(code, "giving its result")?;
        Ok(bytes)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own, and used no more.
        unsafe { (self.compiler.destroy)(&raw mut self.handle) };
    }
}

fn open(path: &Path) -> Option<Library> {
    // SAFETY: a compiler's library, named by the user or found as every program finds it, runs its constructors.
    unsafe { Library::new(path) }.ok()
}

fn built_ins(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name().is_some_and(|n| {
                let name = n.to_string_lossy();
                name.starts_with("libnvrtc-builtins.so") || name.starts_with("nvrtc-builtins64")
            })
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_is_named() {
        let error = Nvrtc::load(Some(Path::new("no/such/libnvrtc.so"))).unwrap_err();
        assert_eq!(error, "no/such/libnvrtc.so: this is no library that can be loaded");
    }

    /// The reason is printed where there is no compiler: such a test has not passed, it was skipped.
    #[test]
    fn sources_become_cubins_or_a_log_with_lines() {
        #[allow(clippy::disallowed_methods, reason = "a test of what this machine has")]
        let file = std::env::var_os("BIZRA_NVRTC").map(PathBuf::from);
        let nvrtc = match Nvrtc::load(file.as_deref()) {
            Ok(nvrtc) => nvrtc,
            Err(why) => {
                println!("skipped: {why}");
                return;
            }
        };
        for source in Source::ours().into_iter().filter(Source::is_cuda) {
            for architecture in ["sm_80", "sm_90", "sm_100"] {
                match nvrtc.compile(&source, architecture).unwrap() {
                    Compiled::Cubin { code, .. } => assert_eq!(&code[..4], b"\x7fELF", "{}", source.name),
                    Compiled::Refused { log } => panic!("{}: {log}", source.name),
                }
            }
        }
        let bad = Source::new("bad.cu", "__global__ void f(float *x) {\n  x[0] = unheard_of;\n}\n");
        let Compiled::Refused { log } = nvrtc.compile(&bad, "sm_90").unwrap() else { panic!("it compiled") };
        assert!(log.contains("bad.cu(2): error") && log.contains("unheard_of"), "{log}");
        assert!(nvrtc.compile(&bad, "sm_0").unwrap_err().contains("INVALID_OPTION"));
    }
}
