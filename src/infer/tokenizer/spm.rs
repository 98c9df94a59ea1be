//! SentencePiece vocabularies as GGUF files hold them: the neighbours whose union scores best merge first, and what
//! is no token is spelled in bytes.

use super::TokenizerError;
use super::merge::Merger;
use super::vocab::Vocab;

/// A float that sorts; vocabularies with NaN are refused when they are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score(i32);

impl Score {
    fn new(score: f32) -> Self {
        // Adding zero turns -0 into 0, so that the two are equal here too.
        let bits = (score + 0.0).to_bits() as i32;
        Self(bits ^ (((bits >> 31) as u32) >> 1) as i32)
    }
}

/// Appends the tokens of `text`, whose spaces are `▁` already.
pub(super) fn encode(vocab: &Vocab, unk: Option<u32>, text: &str, out: &mut Vec<u32>) -> Result<(), TokenizerError> {
    let base = text.as_ptr() as usize;
    let joined = |left: &str, right: &str| {
        let start = left.as_ptr() as usize - base;
        let union = &text[start..start + left.len() + right.len()];
        vocab.find(union).map(|id| Score::new(vocab.score(id)))
    };
    let mut missing = None;
    Merger::new().merge(text, joined, |piece| match vocab.find(piece) {
        Some(id) => out.push(id),
        None => {
            for byte in piece.bytes() {
                match vocab.byte(byte).or(unk) {
                    Some(id) => out.push(id),
                    None => missing = missing.or(Some(byte)),
                }
            }
        }
    });
    missing.map_or(Ok(()), |byte| Err(TokenizerError::NoToken { byte }))
}

#[cfg(test)]
mod tests {
    use super::Score;

    #[test]
    fn scores_sort_like_floats() {
        let floats = [f32::NEG_INFINITY, -1e9, -2.5, -2.0, -1e-30, 0.0, 1e-30, 3.0, f32::INFINITY];
        assert!(floats.windows(2).all(|pair| Score::new(pair[0]) < Score::new(pair[1])));
        assert!(Score::new(-0.0) == Score::new(0.0));
    }
}
