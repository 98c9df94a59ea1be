//! Which GPUs answer, asked of the drivers' own libraries.
//!
//! Nothing is linked: a machine without a driver is an ordinary answer. Only counts and names are asked for here.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::{Library, Symbol};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Cuda,
    Hip,
    Vulkan,
}

/// What one driver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No library of that name can be loaded.
    NoDriver,
    /// The library is there and has no device for us; the reason in its words or by its code.
    NoDevice(String),
    Devices(Vec<String>),
}

/// Asks each driver in turn. Never panics, whatever the libraries answer.
pub fn probe() -> Vec<(Api, Found)> {
    vec![(Api::Cuda, cuda()), (Api::Hip, hip()), (Api::Vulkan, vulkan())]
}

fn load(names: &[&str]) -> Option<Library> {
    // SAFETY: the drivers' libraries run their constructors on loading; these names are theirs alone, and they are
    // looked up as any program on this system that uses a GPU looks them up.
    names.iter().find_map(|name| unsafe { Library::new(*name) }.ok())
}

/// What both NVIDIA's driver and AMD's runtime offer, with the same meaning: zero is success.
struct Counting<'a> {
    init: Symbol<'a, unsafe extern "C" fn(c_uint) -> c_int>,
    count: Symbol<'a, unsafe extern "C" fn(*mut c_int) -> c_int>,
    name: Symbol<'a, unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>,
}

impl<'a> Counting<'a> {
    fn of(library: &'a Library, init: &[u8], count: &[u8], name: &[u8]) -> Option<Self> {
        // SAFETY: the three symbols have these signatures in every version of these libraries (cuda.h, hip_runtime_api.h).
        unsafe {
            Some(Counting {
                init: library.get(init).ok()?,
                count: library.get(count).ok()?,
                name: library.get(name).ok()?,
            })
        }
    }

    fn ask(&self) -> Found {
        // SAFETY: takes a flag word that must be zero, and is called before anything else of the library.
        let code = unsafe { (self.init)(0) };
        if code != 0 {
            return Found::NoDevice(format!("the driver answered {code} when it was started"));
        }
        let mut count = 0;
        // SAFETY: `count` outlives the call, which writes one integer.
        let code = unsafe { (self.count)(&raw mut count) };
        if code != 0 || count <= 0 {
            return Found::NoDevice(format!("the driver counts no device (code {code})"));
        }
        Found::Devices((0..count).map(|device| self.device_name(device)).collect())
    }

    fn device_name(&self, device: c_int) -> String {
        const LENGTH: usize = 256;
        let mut name = [0u8; LENGTH];
        // SAFETY: the buffer has the length that is told, less the terminator that then is certain to be there.
        let code = unsafe { (self.name)(name.as_mut_ptr().cast(), (LENGTH - 1) as c_int, device) };
        let text = CStr::from_bytes_until_nul(&name).map(|n| n.to_string_lossy().trim().to_owned()).unwrap_or_default();
        if code == 0 && !text.is_empty() { text } else { format!("device {device}, whose name can't be had") }
    }
}

fn counting(library: Option<Library>, init: &[u8], count: &[u8], name: &[u8]) -> Found {
    let Some(library) = library else { return Found::NoDriver };
    match Counting::of(&library, init, count, name) {
        Some(driver) => driver.ask(),
        None => Found::NoDevice("the driver's library lacks the functions that every version has".into()),
    }
}

fn cuda() -> Found {
    let names: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1", "libcuda.so"] };
    counting(load(names), b"cuInit\0", b"cuDeviceGetCount\0", b"cuDeviceGetName\0")
}

fn hip() -> Found {
    let names: &[&str] =
        if cfg!(windows) { &["amdhip64_6.dll", "amdhip64.dll"] } else { &["libamdhip64.so", "libamdhip64.so.6"] };
    counting(load(names), b"hipInit\0", b"hipGetDeviceCount\0", b"hipDeviceGetName\0")
}

/// The start of `VkInstanceCreateInfo`, all of it zero but the type.
#[repr(C)]
struct InstanceInfo {
    kind: c_uint,
    next: *const c_void,
    flags: c_uint,
    application: *const c_void,
    layer_count: c_uint,
    layers: *const c_void,
    extension_count: c_uint,
    extensions: *const c_void,
}

