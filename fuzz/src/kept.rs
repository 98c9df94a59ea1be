//! Inputs as lines of text, so that a corpus can be read, compared and kept in git: what is no printable ASCII is
//! escaped as in Rust's byte strings.

pub fn line(input: &[u8]) -> String {
    input.escape_ascii().to_string()
}

/// The inputs of a file, or the number of the first line that is none.
pub fn inputs(text: &str) -> Result<Vec<Vec<u8>>, usize> {
    text.lines().zip(1..).map(|(line, number)| input(line).ok_or(number)).collect()
}

fn input(line: &str) -> Option<Vec<u8>> {
    let mut bytes = line.bytes();
    let mut input = Vec::new();
    while let Some(byte) = bytes.next() {
        input.push(match byte {
            b'\\' => match bytes.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let mut digit = || char::from(bytes.next()?).to_digit(16);
                    (digit()? * 16 + digit()?) as u8
                }
                other @ (b'\\' | b'\'' | b'"') => other,
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(input)
}
