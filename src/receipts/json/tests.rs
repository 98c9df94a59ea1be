use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    parse(text.as_bytes()).unwrap().to_canonical()
}

/// The keys that RFC 8785, section 3.2.3 sorts, in its order: by UTF-16 code units, not by UTF-8 bytes.
#[test]
fn an_error_names_the_byte_and_the_reason() {
    let error = JsonError { offset: 7, reason: "no such thing" };
    assert_eq!(error.to_string(), "byte 7: no such thing");
}

#[test]
fn keys_sort_by_utf16_code_units() {
    let sorted = ["\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
    let mut object = Object::new();
    for key in sorted.iter().rev() {
        assert!(object.insert(*key, Value::Null));
        assert!(!object.insert(*key, true));
    }
    assert_eq!(object.iter().map(|(key, _)| key).collect::<Vec<_>>(), sorted);
    assert_eq!(
        Value::Object(object).to_canonical(),
        "{\"\\r\":null,\"1\":null,\"\u{80}\":null,\"ö\":null,\"€\":null,\"😀\":null,\"\u{fb33}\":null}"
    );
}

/// Section 3.2.2: which characters get which escape, and that all others stand for themselves.
#[test]
fn strings_have_one_spelling() {
    for (written, expected) in [
        (r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#, "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\""),
        (r#""\b\t\n\f\r\u0000\u001F\u007f\u2028""#, "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\u{2028}\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
    ] {
        assert_eq!(canonical(written), expected);
    }
}

#[test]
fn documents_lose_their_white_space_and_order() {
    let text = " { \"b\" : [ 1 , -2 , true , null , { } , [ ] ] ,\n\t\"a\" : \"x\" , \"aa\":false}\r\n";
    assert_eq!(canonical(text), r#"{"a":"x","aa":false,"b":[1,-2,true,null,{},[]]}"#);
    assert_eq!(canonical("9007199254740991"), "9007199254740991");
    assert_eq!(canonical("-9007199254740991"), "-9007199254740991");
}

#[test]
fn refusals_name_the_place() {
    for (text, offset, reason) in [
        ("", 0, "ends too early"),
        ("{\"a\":1,\"a\":1}", 7, "occurs twice"),
        ("{\"a\":1,\"\\u0061\":1}", 7, "occurs twice"),
        ("[1.0]", 1, "only integers"),
        ("[1e3]", 1, "only integers"),
        ("[-0]", 1, "negative zero"),
        ("[01]", 1, "superfluous zero"),
        ("[-]", 1, "digit"),
        ("[9007199254740992]", 1, "2^53"),
        ("[-9007199254740992]", 1, "2^53"),
        ("[99999999999999999999]", 1, "2^53"),
        ("{} {}", 3, "after the document's end"),
        ("[1,]", 3, "expected a value"),
        ("{\"a\":1,}", 7, "expected a key"),
        ("{\"a\" 1}", 5, "expected `:`"),
        ("[1 2]", 3, "expected `,`"),
        ("[NaN]", 1, "expected a value"),
        ("[\"\\ud83d\"]", 2, "lone surrogate"),
        ("[\"\\ude00\\ud83d\"]", 2, "lone surrogate"),
        ("[\"\\ud83d\\u0041\"]", 2, "lone surrogate"),
        ("[\"\\u+041\"]", 2, "four hexadecimal digits"),
        ("[\"\\x\"]", 2, "unknown escape"),
        ("[\"a\nb\"]", 3, "control character"),
        ("[\"a", 3, "does not end"),
        ("\u{feff}{}", 0, "expected a value"),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(error.offset == offset && error.reason.contains(reason), "{text:?}: {error}");
    }
    assert_eq!(parse(b"[\"\xff\"]").unwrap_err().offset, 2);
    // An unpaired surrogate in CESU style is not UTF-8 either.
    assert_eq!(parse(b"[\"\xed\xa0\x80\"]").unwrap_err().reason, "not UTF-8");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err().offset, MAX_DEPTH);
    assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn only_the_canonical_spelling_passes_as_such() {
    let good = r#"{"a":[1,"é"],"b":null}"#;
    assert!(parse_canonical(good.as_bytes()).is_ok());
    for (text, offset) in [
        (r#"{"b":null,"a":[1,"é"]}"#, 2),
        (r#"{"a": [1,"é"],"b":null}"#, 5),
        (r#"{"a":[1,"\u00e9"],"b":null}"#, 9),
        ("{\"a\":[1,\"é\"],\"b\":null}\n", 23),
    ] {
        assert_eq!(parse_canonical(text.as_bytes()).unwrap_err().offset, offset, "{text}");
    }
}

#[test]
fn values_can_be_located() {
    let text = br#"{"keys": [ {"a":1}, {"roles": ["x", "y"]} ]}"#;
    for (path, offset) in [
        ("keys", 9),
        ("keys[1]", 20),
        ("keys[1].roles", 30),
        ("keys[1].roles[1]", 36),
        ("keys[1].nothing", 20),
        ("keys[7]", 9),
        ("keys[0].a.b", 16),
        ("", 0),
    ] {
        assert_eq!(locate(text, path), offset, "{path}");
    }
}

pub(in super::super) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::Integer),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|members| {
                let mut object = Object::new();
                for (key, value) in members {
                    object.insert(key, value);
                }
                Value::Object(object)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn written_then_read_is_the_same(value in any_value()) {
        let text = value.to_canonical();
        prop_assert_eq!(parse_canonical(text.as_bytes()), Ok(value.clone()));
        prop_assert_eq!(parse(value.to_pretty().as_bytes()), Ok(value.clone()));
        let peer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let theirs = serde_json::to_string(&peer).unwrap();
        prop_assert_eq!(parse(theirs.as_bytes()), Ok(value));
    }

    #[test]
    fn never_panics(bytes: Vec<u8>, path in "\\PC{0,12}", value in any_value(), at: prop::sample::Index, to: u8) {
        let mut mutated = value.to_canonical().into_bytes();
        let at = at.index(mutated.len());
        mutated[at] = to;
        for bytes in [&bytes, &mutated] {
            let _ = locate(bytes, &path);
            if let Ok(value) = parse_canonical(bytes) {
                prop_assert_eq!(&value.to_canonical().into_bytes(), bytes);
            }
        }
    }

    /// What we take, serde_json takes too: nothing outside JSON gets through.
    #[test]
    fn accepts_json_only(text in r#"[\[\]{},:"\\u0-9d89ae.+\- tnrfl]{0,12}"#) {
        if parse(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
