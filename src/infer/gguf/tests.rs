use proptest::prelude::*;

use super::write::{Put, Writer};
use super::*;

fn sample() -> Writer {
    Writer::new()
        .key("general.architecture", Put::Str("llama"))
        .key("a.count", Put::U32(7))
        .key("a.flag", Put::Bool(true))
        .key("a.names", Put::Strings(&["x", "", "zwölf"]))
        .key("a.floats", Put::Floats(&[0.5, -2.0]))
        .key("a.integers", Put::Integers(&[-1, 3]))
        .tensor("one.weight", &[4, 3], DType::F32)
        .tensor("two.weight", &[64], DType::Q8_0)
}

fn bytes(writer: &Writer) -> Vec<u8> {
    let mut out = Vec::new();
    let sizes = [48usize, 68];
    writer.write(&mut out, |n| Ok(vec![n as u8 + 1; sizes[n]])).expect("writing to memory");
    out
}

fn fault(file: &[u8]) -> Fault {
    Gguf::parse(file).expect_err("must be refused").fault
}

/// The sample with `new` in place of the only occurrence of `old`.
fn patched(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut file = bytes(&sample());
    let at: Vec<_> = (0..file.len() - old.len()).filter(|&i| &file[i..i + old.len()] == old).collect();
    assert_eq!(at.len(), 1, "{old:?} occurs at {at:?}");
    file[at[0]..at[0] + new.len()].copy_from_slice(new);
    file
}

#[test]
fn reads_what_was_written() {
    let file = bytes(&sample());
    let gguf = Gguf::parse(&file).expect("valid");
    assert_eq!((gguf.version(), gguf.alignment()), (3, 32));
    assert_eq!(gguf.get("general.architecture").and_then(|v| v.as_str()), Some("llama"));
    assert_eq!(gguf.get("a.count").and_then(|v| v.as_u64()), Some(7));
    assert_eq!(gguf.get("a.flag").and_then(|v| v.as_bool()), Some(true));
    let array = |key| gguf.get(key).and_then(|v: Value<'_>| v.as_array()).expect("array");
    assert_eq!(array("a.names").strings().expect("strings").collect::<Vec<_>>(), ["x", "", "zwölf"]);
    assert_eq!(array("a.floats").floats().expect("floats").collect::<Vec<_>>(), [0.5, -2.0]);
    assert_eq!(array("a.integers").integers().expect("integers").collect::<Vec<_>>(), [-1, 3]);
    assert!(array("a.names").floats().is_none() && array("a.floats").integers().is_none());
    let two = gguf.tensor("two.weight").expect("there");
    assert_eq!((two.dims.as_slice(), two.dtype), (&[64][..], DType::Q8_0));
    assert_eq!(two.data, [2; 68]);
    assert_eq!(two.offset, gguf.data_start() + 64);
    assert!(gguf.tensor("three").is_none() && gguf.get("three").is_none());
}

#[test]
fn version_2_reads_alike_and_others_are_named() {
    let mut file = bytes(&sample());
    file[4] = 2;
    assert_eq!(Gguf::parse(&file).expect("valid").version(), 2);
    file[4] = 1;
    assert_eq!(fault(&file), Fault::Version(1));
    file[4] = 4;
    assert_eq!(fault(&file), Fault::Version(4));
    file[4..8].copy_from_slice(&[0, 0, 0, 3]);
    assert_eq!(fault(&file), Fault::BigEndian);
    file[0] = b'X';
    assert_eq!(fault(&file), Fault::Magic(*b"XGUF"));
}

#[test]
fn truncated_anywhere_is_refused() {
    let file = bytes(&sample());
    let data_end = Gguf::parse(&file).expect("valid").tensors().iter().map(|t| t.offset as usize + t.data.len()).max();
    for cut in 0..data_end.expect("two tensors") {
        let error = Gguf::parse(&file[..cut]).expect_err("cut files are refused");
        assert!(error.offset <= cut as u64, "{error}");
    }
}

#[test]
fn flipped_bytes_never_panic_and_stay_consistent() {
    let file = bytes(&sample());
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut broken = file.clone();
            broken[at] ^= 1 << bit;
            if let Ok(gguf) = Gguf::parse(&broken) {
                check_consistent(&gguf, broken.len());
            }
        }
    }
}

fn check_consistent(gguf: &Gguf<'_>, file: usize) {
    for (_, value) in gguf.metadata() {
        if let Some(array) = value.as_array() {
            let _ = array.strings().map(Iterator::count);
            let _ = array.floats().map(Iterator::count);
            let _ = array.integers().map(Iterator::count);
        }
    }
    let mut spans: Vec<_> = gguf.tensors().iter().map(|t| (t.offset, t.offset + t.data.len() as u64)).collect();
    spans.sort();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
    assert!(spans.last().is_none_or(|last| last.1 <= file as u64));
    for tensor in gguf.tensors() {
        assert_eq!(
            tensor.dtype.bytes(tensor.dims.width(), tensor.dims.rows().expect("checked")),
            Some(tensor.data.len() as u64)
        );
    }
}

