//! Bytes to text as they come: never half a character, never a lost byte.

/// Holds back a character's first bytes until the rest has come; what can be no character becomes U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct TextStream {
    held: Vec<u8>,
}

impl TextStream {
    pub fn new() -> Self {
        Self::default()
    }

    /// The text that is complete now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.held.len());
        let mut used = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            used += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = used + invalid.len() == self.held.len();
            if at_end && may_grow(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                used += invalid.len();
            }
        }
        self.held.drain(..used);
        text
    }

    /// What is left when no more bytes come: an unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        text
    }
}

/// Whether more bytes could make a character of these, the invalid end of a text.
fn may_grow(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_come_whole() {
        let mut stream = TextStream::new();
        assert_eq!(stream.push(b"a\xf0\x9f"), "a");
        assert_eq!(stream.push(b"\x91"), "");
        assert_eq!(stream.push(b"\x8db"), "👍b");
        assert_eq!(stream.push(b"\xe4\xb8"), "");
        assert_eq!(stream.finish(), "\u{fffd}");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn bytes_that_can_be_no_character_are_replaced_at_once() {
        let mut stream = TextStream::new();
        assert_eq!(stream.push(b"\xff"), "\u{fffd}");
        assert_eq!(stream.push(b"\xe4"), "");
        assert_eq!(stream.push(b"x"), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_text_of_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 1usize..5) {
            let mut stream = TextStream::new();
            let mut text: String = bytes.chunks(cut).map(|chunk| stream.push(chunk)).collect();
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn valid_text_never_needs_replacing(text in any::<String>()) {
            let mut stream = TextStream::new();
            let out: String = text.as_bytes().iter().map(|byte| stream.push(&[*byte])).collect();
            prop_assert_eq!(out, text);
        }
    }
}
