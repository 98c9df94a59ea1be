//! Graphics processors, as far as their drivers say: which libraries load, and what CUDA and HIP call their devices.
//!
//! Left out: using them.

use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    Cuda,
    Hip,
    Vulkan,
}

/// A driver library that could be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub api: Api,
    pub library: &'static str,
    /// Names, in the driver's order. Vulkan is not asked.
    pub devices: Vec<String>,
    /// Why the driver, though loaded, gave no devices.
    pub trouble: Option<String>,
}

const LIBRARIES: [(Api, &str); 6] = [
    (Api::Cuda, if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" }),
    (Api::Hip, if cfg!(windows) { "amdhip64_6.dll" } else { "libamdhip64.so" }),
    (Api::Hip, if cfg!(windows) { "amdhip64.dll" } else { "libamdhip64.so.6" }),
    (Api::Vulkan, if cfg!(windows) { "vulkan-1.dll" } else { "libvulkan.so.1" }),
    (Api::Vulkan, if cfg!(target_os = "macos") { "libvulkan.dylib" } else { "libvulkan.so" }),
    (Api::Vulkan, "libMoltenVK.dylib"),
];

/// Loads what is there. A machine without any gives an empty list.
pub fn probe() -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (api, library) in LIBRARIES {
        if found.iter().any(|f| f.api == api) {
            continue;
        }
        // SAFETY: these are drivers from the system's library path, whose initialisers are meant to run in any process.
        let Ok(loaded) = (unsafe { Library::new(library) }) else { continue };
        let (devices, trouble) = match api {
            Api::Cuda => split(names(&loaded, &CUDA)),
            Api::Hip => split(names(&loaded, &HIP)),
            Api::Vulkan => (Vec::new(), None),
        };
        found.push(Found { api, library, devices, trouble });
        // Drivers start threads and don't like to be unloaded.
        std::mem::forget(loaded);
    }
    found
}

fn split(result: Result<Vec<String>, String>) -> (Vec<String>, Option<String>) {
    match result {
        Ok(devices) => (devices, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    }
}

struct Entry {
    init: &'static CStr,
    count: &'static CStr,
    name: &'static CStr,
}

const CUDA: Entry = Entry { init: c"cuInit", count: c"cuDeviceGetCount", name: c"cuDeviceGetName" };
const HIP: Entry = Entry { init: c"hipInit", count: c"hipGetDeviceCount", name: c"hipDeviceGetName" };

type Init = unsafe extern "C" fn(u32) -> c_int;
type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;

fn names(library: &Library, entry: &Entry) -> Result<Vec<String>, String> {
    let missing = |name: &CStr| format!("the driver has no {}", name.to_string_lossy());
    let failed = |name: &CStr, code| match code {
        0 => Ok(()),
        _ => Err(format!("{} gave error {code}", name.to_string_lossy())),
    };
    // SAFETY: both drivers document these three functions with these types (CUdevice and hipDevice_t are ints).
    let (init, count, name): (Symbol<Init>, Symbol<Count>, Symbol<Name>) = unsafe {
        (
            library.get(entry.init.to_bytes_with_nul()).map_err(|_| missing(entry.init))?,
            library.get(entry.count.to_bytes_with_nul()).map_err(|_| missing(entry.count))?,
            library.get(entry.name.to_bytes_with_nul()).map_err(|_| missing(entry.name))?,
        )
    };
    // SAFETY: takes flags, of which none are defined.
    failed(entry.init, unsafe { init(0) })?;
    let mut devices = 0;
    // SAFETY: writes one int.
    failed(entry.count, unsafe { count(&mut devices) })?;
    (0..devices)
        .map(|device| {
            let mut text = [0u8; 256];
            // SAFETY: writes at most the given length, less one to be sure of a terminator.
            failed(entry.name, unsafe { name(text.as_mut_ptr().cast(), 255, device) })?;
            let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
            Ok(String::from_utf8_lossy(&text[..end]).into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_never_fails_and_names_each_api_once() {
        let found = probe();
        for pair in found.windows(2) {
            assert!(pair[0].api < pair[1].api);
        }
        for f in &found {
            assert!(f.devices.is_empty() || f.trouble.is_none());
        }
    }
}
