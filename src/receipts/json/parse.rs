//! Reading: any spelling of our subset, or the canonical one only.

use super::{JsonError, MAX_INTEGER, Object, Value};

pub const MAX_DEPTH: usize = 64;

pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut parser = Parser::new(bytes)?;
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < parser.text.len() {
        return Err(parser.error("text after the document's end"));
    }
    Ok(value)
}

/// Reads a document that must equal its own canonical form.
pub fn parse_canonical(bytes: &[u8]) -> Result<Value, JsonError> {
    let value = parse(bytes)?;
    let canonical = value.to_canonical();
    if canonical.as_bytes() == bytes {
        return Ok(value);
    }
    let same = canonical.bytes().zip(bytes).take_while(|(ours, theirs)| ours == *theirs).count();
    Err(JsonError { offset: same, reason: "the document is not in its canonical form (RFC 8785)" })
}

/// Where the value at `path` (`keys[2].roles`) begins in a document that parses: its own place, or that of the nearest
/// value around it.
pub fn locate(bytes: &[u8], path: &str) -> usize {
    let Ok(mut parser) = Parser::new(bytes) else { return 0 };
    let steps: Vec<&str> = path.split(['.', '[']).map(|step| step.trim_end_matches(']')).collect();
    let mut place = 0;
    for step in steps.into_iter().filter(|step| !step.is_empty()) {
        parser.skip_space();
        place = parser.at;
        match parser.enter(step) {
            Ok(true) => place = parser.at,
            _ => return place,
        }
    }
    place
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => Err(JsonError { offset: error.valid_up_to(), reason: "not UTF-8" }),
        }
    }

    fn error(&self, reason: &'static str) -> JsonError {
        JsonError { offset: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(token.as_bytes());
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.error("nested deeper than 64 levels")),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            _ if self.eat("null") => Ok(Value::Null),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the document ends too early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut object = Object::new();
        self.skip_space();
        if self.eat("}") {
            return Ok(Value::Object(object));
        }
        loop {
            let key_at = self.at_key()?;
            let key = self.string()?;
            self.colon()?;
            let value = self.value(depth)?;
            if !object.insert(key, value) {
                return Err(JsonError { offset: key_at, reason: "the key occurs twice in one object" });
            }
            if !self.more("}")? {
                return Ok(Value::Object(object));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat("]") {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.more("]")? {
                return Ok(Value::Array(items));
            }
        }
    }

    fn at_key(&mut self) -> Result<usize, JsonError> {
        self.skip_space();
        if self.peek() == Some(b'"') { Ok(self.at) } else { Err(self.error("expected a key")) }
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.eat(":") { Ok(()) } else { Err(self.error("expected `:`")) }
    }

    fn more(&mut self, end: &str) -> Result<bool, JsonError> {
        self.skip_space();
        if self.eat(",") {
            Ok(true)
        } else if self.eat(end) {
            Ok(false)
        } else {
            Err(self.error("expected `,` or the end of the list"))
        }
    }

    fn integer(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        let negative = self.eat("-");
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let fault = |reason| Err(JsonError { offset: start, reason });
        match &self.text[digits..self.at] {
            "" => fault("expected a digit"),
            "0" if negative => fault("negative zero has no canonical spelling"),
            number if number.len() > 1 && number.starts_with('0') => fault("a number starts with a superfluous zero"),
            _ if matches!(self.peek(), Some(b'.' | b'e' | b'E')) => fault("only integers; a fraction is a string"),
            number => match number.parse::<i64>() {
                Ok(number) if number <= MAX_INTEGER => Ok(Value::Integer(if negative { -number } else { number })),
                _ => fault("the integer is beyond 2^53 - 1"),
            },
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(run) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0x00..=0x1f)) else {
                self.at = self.text.len();
                return Err(self.error("the string does not end"));
            };
            string.push_str(&rest[..run]);
            self.at += run;
            match rest.as_bytes()[run] {
                b'"' => {
                    self.at += 1;
                    return Ok(string);
                }
                b'\\' => string.push(self.escape()?),
                _ => return Err(self.error("a control character must be escaped")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let letter = self.text.as_bytes().get(start + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.code_unit(start)?;
                let mut units = [first, 0];
                let pair = (0xd800..0xdc00).contains(&first) && self.eat("\\u");
                if pair {
                    units[1] = self.code_unit(start)?;
                }
                match char::decode_utf16(units).next() {
                    Some(Ok(decoded)) => decoded,
                    _ => return Err(JsonError { offset: start, reason: "a lone surrogate is no character" }),
                }
            }
            _ => return Err(JsonError { offset: start, reason: "unknown escape" }),
        })
    }

    fn code_unit(&mut self, start: usize) -> Result<u16, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(JsonError { offset: start, reason: "`\\u` needs four hexadecimal digits" }),
        }
    }

    /// Moves to the member or item that `step` names; false when the value here has none such.
    fn enter(&mut self, step: &str) -> Result<bool, JsonError> {
        self.skip_space();
        let is_object = self.peek() == Some(b'{');
        let end = match self.peek() {
            Some(b'{') => "}",
            Some(b'[') => "]",
            _ => return Ok(false),
        };
        self.at += 1;
        self.skip_space();
        if self.eat(end) {
            return Ok(false);
        }
        for index in 0.. {
            let found = if is_object {
                self.at_key()?;
                let key = self.string()?;
                self.colon()?;
                key == step
            } else {
                step.parse() == Ok(index)
            };
            self.skip_space();
            if found {
                return Ok(true);
            }
            self.value(0)?;
            if !self.more(end)? {
                break;
            }
        }
        Ok(false)
    }
}
