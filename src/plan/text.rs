//! Texts that were UTF-8 once and were then read as Mac Roman: `✅` became `‚úÖ`.
//!
//! Undoing it is exact or not at all: every character goes back to its Mac Roman byte, and the bytes have to be UTF-8.
//! A text that is right does not decode that way, so it is never touched.

use encoding_rs::MACINTOSH;

/// The text as it was before, when the whole of it decodes and has fewer characters beyond ASCII.
pub fn repaired(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let (bytes, _, unmappable) = MACINTOSH.encode(text);
    if unmappable {
        return None;
    }
    let before = std::str::from_utf8(&bytes).ok()?;
    let beyond_ascii = |t: &str| t.chars().filter(|c| !c.is_ascii()).count();
    (beyond_ascii(before) < beyond_ascii(text)).then(|| before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn damaged(text: &str) -> String {
        MACINTOSH.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn damage_is_undone_and_right_texts_are_left() {
        for text in ["✅", "⏳ pending", "Ihsān", "— a dash", "الرسالة", "🔥🪷"] {
            assert_eq!(repaired(&damaged(text)).as_deref(), Some(text));
            assert_eq!(repaired(text), None, "{text}");
        }
        for text in ["plain", "", "café", "naïve Ü", "√2 ≥ 1"] {
            assert_eq!(repaired(text), None, "{text}");
        }
        assert_eq!(repaired(&format!("{} and ✅", damaged("✅"))), None, "half damaged is not decided here");
    }

    proptest! {
        #[test]
        fn all_damage_is_undone(text in "[a-z ]{0,9}[āé✅⏳🔄ر—]{1,9}[a-z ]{0,9}") {
            prop_assert_eq!(repaired(&damaged(&text)), Some(text));
        }
    }
}
