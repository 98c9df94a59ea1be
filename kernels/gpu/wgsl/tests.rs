use super::*;
use crate::gpu::testing::{Attend, attention_cases, close, quantised_cases, row_cases};

fn ours(name: &str) -> Source {
    Source::ours().into_iter().find(|s| s.name == name).unwrap()
}

#[test]
fn our_sources_translate_to_three_languages() {
    for source in Source::ours().into_iter().filter(|s| !s.is_cuda()) {
        let entry = source.text.rsplit("fn ").find(|_| true).and_then(|t| t.split('(').next()).unwrap();
        let all = translate(&source, entry).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(all.iter().map(|t| t.language).collect::<Vec<_>>(), ["SPIR-V", "MSL", "HLSL"]);
        assert_eq!(&all[0].code[..4], 0x0723_0203_u32.to_le_bytes());
        assert!(String::from_utf8_lossy(&all[1].code).contains("kernel void"));
        assert!(String::from_utf8_lossy(&all[2].code).contains("numthreads"));
    }
}

#[test]
fn refusals_name_file_and_line() {
    let refused = |text: &str, entry: &str| match translate(&Source::new("bad.wgsl", text).with("a", "// one\n"), entry)
    {
        Err(Fault::Kernel(why)) => why,
        other => panic!("{other:?}"),
    };
    let good = "@compute @workgroup_size(1)\nfn f() {}\n";
    assert!(refused("\nfn f( {}", "f").starts_with("bad.wgsl:2: "));
    let wrong = refused("fn f() -> u32 {\n  let x = 1u;\n  return x + 1.5f;\n}", "f");
    assert!(wrong.starts_with("bad.wgsl:"), "{wrong}");
    assert_eq!(refused(good, "g"), "bad.wgsl: there is no `@compute` function `g`");
}

/// The device, or the reason why this was skipped.
fn gpu() -> Option<Gpu> {
    Gpu::open().map_err(|why| println!("skipped: {why}")).ok()
}

#[test]
fn our_kernels_are_right_where_there_is_a_device() {
    let Some(gpu) = gpu() else { return };
    for (case, file, entry) in row_cases("wgsl", 1).into_iter().chain(quantised_cases("wgsl", [2, 4])) {
        let kernel = gpu.load(&ours(file), entry, &case.written()).unwrap();
        close(&case, |buffers, launch| kernel.launch(buffers, launch));
    }
    for (tile, file, entry) in [(1, "attention/attention.wgsl", "attention"), (8, "attention/flash.wgsl", "flash")] {
        let kernel = gpu.load(&ours(file), entry, &Attend::WRITTEN).unwrap();
        for case in attention_cases(tile) {
            close(&case, |buffers, launch| kernel.launch(buffers, launch));
        }
    }
}

#[test]
fn what_a_kernel_does_wrong_is_told() {
    let Some(gpu) = gpu() else { return };
    let source = Source::new(
        "f.wgsl",
        "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n@compute @workgroup_size(1)\nfn f() { x[0] = 1.0; }\n",
    );
    let error = gpu.load(&source, "f", &[false]).unwrap_err().to_string();
    assert!(error.contains("binding"), "{error}");
    let kernel = gpu.load(&source, "f", &[true]).unwrap();
    let mut bytes = [0; 4];
    let launch = Launch { grid: [1, 1, 1], block: 1, sizes: vec![0] };
    kernel.launch(&mut [Buffer::Output(&mut bytes)], &launch).unwrap();
    assert_eq!(f32::from_le_bytes(bytes), 1.0);
    assert!(kernel.launch(&mut [], &launch).is_err());
}
