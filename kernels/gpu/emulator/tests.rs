use std::process::Command;

use super::*;
use crate::gpu::testing::{Case as Known, attention_cases, close, floats, quantised_cases, row_cases};

fn ours(name: &str) -> Source {
    Source::ours().into_iter().find(|s| s.name == name).unwrap()
}

/// A folder with what the system's compiler made, or none where there is no such compiler.
fn build(source: &Source, entry: &str, sanitized: bool) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files(source, entry).unwrap() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let kind = if sanitized { SANITIZED } else { LIBRARY };
    let made = Command::new("c++")
        .current_dir(folder.path())
        .args(OPTIONS)
        .args(kind)
        .args(["-w", UNIT, "-o", "made"])
        .output();
    match made {
        Ok(made) if made.status.success() => Some(folder),
        Ok(made) => panic!("{}", String::from_utf8_lossy(&made.stderr)),
        Err(why) => {
            println!("skipped: c++ can't be started: {why}");
            None
        }
    }
}

fn library(folder: &tempfile::TempDir) -> Emulated {
    Emulated::load(&folder.path().join("made")).unwrap()
}

#[test]
fn our_kernels_are_right_where_there_is_a_compiler() {
    let mut last: Option<(&str, Emulated, tempfile::TempDir)> = None;
    for (case, file, entry) in row_cases("cu", 1).into_iter().chain(quantised_cases("cu", [4, 4])) {
        if last.as_ref().is_none_or(|(name, ..)| *name != entry) {
            let Some(folder) = build(&ours(file), entry, false) else { return };
            last = Some((entry, library(&folder), folder));
        }
        let Some((_, kernel, _)) = &mut last else { return };
        close(&case, |buffers, launch| kernel.launch(buffers, launch));
    }
    for (tile, file, entry) in [(1, "attention/attention.cu", "attention"), (16, "attention/flash.cu", "flash")] {
        let Some(folder) = build(&ours(file), entry, false) else { return };
        let mut kernel = library(&folder);
        for case in attention_cases(tile) {
            for _ in 0..4 {
                close(&case, |buffers, launch| kernel.launch(buffers, launch));
            }
        }
    }
}

/// The kernel without its `n`th barrier, and where that stood.
fn without(source: &Source, file: &str, nth: usize) -> Option<Source> {
    let mut broken = source.clone();
    let text = match broken.headers.iter_mut().find(|(name, _)| name == file) {
        Some((_, text)) => text,
        None => &mut broken.text,
    };
    let (at, barrier) = text.match_indices("__sync").nth(nth)?;
    let end = at + text[at..].find(';')?;
    assert!(barrier.len() < end - at);
    text.replace_range(at..end, "");
    Some(broken)
}

fn bits(kernel: &mut Emulated, case: &Known) -> Vec<u8> {
    let mut out = vec![0x55; case.truth.len() * 4];
    let mut buffers: Vec<Buffer<'_>> = case.inputs.iter().map(|b| Buffer::Input(b)).collect();
    buffers.push(Buffer::Output(&mut out));
    kernel.launch(&mut buffers, &case.launch).unwrap();
    out
}

/// What the sanitizer says about one launch. None where it doesn't start here, as under a strict randomisation of addresses.
fn sanitized(source: &Source, entry: &str, case: &Known) -> Option<Vec<Race>> {
    let folder = build(source, entry, true)?;
    let mut out = vec![0u8; case.truth.len() * 4];
    let mut buffers: Vec<Buffer<'_>> = case.inputs.iter().map(|b| Buffer::Input(b)).collect();
    buffers.push(Buffer::Output(&mut out));
    let input = Case { buffers: &buffers, launch: &case.launch }.bytes();
    let place = |name| folder.path().join(name);
    std::fs::write(place("in"), &input).unwrap();
    let mut command = Command::new(place("made"));
    command.args([place("in"), place("out")]).env("TSAN_OPTIONS", format!("exitcode={RACE}"));
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    if said.contains("FATAL: ThreadSanitizer") {
        println!("skipped: {said}");
        return None;
    }
    let races = races(&said, source);
    assert_eq!(ended.status.code(), Some(if races.is_empty() { 0 } else { RACE }), "{said}");
    let whole = case.inputs.iter().map(Vec::len).sum::<usize>() + out.len();
    let left = std::fs::read(place("out")).unwrap();
    assert_eq!(left.len(), whole);
    if races.is_empty() {
        let got = floats(&left[whole - out.len()..]);
        assert!(got.iter().zip(&case.truth).all(|(g, t)| (f64::from(*g) - t).abs() <= case.bound));
    }
    Some(races)
}

#[test]
fn a_dropped_barrier_changes_the_bits_under_fibers() {
    let source = ours("attention/flash.cu");
    let case = &attention_cases(16)[0];
    let mut missed = Vec::new();
    for nth in 0..2 {
        let Some(broken) = without(&source, "", nth) else { panic!("no barrier {nth}") };
        let Some(folder) = build(&broken, "flash", false) else { return };
        let mut kernel = library(&folder);
        let all: Vec<Vec<u8>> = (0..4).map(|_| bits(&mut kernel, case)).collect();
        if all.windows(2).all(|pair| pair[0] == pair[1]) {
            missed.push(nth);
        }
    }
    assert_eq!(missed, [0; 0]);
}

#[test]
fn the_sanitizer_finds_each_dropped_barrier_and_nothing_in_the_right_kernel() {
    let source = ours("attention/flash.cu");
    let case = &attention_cases(16)[1];
    match sanitized(&source, "flash", case) {
        Some(races) => assert_eq!(races, []),
        None => return,
    }
    for nth in 0..3 {
        let broken = without(&source, "", nth).unwrap();
        let races = sanitized(&broken, "flash", case).unwrap();
        assert!(races.iter().any(|race| race.sides.len() == 2), "barrier {nth}: {races:?}");
        assert!(races[0].sides[0].contains("of size 4 at attention/flash.cu:"), "{races:?}");
    }
}

#[test]
fn threads_at_different_barriers_and_other_parameters_are_told() {
    let source = Source::new(
        "split.cu",
        "extern \"C\" __global__ void split(float *y, unsigned n) {\n  if (threadIdx.x < 16) __syncwarp();\n  else __syncthreads();\n  y[threadIdx.x] = n;\n}\n",
    );
    let Some(folder) = build(&source, "split", false) else { return };
    let mut kernel = library(&folder);
    let mut out = [0u8; 128];
    let launch = Launch { grid: [1, 1, 1], block: 32, sizes: vec![3] };
    let error = kernel.launch(&mut [Buffer::Output(&mut out)], &launch).unwrap_err();
    assert_eq!(error.to_string(), "threads of one block wait for different barriers");
    let wide = Launch { sizes: vec![3, 4], ..launch };
    let error = kernel.launch(&mut [Buffer::Output(&mut out)], &wide).unwrap_err();
    assert!(matches!(error, Fault::Kernel(_)) && error.to_string().contains("other parameters"), "{error}");
}

#[test]
fn entries_are_names_of_functions() {
    let source = Source::new("a.cu", "");
    for entry in ["", "1a", "a b", "a;system(0)", "a\n"] {
        assert!(files(&source, entry).is_none(), "{entry:?}");
    }
}
