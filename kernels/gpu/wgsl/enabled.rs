//! WGSL: to other languages by naga, and run by wgpu on what Vulkan finds, be it a GPU or a driver in software.
//!
//! Only what every WebGPU device has is asked for. Left out: times. A driver in software has none worth telling.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::launch::{MARGIN, intact, margin};
use super::{Buffer, Fault, Launch, Source};

/// Whether this build has WGSL at all.
pub const BUILT: bool = true;

/// A source in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    pub language: &'static str,
    pub code: Vec<u8>,
}

/// The source as SPIR-V, MSL and HLSL, in this order. A refusal names file and line.
pub fn translate(source: &Source, entry: &str) -> Result<Vec<Translation>, Fault> {
    let (text, place) = source.joined();
    let refused = |line: Option<u32>, why: String| {
        let (file, line) = line.map_or((source.name.as_str(), 0), |line| place(line as usize));
        Fault::Kernel(if line == 0 { format!("{file}: {why}") } else { format!("{file}:{line}: {why}") })
    };
    // What stands nowhere in the text is said to stand at its start, without length.
    let line = |at: Option<naga::SourceLocation>| at.filter(|at| at.length > 0).map(|at| at.line_number);
    let module =
        naga::front::wgsl::parse_str(&text).map_err(|e| refused(line(e.location(&text)), e.message().to_owned()))?;
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::default());
    let info = validator.validate(&module).map_err(|e| {
        let mut why = e.to_string();
        let mut cause = std::error::Error::source(e.as_inner());
        while let Some(inner) = cause {
            why = format!("{why}: {inner}");
            cause = inner.source();
        }
        refused(line(e.location(&text)), why)
    })?;
    if !module.entry_points.iter().any(|e| e.name == entry && e.stage == naga::ShaderStage::Compute) {
        return Err(refused(None, format!("there is no `@compute` function `{entry}`")));
    }
    let machine = |language: &str, why: &dyn std::fmt::Display| Fault::Machine(format!("naga to {language}: {why}"));
    let words = naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None)
        .map_err(|e| machine("SPIR-V", &e))?;
    let msl = naga::back::msl::Options { lang_version: (2, 4), ..Default::default() };
    let (msl, _) = naga::back::msl::write_string(&module, &info, &msl, &naga::back::msl::PipelineOptions::default())
        .map_err(|e| machine("MSL", &e))?;
    let mut hlsl = String::new();
    let options = naga::back::hlsl::Options::default();
    let pipeline = naga::back::hlsl::PipelineOptions::default();
    naga::back::hlsl::Writer::new(&mut hlsl, &options, &pipeline)
        .write(&module, &info, None)
        .map_err(|e| machine("HLSL", &e))?;
    Ok(vec![
        Translation { language: "SPIR-V", code: words.iter().flat_map(|word| word.to_le_bytes()).collect() },
        Translation { language: "MSL", code: msl.into_bytes() },
        Translation { language: "HLSL", code: hlsl.into_bytes() },
    ])
}

/// A device that Vulkan has: a GPU where there is one, else a driver in software.
#[derive(Debug)]
pub struct Gpu {
    info: wgpu::AdapterInfo,
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Gpu {
    /// The error is the reason why there is none.
    pub fn open() -> Result<Gpu, String> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(descriptor);
        let mut adapters = wait(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let rank = |adapter: &wgpu::Adapter| match adapter.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 2,
            wgpu::DeviceType::Cpu => 3,
        };
        adapters.sort_by_key(rank);
        let adapter = adapters.first().ok_or("Vulkan finds no device")?;
        let descriptor = wgpu::DeviceDescriptor { label: Some("bizra"), ..Default::default() };
        let info = adapter.get_info();
        let (device, queue) =
            wait(adapter.request_device(&descriptor)).map_err(|e| format!("{} can't be used: {e}", info.name))?;
        Ok(Gpu { info, device, queue })
    }

    pub fn name(&self) -> String {
        self.info.name.clone()
    }

    /// Name and version of the driver, such as `llvmpipe Mesa 22.3.6 (LLVM 15.0.6)`.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_owned()
    }

    /// Whether the device is the CPU under another name.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Prepares a kernel. `outputs` says of each of its tensors whether it is written.
    pub fn load(&self, source: &Source, entry: &str, outputs: &[bool]) -> Result<Kernel<'_>, Fault> {
        translate(source, entry)?; // for refusals that name file and line
        let (text, _) = source.joined();
        self.checked(|device| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(&source.name),
                source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
            });
            let bindings: Vec<wgpu::BindGroupLayoutEntry> = outputs
                .iter()
                .chain(&[false])
                .enumerate()
                .map(|(binding, output)| wgpu::BindGroupLayoutEntry {
                    binding: binding as u32,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Storage { read_only: !output },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                })
                .collect();
            let bindings =
                device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &bindings });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                bind_group_layouts: &[Some(&bindings)],
                ..Default::default()
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            Kernel { gpu: self, bindings, pipeline, tensors: outputs.len() }
        })
    }

    /// Does something with the device, and turns what it complains about into a fault.
    fn checked<T>(&self, work: impl FnOnce(&wgpu::Device) -> T) -> Result<T, Fault> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let invalid = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = work(&self.device);
        let (invalid, memory) = (wait(invalid.pop()), wait(memory.pop()));
        match (invalid, memory) {
            (Some(error), _) => Err(Fault::Kernel(error.to_string())),
            (None, Some(error)) => Err(Fault::Machine(error.to_string())),
            (None, None) => Ok(made),
        }
    }
}

