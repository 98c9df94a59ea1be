use super::*;
use crate::kernel::run::{Batch, Containment, Invoke, Place};
use crate::plan::source::Source as Text;
use crate::sys::yaml;

const MANIFEST: &str = "bizra: kernel/v1
id: rows
op: softmax
targets:
  cuda: {source: rows.cu, entry: rows, with: [../gpu/reduce.cuh], launch: {block: 128, tile: [1]}}
  wgpu: {source: rows.wgsl, entry: rows, with: [../gpu/math.wgsl], launch: {block: 128, tile: [1]}}
  triton: {source: rows.py, entry: rows, launch: {block: 256, tile: [16]}}
contract: {in: f32, out: f32}
domain: {R: 0..40, N: 1..300}
";

fn read(text: &str) -> Result<Manifest, String> {
    let source = Text::new("kernel.yaml", text);
    let tree = yaml::parse(&source, 0).map_err(|e| e.to_string())?;
    Manifest::of(&tree, &source).map_err(|all| all.iter().map(|e| format!("{e}")).collect::<Vec<_>>().join("; "))
}

/// What a machine has: each step answers as it is told.
struct Fake {
    device: bool,
    compiles: Result<(), Obstacle>,
    emulates: Result<(), Obstacle>,
    races: Result<Vec<(usize, String)>, Obstacle>,
    translates: Result<(), Obstacle>,
    triton: Result<Vec<&'static str>, Obstacle>,
    asked: Vec<String>,
}

fn missing<T>(what: &str) -> Result<T, Obstacle> {
    Err(Obstacle::Missing(what.into()))
}

fn wrong<T>(what: &str) -> Result<T, Obstacle> {
    Err(Obstacle::Kernel(what.into()))
}

const NOTHING: Fake = Fake {
    device: false,
    compiles: Ok(()),
    emulates: Ok(()),
    races: Ok(Vec::new()),
    translates: Ok(()),
    triton: Ok(Vec::new()),
    asked: Vec::new(),
};

impl Tools for Fake {
    fn device(&mut self) -> Result<Device, String> {
        let device = Device { name: "Some GPU".into(), driver: "CUDA 13.0".into(), architecture: "sm_90".into() };
        if self.device { Ok(device) } else { Err("there is no NVIDIA driver".into()) }
    }
    fn compile(&mut self, _: &Source, architecture: &str) -> Result<Artefact, Obstacle> {
        self.asked.push(architecture.to_owned());
        let made = Artefact { what: format!("cubin for {architecture}"), by: "NVRTC 13.0".into(), bytes: vec![1] };
        self.compiles.clone().map(|()| made)
    }
    fn translate(&mut self, _: &Source, _: &str) -> Result<Vec<Artefact>, Obstacle> {
        let made = |what: &str| Artefact { what: what.into(), by: "naga 30".into(), bytes: vec![1] };
        self.translates.clone().map(|()| ["SPIR-V", "MSL", "HLSL"].map(made).to_vec())
    }
    fn triton(&mut self, _: &Source, _: &str, signature: &[String], block: u32) -> Result<Compiled, Obstacle> {
        self.asked.push(format!("{} of {block}", signature.join(" ")));
        let made = |what: &&str| Artefact { what: (*what).into(), by: "Triton 3.6".into(), bytes: vec![1] };
        let (python, left_out) = ("python3".into(), vec!["no hsaco for gfx90a: no such target".into()]);
        self.triton.clone().map(|all| Compiled { python, artefacts: all.iter().map(made).collect(), left_out })
    }
    fn emulate(&mut self, _: &Source, _: &str) -> Result<(String, String), Obstacle> {
        self.emulates.clone().map(|()| ("/lib".into(), "CUDA on fibers, g++ 12".into()))
    }
    fn races(&mut self, _: &Source, _: &str, launches: &[Watched]) -> Result<Vec<(usize, String)>, Obstacle> {
        self.asked.push(format!("{} launches", launches.len()));
        self.races.clone()
    }
}

/// A process for kernels that loads what it is told to.
struct Loads(Result<Place, Broken>);

impl Runner for Loads {
    fn load(&mut self, _: &Target) -> Result<u32, Broken> {
        self.0.clone().map(|_| 0)
    }
    fn run(&mut self, _: &[Invoke]) -> Result<Batch, Broken> {
        Err(Broken::Machine("nothing runs here".into()))
    }
    fn containment(&self) -> Containment {
        Containment::default()
    }
    fn place(&self) -> Option<&Place> {
        self.0.as_ref().ok()
    }
}

fn none() -> Loads {
    Loads(Err(Broken::Load("Vulkan finds no device".into())))
}

fn ready(backend: Backend, tools: &mut Fake, runner: &mut Loads) -> Result<Ready, Refused> {
    let manifest = read(MANIFEST).unwrap();
    let source = Source::new("rows.cu", "");
    prepare(&manifest, backend, &source, Tried::Seed(7), tools, runner)
}

