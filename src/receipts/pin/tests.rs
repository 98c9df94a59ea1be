use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::super::checkpoint::NoteSigner;
use super::*;

fn signer(name: &str) -> NoteSigner {
    NoteSigner::new(name, SigningKey::from_bytes(&[7; 32])).unwrap()
}

fn note(signer: &NoteSigner, size: u64, root: u8) -> Vec<u8> {
    let checkpoint = Checkpoint { origin: signer.name().into(), size, root: [root; 32] };
    checkpoint.sign(signer).unwrap().into_bytes()
}

fn add(pins: &mut Pins, signer: &NoteSigner, size: u64, root: u8) -> Result<bool, Option<Code>> {
    let added = pins.add(&signer.verifier(), &note(signer, size, root), |_| true);
    added.map_err(|error| error.code())
}

fn pins() -> Pins {
    let mut pins = Pins::default();
    for (name, size, root) in [("b/2", 5, 1), ("a/1", 0, 2), ("b/2", 9, 3)] {
        assert_eq!(add(&mut pins, &signer(name), size, root), Ok(true));
    }
    pins
}

#[test]
fn a_file_in_full() {
    let text = pins().to_string();
    insta::assert_snapshot!(text, @r#"
    bizra pin v1
    log a/1+ee0b850a+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs
    0 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= 7guFCr+dHEVcF22+9xQfX6pFIlJtmZqi2b3AYKwUKu7vuHVWIsPoY2VsOI4BLYzLAzZOZnKb8kjyalaD0TZqPLxexQs=
    log b/2+7004d7d2+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs
    5 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= cATX0hhBxIYRW2rF5lmsX1gcYRCfze/c4BJ6SN8eK0mZQ8Aup8NNsmm7CTqH/ad0Mae79JxFKrFJ9CKIWuUkNqsf7gA=
    9 AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM= cATX0vI0BL/02+Eha0OopqAZz+8PBUsJOBb9lVGgdtFpPTsmGL1vVBtPPzrHiYT4l11VutmOPNz78F6Y4PGNlZfhVw4=
    "#);
    assert_eq!(Pins::parse(text.as_bytes()), Ok(pins()));
    assert_eq!(Pins::parse(b"bizra pin v1\n"), Ok(Pins::default()));
}

#[test]
fn only_growth_is_pinned() {
    let mut pins = pins();
    let log = signer("b/2");
    assert_eq!(add(&mut pins, &log, 9, 3), Ok(false));
    assert_eq!(add(&mut pins, &log, 8, 3), Err(Some(Code::Rollback)));
    assert_eq!(add(&mut pins, &log, 9, 4), Err(Some(Code::Fork)));
    let other_key = NoteSigner::new("b/2", SigningKey::from_bytes(&[8; 32])).unwrap();
    assert_eq!(add(&mut pins, &other_key, 20, 3), Err(Some(Code::CheckpointKey)));
    let stray = pins.add(&log.verifier(), &note(&other_key, 20, 3), |_| true);
    assert_eq!(stray.unwrap_err().code(), Some(Code::CheckpointKey));
    let torn = pins.add(&log.verifier(), b"b/2\n20\n", |_| true);
    assert_eq!(torn.unwrap_err().code(), Some(Code::CheckpointMalformed));

    let mut asked = Vec::new();
    let refused = pins.add(&log.verifier(), &note(&log, 20, 3), |pinned| {
        asked.push(pinned.size);
        pinned.size != 5
    });
    assert_eq!(refused.unwrap_err().code(), Some(Code::PinInconsistent));
    assert_eq!(asked, [5, 9]);
    assert_eq!(add(&mut pins, &log, 20, 3), Ok(true));
    assert_eq!(pins.log("b/2").and_then(PinnedLog::newest).map(|newest| newest.size), Some(20));
}

#[test]
fn judging_says_all_there_is_to_say() {
    let pins = pins();
    let log = pins.log("b/2").unwrap();
    let current = |size, root| Checkpoint { origin: "b/2".into(), size, root: [root; 32] };
    let codes = |current: &Checkpoint, continues: bool| -> Vec<Code> {
        log.judge(current, |_| continues).iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&current(9, 3), true), []);
    assert_eq!(codes(&current(12, 9), true), []);
    assert_eq!(codes(&current(12, 9), false), [Code::PinInconsistent; 2]);
    assert_eq!(codes(&current(4, 9), true), [Code::Rollback; 2]);
    assert_eq!(codes(&current(9, 9), true), [Code::Fork]);
    assert!(log.judge(&current(4, 9), |_| true)[1].detail.contains("pin=9 got=4"));
}

#[test]
fn one_spelling_only() {
    let good = pins().to_string();
    let lines: Vec<&str> = good.lines().collect();
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (head, a, a0, b, b5, b9) = (lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]);
    let zero = b5.replacen("5 ", "05 ", 1);
    let space = b5.replacen("5 ", "5  ", 1);
    let resized = b5.replacen("5 ", "6 ", 1);
    for (name, text, code, line) in [
        ("no header", join(&[a, a0]), None, 1),
        ("empty", String::new(), None, 1),
        ("another version", good.replace("pin v1", "pin v2"), None, 1),
        ("no newline", good.trim_end().to_owned(), None, 6),
        ("no log", join(&[head, a0]), None, 2),
        ("log without pins", join(&[head, a, b, b5]), None, 2),
        ("log without pins at the end", join(&[head, a, a0, b]), None, 4),
        ("logs out of order", join(&[head, b, b5, a, a0]), None, 4),
        ("log twice", join(&[head, b, b5, b, b9]), None, 4),
        ("leading zero", join(&[head, b, &zero]), None, 3),
        ("two spaces", join(&[head, b, &space]), None, 3),
        ("empty line", join(&[head, b, b5, ""]), None, 4),
        ("falling sizes", join(&[head, b, b9, b5]), Some(Code::PinRegress), 4),
        ("same size", join(&[head, b, b5, b5]), Some(Code::PinRegress), 4),
        ("another size", join(&[head, b, &resized]), Some(Code::PinSignature), 3),
        ("another log's line", join(&[head, b, a0]), Some(Code::PinSignature), 3),
    ] {
        let error = Pins::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(&format!("bizra.pin:{line}: ")), "{name}: {error}");
    }
    assert!(matches!(Pins::parse(&vec![b' '; MAX_BYTES + 1]), Err(PinError::TooLong { .. })));
    assert!(Pins::parse(b"bizra pin v1\n\xff\n").unwrap_err().to_string().contains("bizra.pin:2: "));
}

proptest! {
    #[test]
    fn what_is_accepted_has_one_spelling(bytes: Vec<u8>, at: prop::sample::Index, to: u8) {
        let _ = Pins::parse(&bytes);
        let mut mutated = pins().to_string().into_bytes();
        let at = at.index(mutated.len());
        mutated[at] = to;
        if let Ok(pins) = Pins::parse(&mutated) {
            prop_assert_eq!(pins.to_string().into_bytes(), mutated);
        }
    }
}