const INSTANCE_INFO: c_uint = 1;
/// `VkPhysicalDeviceProperties` is 824 bytes; its name starts at byte 20 and has at most 256.
const PROPERTIES: usize = 4096;
const NAME_AT: usize = 20;

fn vulkan() -> Found {
    let names: &[&str] = if cfg!(windows) {
        &["vulkan-1.dll"]
    } else if cfg!(target_os = "macos") {
        &["libvulkan.1.dylib", "libMoltenVK.dylib"]
    } else {
        &["libvulkan.so.1"]
    };
    let Some(library) = load(names) else { return Found::NoDriver };
    vulkan_devices(&library).unwrap_or_else(|| Found::NoDevice("the loader lacks a function of Vulkan 1.0".into()))
}

fn vulkan_devices(library: &Library) -> Option<Found> {
    type Instance = *mut c_void;
    type Device = *mut c_void;
    type Create = unsafe extern "system" fn(*const InstanceInfo, *const c_void, *mut Instance) -> c_int;
    type Enumerate = unsafe extern "system" fn(Instance, *mut c_uint, *mut Device) -> c_int;
    type Properties = unsafe extern "system" fn(Device, *mut u8);
    type Destroy = unsafe extern "system" fn(Instance, *const c_void);
    // SAFETY: the four have these signatures since Vulkan 1.0 (vulkan_core.h).
    let (create, enumerate, properties, destroy): (
        Symbol<'_, Create>,
        Symbol<'_, Enumerate>,
        Symbol<'_, Properties>,
        Symbol<'_, Destroy>,
    ) = unsafe {
        (
            library.get(b"vkCreateInstance\0").ok()?,
            library.get(b"vkEnumeratePhysicalDevices\0").ok()?,
            library.get(b"vkGetPhysicalDeviceProperties\0").ok()?,
            library.get(b"vkDestroyInstance\0").ok()?,
        )
    };
    let info = InstanceInfo {
        kind: INSTANCE_INFO,
        next: std::ptr::null(),
        flags: 0,
        application: std::ptr::null(),
        layer_count: 0,
        layers: std::ptr::null(),
        extension_count: 0,
        extensions: std::ptr::null(),
    };
    let mut instance: Instance = std::ptr::null_mut();
    // SAFETY: `info` is a whole, valid structure without layers or extensions, and both pointers outlive the call.
    let code = unsafe { create(&raw const info, std::ptr::null(), &raw mut instance) };
    if code != 0 {
        return Some(Found::NoDevice(format!("the loader answered {code} to the first call")));
    }
    const MOST: usize = 16;
    let mut devices: [Device; MOST] = [std::ptr::null_mut(); MOST];
    let mut count = MOST as c_uint;
    // SAFETY: the array has the length that `count` tells; the call writes at most that many and says how many.
    let code = unsafe { enumerate(instance, &raw mut count, devices.as_mut_ptr()) };
    let mut names = Vec::new();
    if code >= 0 {
        for device in devices.iter().take(count as usize) {
            let mut buffer = [0u64; PROPERTIES / 8];
            // SAFETY: the buffer is aligned as the structure is and several times its size; the handle was just given.
            unsafe { properties(*device, buffer.as_mut_ptr().cast()) };
            let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let name = CStr::from_bytes_until_nul(&bytes[NAME_AT..NAME_AT + 256]).unwrap_or_default();
            names.push(name.to_string_lossy().trim().to_owned());
        }
    }
    // SAFETY: the instance was made above and nothing of it is used any more.
    unsafe { destroy(instance, std::ptr::null()) };
    Some(if names.is_empty() { Found::NoDevice("no device answers".into()) } else { Found::Devices(names) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_answers_something() {
        let found = probe();
        assert_eq!(found.iter().map(|(api, _)| *api).collect::<Vec<_>>(), [Api::Cuda, Api::Hip, Api::Vulkan]);
        for (api, answer) in found {
            if let Found::Devices(names) = answer {
                assert!(names.iter().all(|n| !n.is_empty()), "{api:?}");
            }
        }
    }
}