fn level(backend: Backend, mut tools: Fake, mut runner: Loads) -> String {
    match ready(backend, &mut tools, &mut runner) {
        Ok(ready) => {
            let races: Vec<&str> = ready.races.iter().map(|(_, said)| said.as_str()).collect();
            let run = if ready.target.is_some() { ", to be run" } else { "" };
            [
                &[format!("{}{run}", ready.level).as_str()],
                &ready.left_out.iter().map(String::as_str).collect::<Vec<_>>()[..],
                &races,
            ]
            .concat()
            .join("; ")
        }
        Err(refused) => format!("{refused:?}"),
    }
}

#[test]
fn cuda_goes_as_far_as_the_machine_does_and_no_further() {
    let cuda = |tools: Fake| level(Backend::Cuda, tools, none());
    insta::assert_snapshot!([
        cuda(Fake { device: true, ..NOTHING }),
        cuda(NOTHING),
        cuda(Fake { compiles: missing("the loader finds no libnvrtc"), ..NOTHING }),
        cuda(Fake { emulates: missing("there is no C++ compiler"), ..NOTHING }),
        cuda(Fake { emulates: missing("there is no C++ compiler"), compiles: missing("no libnvrtc"), ..NOTHING }),
        cuda(Fake { device: true, compiles: missing("no libnvrtc"), ..NOTHING }),
        cuda(Fake { races: missing("it doesn't start here"), ..NOTHING }),
        cuda(Fake { races: Ok(vec![(0, "read at a:1, write at a:2".into())]), ..NOTHING }),
        cuda(Fake { compiles: wrong("rows.cu(2): error"), ..NOTHING }),
        cuda(Fake { emulates: wrong("rows.cu:2:1: error"), ..NOTHING }),
    ].join("\n"), @r#"
    ran-on-device (Some GPU, sm_90, CUDA 13.0), to be run
    ran-emulated (CUDA on fibers, g++ 12; the thread sanitizer watched 4 launches), to be run; not run on a device: there is no NVIDIA driver
    ran-emulated (CUDA on fibers, g++ 12; the thread sanitizer watched 4 launches), to be run; not compiled: the loader finds no libnvrtc; not run on a device: there is no NVIDIA driver
    compiled; not run on a device: there is no NVIDIA driver; not emulated: there is no C++ compiler
    skipped: not compiled: no libnvrtc; not run on a device: there is no NVIDIA driver; not emulated: there is no C++ compiler; not compiled: no libnvrtc; not run on a device: there is no NVIDIA driver; not emulated: there is no C++ compiler
    ran-emulated (CUDA on fibers, g++ 12; the thread sanitizer watched 4 launches), to be run; not compiled: no libnvrtc; not run on the device, for want of code
    ran-emulated (CUDA on fibers, g++ 12), to be run; not run on a device: there is no NVIDIA driver; not watched by the thread sanitizer: it doesn't start here
    ran-emulated (CUDA on fibers, g++ 12; the thread sanitizer watched 4 launches), to be run; not run on a device: there is no NVIDIA driver; read at a:1, write at a:2
    Kernel("rows.cu(2): error")
    Kernel("rows.cu:2:1: error")
    "#);
}

#[test]
fn without_a_device_all_architectures_are_compiled_for_and_launches_watched() {
    let mut tools = NOTHING;
    let made = ready(Backend::Cuda, &mut tools, &mut none()).unwrap();
    assert_eq!(tools.asked, ["sm_80", "sm_90", "sm_100", "4 launches"]);
    assert_eq!((made.artefacts.len(), made.watched), (3, Some(4)));
}

#[test]
fn wgsl_goes_as_far_as_the_machine_does_and_no_further() {
    let place = |device: &str, software| Place { device: device.into(), driver: "Mesa 22".into(), software };
    let wgpu = |tools: Fake, runner| level(Backend::Wgpu, tools, runner);
    insta::assert_snapshot!([
        wgpu(NOTHING, Loads(Ok(place("Some GPU", false)))),
        wgpu(NOTHING, Loads(Ok(place("llvmpipe (LLVM 15)", true)))),
        wgpu(NOTHING, Loads(Ok(place("SwiftShader", true)))),
        wgpu(NOTHING, none()),
        wgpu(NOTHING, Loads(Err(Broken::Faulted("bindings differ".into())))),
        wgpu(Fake { translates: missing("this build has no WGSL"), ..NOTHING }, none()),
        wgpu(Fake { translates: wrong("rows.wgsl:2: no such type"), ..NOTHING }, none()),
    ].join("\n"), @r#"
    ran-on-device (Some GPU, Mesa 22), to be run
    ran-emulated (lavapipe: llvmpipe (LLVM 15), Mesa 22), to be run
    ran-emulated (SwiftShader, Mesa 22), to be run
    parsed; not run: Vulkan finds no device
    Kernel("the kernel went wrong: bindings differ")
    skipped: this build has no WGSL
    Kernel("rows.wgsl:2: no such type")
    "#);
}

#[test]
fn triton_goes_as_far_as_the_machine_does_and_no_further() {
    let place =
        Place { device: "Triton 3.6.0's interpreter".into(), driver: "NumPy 2.3, Python 3.11".into(), software: true };
    let triton = |tools: Fake, runner| level(Backend::Triton, tools, runner);
    let compiled = || Fake { triton: Ok(vec!["cubin for sm_80"]), ..NOTHING };
    insta::assert_snapshot!([
        triton(compiled(), Loads(Ok(place.clone()))),
        triton(NOTHING, Loads(Ok(place))),
        triton(compiled(), Loads(Err(Broken::Load("this Python has no NumPy".into())))),
        triton(NOTHING, Loads(Err(Broken::Load("this Python has no NumPy".into())))),
        triton(compiled(), Loads(Err(Broken::Faulted("rows.py:3: name 'x' is not defined".into())))),
        triton(Fake { triton: missing("there is no python3"), ..NOTHING }, none()),
        triton(Fake { triton: wrong("rows.py:7: invalid syntax"), ..NOTHING }, none()),
    ].join("\n"), @r#"
    ran-emulated (Triton 3.6.0's interpreter, NumPy 2.3, Python 3.11), to be run; no hsaco for gfx90a: no such target; not run on a device: what Triton compiles is not launched from here
    ran-emulated (Triton 3.6.0's interpreter, NumPy 2.3, Python 3.11), to be run; no hsaco for gfx90a: no such target; not run on a device: what Triton compiles is not launched from here
    compiled; no hsaco for gfx90a: no such target; not run: this Python has no NumPy; not run on a device: what Triton compiles is not launched from here
    skipped: no hsaco for gfx90a: no such target; not run: this Python has no NumPy; no hsaco for gfx90a: no such target; not run: this Python has no NumPy; not run on a device: what Triton compiles is not launched from here
    Kernel("the kernel went wrong: rows.py:3: name 'x' is not defined")
    skipped: there is no python3
    Kernel("rows.py:7: invalid syntax")
    "#);
}

#[test]
fn triton_is_told_what_the_struct_of_sizes_holds() {
    let mut tools = Fake { triton: Ok(vec!["cubin for sm_80"]), ..NOTHING };
    ready(Backend::Triton, &mut tools, &mut none()).unwrap();
    assert_eq!(tools.asked, ["*fp32 *fp32 i32 i32 i32 i32 fp32 of 256"]);
    let with = MANIFEST.replace("rows.py, entry: rows,", "rows.py, entry: rows, with: [other.py],");
    assert!(read(&with).unwrap_err().contains("a Triton source stands alone"));
}

#[test]
fn launches_that_can_not_be_are_refused_where_they_stand() {
    let with = |launch: &str| {
        read(&MANIFEST.replace("launch: {block: 128, tile: [1]}}\n  wgpu", &format!("launch: {launch}}}\n  wgpu")))
    };
    let refused = |launch: &str| with(launch).err().unwrap_or_else(|| "fine".into());
    assert_eq!(refused("{block: 64, tile: [2]}"), "fine");
    for launch in ["{block: 2048, tile: [1]}", "{tile: [1]}", "{block: [1, 2], tile: [1]}"] {
        assert!(refused(launch).contains("from 1 to 1024"), "{}", refused(launch));
    }
    for launch in ["{block: 128}", "{block: 128, tile: [1, 1]}", "{block: 128, tile: [0]}", "{block: 128, tile: 1..3}"]
    {
        assert!(refused(launch).contains("a list of 1 sizes above 0"), "{}", refused(launch));
    }
    assert!(refused("{block: 128, tile: [1], grid: 3}").contains("`grid` is nothing that a launch has"));
    let other =
        read(&MANIFEST.replace("softmax", "rope").replace("{R: 0..40, N: 1..300}", "{S: 1..3, H: 1..2, D: [8]}"));
    assert!(other.unwrap_err().contains("there is no interface for rope on a GPU yet"));
}

#[test]
fn sources_come_with_what_they_need() {
    let manifest = read(MANIFEST).unwrap();
    let text = |path: &str| Ok(format!("text of {path}"));
    let shown = |path: &str| format!("kernels/{path}");
    let cuda = source(manifest.targets.cuda.as_ref().unwrap(), &shown, &text).unwrap();
    assert_eq!((cuda.name.as_str(), cuda.text.as_str()), ("kernels/rows.cu", "text of rows.cu"));
    let names = |source: &Source| source.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&cuda), ["bizra_gpu.h", "reduce.cuh"]);
    let wgsl = source(manifest.targets.wgpu.as_ref().unwrap(), &shown, &text).unwrap();
    assert_eq!(names(&wgsl), ["kernels/../gpu/math.wgsl"]);
}
