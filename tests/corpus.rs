//! The inputs that fuzzing has kept, again through what fuzzing looks at. `cargo xtask fuzz --keep` brings new ones.

use std::panic::catch_unwind;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::{Look, TARGETS, kept};

/// Fails naming the line of the first input that breaks a promise; what was broken stands above.
fn replay(name: &str, look: Look) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/corpus/{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("fuzz/corpus/{name}.txt: {cause}"));
    let inputs = kept::inputs(&text).unwrap_or_else(|line| panic!("fuzz/corpus/{name}.txt:{line}: this is no input"));
    assert!(!inputs.is_empty(), "fuzz/corpus/{name}.txt is empty");
    for (input, line) in inputs.iter().zip(1..) {
        assert!(catch_unwind(|| look(input)).is_ok(), "fuzz/corpus/{name}.txt:{line}");
    }
}

#[test]
fn what_fuzzing_has_kept_breaks_no_promise() {
    std::thread::scope(|scope| {
        for (name, look) in TARGETS {
            scope.spawn(|| replay(name, *look));
        }
    });
}

#[test]
fn inputs_come_back_from_their_lines() {
    let all: Vec<u8> = (0..=255).collect();
    for input in [&all[..], b"", b"\\x41", "é\n\"'\t".as_bytes()] {
        let line = kept::line(input);
        assert!(line.is_ascii() && !line.contains('\n'), "{line}");
        assert_eq!(kept::inputs(&format!("{line}\n")), Ok(vec![input.to_vec()]));
    }
    assert_eq!(kept::inputs("fine\n\\x4"), Err(2));
    assert_eq!(kept::inputs("\\q"), Err(1));
}