/// A kernel that a device has compiled.
#[derive(Debug)]
pub struct Kernel<'g> {
    gpu: &'g Gpu,
    bindings: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
    tensors: usize,
}

impl Kernel<'_> {
    /// Copies the buffers there, runs, waits, copies the outputs back, looks at their margins.
    pub fn launch(&self, buffers: &mut [Buffer<'_>], launch: &Launch) -> Result<(), Fault> {
        if buffers.len() != self.tensors {
            let (found, expected) = (buffers.len(), self.tensors);
            return Err(Fault::Machine(format!("{found} tensors for a kernel that was prepared for {expected}")));
        }
        if launch.is_empty() {
            return Ok(());
        }
        let Gpu { device, queue, .. } = self.gpu;
        let backs = self.gpu.checked(|_| {
            let margin = margin();
            let sizes: Vec<u8> = launch.sizes.iter().flat_map(|word| word.to_le_bytes()).collect();
            let make = |bytes: &[u8], usage| {
                let usage = wgpu::BufferUsages::STORAGE | usage;
                let size = (bytes.len() as u64).next_multiple_of(4);
                let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
                let buffer = device.create_buffer(&descriptor);
                queue.write_buffer(&buffer, 0, bytes);
                buffer
            };
            let (to, from) = (wgpu::BufferUsages::COPY_DST, wgpu::BufferUsages::COPY_SRC);
            let tensors: Vec<wgpu::Buffer> = buffers
                .iter()
                .map(|buffer| {
                    let padding = vec![0; room(buffer.bytes()) - buffer.bytes().len()];
                    make(&[&margin, buffer.bytes(), &padding, &margin].concat(), to | from)
                })
                .collect();
            let sizes = make(&sizes, to);
            let mut entries: Vec<wgpu::BindGroupEntry<'_>> = tensors
                .iter()
                .zip(buffers.iter())
                .enumerate()
                .map(|(binding, (whole, buffer))| wgpu::BindGroupEntry {
                    binding: binding as u32,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: whole,
                        offset: MARGIN as u64,
                        size: wgpu::BufferSize::new(room(buffer.bytes()) as u64),
                    }),
                })
                .collect();
            entries.push(wgpu::BindGroupEntry { binding: tensors.len() as u32, resource: sizes.as_entire_binding() });
            let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &self.bindings, entries: &entries };
            let group = device.create_bind_group(&descriptor);
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &group, &[]);
                let [x, y, z] = launch.grid;
                pass.dispatch_workgroups(x, y, z);
            }
            let mut backs = Vec::new();
            for (number, (whole, _)) in
                tensors.iter().zip(buffers.iter()).enumerate().filter(|(_, (_, b))| matches!(b, Buffer::Output(_)))
            {
                let descriptor = wgpu::BufferDescriptor {
                    label: None,
                    size: whole.size(),
                    usage: wgpu::BufferUsages::MAP_READ | to,
                    mapped_at_creation: false,
                };
                let back = device.create_buffer(&descriptor);
                encoder.copy_buffer_to_buffer(whole, 0, &back, 0, whole.size());
                backs.push((number, back));
            }
            queue.submit([encoder.finish()]);
            backs
        })?;
        for (number, back) in backs {
            let (tell, told) = mpsc::channel();
            back.map_async(wgpu::MapMode::Read, .., move |mapped| {
                // Nobody listens any more where waiting has failed.
                let _ = tell.send(mapped);
            });
            device
                .poll(wgpu::PollType::wait_indefinitely())
                .map_err(|e| Fault::Machine(format!("waiting for the device: {e}")))?;
            let mapped = told.try_recv().map_err(|e| Fault::Machine(format!("the device gives nothing back: {e}")))?;
            mapped.map_err(|e| Fault::Kernel(format!("the device was lost: {e}")))?;
            let whole =
                back.get_mapped_range(..).map_err(|e| Fault::Machine(format!("reading the device's memory: {e}")))?;
            if let Buffer::Output(bytes) = &mut buffers[number] {
                intact(&whole, room(bytes), number)?;
                let len = bytes.len();
                bytes.copy_from_slice(&whole[MARGIN..MARGIN + len]);
            }
        }
        Ok(())
    }
}

/// What a binding takes: whole words, and at least one.
fn room(bytes: &[u8]) -> usize {
    bytes.len().next_multiple_of(4).max(4)
}

/// On this side of a network wgpu's futures are ready, or become so by being asked.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
            return ready;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
