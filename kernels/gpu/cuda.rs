//! Kernels on an NVIDIA GPU, through the driver's own library, which is loaded when it is asked for.
//!
//! Written against the driver's documentation and run on no device yet: there was none at hand.

use std::ffi::{CString, c_void};

use cudarc::driver::{result, sys};

use super::launch::{Buffer, Fault, Launch, MARGIN, intact, margin};

/// The first device, with a context of its own thread.
#[derive(Debug)]
pub struct Cuda {
    device: sys::CUdevice,
    name: String,
    driver: i32,
    architecture: (i32, i32),
}

/// A kernel that the device has loaded.
#[derive(Debug)]
pub struct Kernel<'d> {
    module: sys::CUmodule,
    function: sys::CUfunction,
    /// Bytes of each parameter.
    parameters: Vec<usize>,
    device: &'d Cuda,
}

/// The first driver that has all that is called here.
const OLDEST_DRIVER: i32 = 12080;
/// The largest struct of sizes that is passed, in words.
const MOST_SIZES: usize = 32;

fn machine(what: &str) -> impl Fn(result::DriverError) -> Fault + '_ {
    move |error| Fault::Machine(format!("{what}: {error}"))
}

impl Cuda {
    /// Opens the first device. The error is the reason why there is none.
    pub fn open() -> Result<Cuda, String> {
        // SAFETY: loads the driver's library as any program that uses a GPU does.
        if !unsafe { sys::is_culib_present() } {
            return Err("there is no NVIDIA driver".into());
        }
        let failed = |error: result::DriverError| format!("the NVIDIA driver can't be used: {error}");
        let mut driver = 0;
        // SAFETY: writes one integer, and may be called before everything else.
        unsafe { sys::cuDriverGetVersion(&raw mut driver) }.result().map_err(failed)?;
        if driver < OLDEST_DRIVER {
            let is = version(driver);
            return Err(format!("the NVIDIA driver is one for CUDA {is}, and 12.8 is the oldest that is supported"));
        }
        result::init().map_err(failed)?;
        if result::device::get_count().map_err(failed)? == 0 {
            return Err("the NVIDIA driver has no device".into());
        }
        let device = result::device::get(0).map_err(failed)?;
        let name = result::device::get_name(device).map_err(failed)?;
        use sys::CUdevice_attribute as Attribute;
        // SAFETY: the device was just given by the driver.
        let attribute = |which| unsafe { result::device::get_attribute(device, which) }.map_err(failed);
        let architecture = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        // SAFETY: as above; the context is released when this value goes.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed)?;
        let cuda = Cuda { device, name, driver, architecture };
        // SAFETY: the context was just retained.
        unsafe { result::ctx::set_current(context) }.map_err(failed)?;
        Ok(cuda)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn driver(&self) -> String {
        format!("CUDA {}", version(self.driver))
    }

    /// What the compiler is to be told, such as `sm_90`.
    pub fn architecture(&self) -> String {
        format!("sm_{}{}", self.architecture.0, self.architecture.1)
    }

    /// Loads machine code made for this architecture.
    pub fn load(&self, cubin: &[u8], entry: &str) -> Result<Kernel<'_>, Fault> {
        let name = CString::new(entry).map_err(|_| Fault::Kernel("a zero byte in the entry's name".into()))?;
        // The driver tells the length from the headers within; a cut file must not send it beyond the end.
        let mut code = cubin.to_vec();
        code.resize(cubin.len() + 4096, 0);
        // SAFETY: the code is that of the compiler, as a whole, and copied by the driver.
        let module = unsafe { result::module::load_data(code.as_ptr().cast()) }.map_err(machine("loading the code"))?;
        let mut kernel = Kernel { module, function: std::ptr::null_mut(), parameters: Vec::new(), device: self };
        // SAFETY: the module was just loaded.
        kernel.function = unsafe { result::module::get_function(module, name) }
            .map_err(|_| Fault::Kernel(format!("the source has no `extern \"C\" __global__` function `{entry}`")))?;
        loop {
            let (mut offset, mut size) = (0, 0);
            let number = kernel.parameters.len();
            // SAFETY: the function is the module's; two numbers are written where there is such a parameter.
            let code = unsafe { sys::cuFuncGetParamInfo(kernel.function, number, &raw mut offset, &raw mut size) };
            if code != sys::CUresult::CUDA_SUCCESS {
                break;
            }
            kernel.parameters.push(size);
        }
        Ok(kernel)
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`. That it fails when the driver shuts down changes nothing.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

impl Kernel<'_> {
    /// Copies the buffers there, launches, waits, copies the outputs back, looks at the margins. The answer is the kernel's
    /// own time in nanoseconds, between two events of the device.
    pub fn launch(&self, buffers: &mut [Buffer<'_>], launch: &Launch) -> Result<u64, Fault> {
        if launch.is_empty() {
            return Ok(0);
        }
        let expected: Vec<usize> = buffers.iter().map(|_| 8).chain([launch.sizes.len() * 4]).collect();
        if self.parameters != expected {
            return Err(Fault::Kernel(format!(
                "the kernel's parameters take {:?} bytes, and the operation's are {expected:?}: see bizra_gpu.h",
                self.parameters
            )));
        }
        let margin = margin();
        let mut memories = Vec::new();
        for buffer in buffers.iter() {
            let memory = Memory::new(buffer.bytes().len() + 2 * MARGIN, self.device)?;
            memory.write(&[&margin, buffer.bytes(), &margin].concat())?;
            memories.push(memory);
        }
        let mut pointers: Vec<u64> = memories.iter().map(|m| m.address + MARGIN as u64).collect();
        let mut sizes = [0u32; MOST_SIZES];
        sizes[..launch.sizes.len()].copy_from_slice(&launch.sizes);
        let mut arguments: Vec<*mut c_void> = pointers.iter_mut().map(|p| (&raw mut *p).cast()).collect();
        arguments.push(sizes.as_mut_ptr().cast());
        let [gx, gy, gz] = launch.grid;
        let stream = result::stream::null();
        let (start, end) = (Event::new()?, Event::new()?);
        start.record()?;
        // SAFETY: as many arguments as the kernel has parameters, each of its size (compared above), all alive until the
        // wait below; what the kernel does with its pointers happens on the device.
        unsafe { result::launch_kernel(self.function, (gx, gy, gz), (launch.block, 1, 1), 0, stream, &mut arguments) }
            .map_err(|e| Fault::Kernel(format!("the launch was refused: {e}")))?;
        end.record()?;
        // SAFETY: the default stream of the current context.
        unsafe { result::stream::synchronize(stream) }
            .map_err(|e| Fault::Kernel(format!("the kernel failed on the device: {e}")))?;
        // SAFETY: both events were recorded and have passed.
        let milliseconds = unsafe { result::event::elapsed(start.0, end.0) }.map_err(machine("reading the time"))?;
        for (number, (buffer, memory)) in buffers.iter_mut().zip(&memories).enumerate() {
            let whole = memory.read()?;
            let len = buffer.bytes().len();
            intact(&whole, len, number)?;
            let now = &whole[MARGIN..MARGIN + len];
            match buffer {
                Buffer::Output(bytes) => bytes.copy_from_slice(now),
                Buffer::Input(bytes) if *bytes != now => {
                    return Err(Fault::Kernel(format!("it wrote to its input {number}")));
                }
                Buffer::Input(_) => {}
            }
        }
        Ok((f64::from(milliseconds) * 1e6).round() as u64)
    }
}

impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, used no more.
        let _ = unsafe { result::module::unload(self.module) };
    }
}

/// Memory of the device.
struct Memory<'d> {
    address: u64,
    len: usize,
    _device: &'d Cuda,
}

impl<'d> Memory<'d> {
    fn new(len: usize, device: &'d Cuda) -> Result<Self, Fault> {
        // SAFETY: plain memory of the current context, freed when this value goes.
        let address = unsafe { result::malloc_sync(len) }.map_err(machine("taking the device's memory"))?;
        Ok(Memory { address, len, _device: device })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        assert_eq!(bytes.len(), self.len, "a buffer is written as a whole");
        // SAFETY: as many bytes as were taken.
        unsafe { result::memcpy_htod_sync(self.address, bytes) }.map_err(machine("copying to the device"))
    }

    fn read(&self) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; self.len];
        // SAFETY: as above.
        unsafe { result::memcpy_dtoh_sync(&mut bytes, self.address) }.map_err(machine("copying from the device"))?;
        Ok(bytes)
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: taken in `new`, used no more: every launch is waited for.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

struct Event(sys::CUevent);

impl Event {
    fn new() -> Result<Event, Fault> {
        result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map(Event).map_err(machine("making an event"))
    }

    fn record(&self) -> Result<(), Fault> {
        // SAFETY: the event lives; the stream is the default one.
        unsafe { result::event::record(self.0, result::stream::null()) }.map_err(machine("recording an event"))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made in `new`, used no more.
        let _ = unsafe { result::event::destroy(self.0) };
    }
}

fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_or_device_says_so_and_does_not_panic() {
        match Cuda::open() {
            Ok(cuda) => assert!(cuda.architecture().starts_with("sm_")),
            Err(why) => assert!(why.contains("NVIDIA driver"), "{why}"),
        }
        assert_eq!((version(13000), version(12080)), ("13.0".into(), "12.8".into()));
    }
}