#[test]
fn absurd_counts_are_refused_before_anything_is_kept() {
    let mut file = bytes(&sample());
    file[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(fault(&file), Fault::Count { what: "tensors", count: u64::MAX, .. }));
    file[16..24].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(matches!(fault(&file), Fault::Count { what: "keys", .. }));
    let long = patched(&20u64.to_le_bytes(), &u64::MAX.to_le_bytes());
    assert!(matches!(fault(&long), Fault::Length { what: "key", length: u64::MAX, .. }));
    let array = patched(&[8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], &[8, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert!(matches!(fault(&array), Fault::Count { what: "array items", .. }));
}

#[test]
fn names_are_utf8_and_unique() {
    assert!(matches!(fault(&patched(b"a.flag", b"a.f\xffag")), Fault::NotUtf8("key")));
    assert!(matches!(fault(&patched(b"two.weight", b"two.w\xffight")), Fault::NotUtf8("tensor name")));
    assert!(matches!(fault(&patched("zwölf".as_bytes(), b"zw\xff\xfflf")), Fault::NotUtf8("string")));
    let twice = sample().key("a.count", Put::U32(1));
    let error = Gguf::parse(&bytes(&twice)).expect_err("twice");
    assert!(matches!(error.fault, Fault::Duplicate { .. }));
    assert_eq!(error.place, Place::Key("a.count".to_owned()));
    assert!(matches!(fault(&patched(b"two.weight", b"one.weight")), Fault::Duplicate { .. }));
}

#[test]
fn alignment_is_a_power_of_two_and_defaults_to_32() {
    let at = |alignment: u32| {
        let writer = Writer::new().key("general.alignment", Put::U32(alignment)).tensor("t", &[1], DType::F32);
        let mut file = Vec::new();
        writer.write(&mut file, |_| Ok(vec![0; 4])).expect("memory");
        file
    };
    assert_eq!(fault(&at(0)), Fault::Alignment(0));
    assert_eq!(fault(&at(24)), Fault::Alignment(24));
    assert_eq!(Gguf::parse(&at(8)).expect("valid").alignment(), 8);
    let wrong = Writer::new().key("general.alignment", Put::Str("32")).header();
    assert!(matches!(fault(&wrong), Fault::AlignmentType(_)));
    let mut wide = Vec::new();
    let writer = Writer::new().aligned(128).tensor("t", &[1], DType::F32).tensor("u", &[1], DType::F32);
    writer.write(&mut wide, |n| Ok(vec![n as u8; 4])).expect("memory");
    let gguf = Gguf::parse(&wide).expect("valid");
    assert!(gguf.tensors().iter().all(|t| t.offset.is_multiple_of(128)));
}

#[test]
fn tensors_lie_inside_aligned_and_apart() {
    let file = bytes(&sample());
    let second = file.windows(10).position(|w| w == b"two.weight").expect("there");
    let offset_at = second + 10 + 4 + 8 + 4;
    let with_offset = |offset: u64| {
        let mut file = file.clone();
        file[offset_at..offset_at + 8].copy_from_slice(&offset.to_le_bytes());
        fault(&file)
    };
    assert_eq!(with_offset(8), Fault::Misaligned { relative: 8, alignment: 32 });
    assert_eq!(with_offset(32), Fault::Overlap { other: "one.weight".to_owned() });
    assert!(matches!(with_offset(1 << 20), Fault::Outside { .. }));
    assert_eq!(with_offset(u64::MAX - 31), Fault::TooLarge);
    let mut typed = file.clone();
    typed[offset_at - 4] = 23;
    assert!(matches!(fault(&typed), Fault::Unsupported(u) if u.id == 23));
    typed[offset_at - 4] = DType::Q6K.ggml_id() as u8;
    assert!(matches!(fault(&typed), Fault::Blocks { width: 64, block: 256, .. }));
    let mut ranked = file.clone();
    ranked[second + 10] = 5;
    assert_eq!(fault(&ranked), Fault::Rank(5));
    let mut empty = file.clone();
    empty[second + 14] = 0;
    assert_eq!(fault(&empty), Fault::ZeroDimension(0));
    let mut huge = file;
    huge[second + 14..second + 22].copy_from_slice(&(u64::MAX - 31).to_le_bytes());
    assert_eq!(fault(&huge), Fault::TooLarge);
}

#[test]
fn the_writer_refuses_data_of_another_size() {
    let writer = Writer::new().tensor("t", &[2], DType::F32);
    assert!(writer.write(&mut Vec::new(), |_| Ok(vec![0; 4])).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut file = b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        file.extend(tail);
        if let Ok(gguf) = Gguf::parse(&file) {
            check_consistent(&gguf, file.len());
        }
    }

    #[test]
    fn overwritten_spans_never_panic(at in 0usize..400, span in proptest::collection::vec(any::<u8>(), 1..16)) {
        let mut file = bytes(&sample());
        let at = at % (file.len() - span.len());
        file[at..at + span.len()].copy_from_slice(&span);
        if let Ok(gguf) = Gguf::parse(&file) {
            check_consistent(&gguf, file.len());
        }
    }
}
