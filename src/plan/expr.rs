//! Sums that a plan states, recomputed: `sum(package.hours)`, `count(item)`, `500 * 1000`, `(a - b) * 12`.
//!
//! Numbers, `+ - * /`, parentheses, and the functions `sum` and `count` over selectors that the caller answers, with
//! filters such as `[phase=genesis]`. Everything is exact; a division that does not come out even is carried to twelve
//! places.

use super::decimal::Decimal;

/// What an expression may ask of a plan.
pub trait Numbers {
    /// All values that a selector names, such as `package.hours` under `[phase=genesis]`; none when it names nothing.
    fn select(&self, path: &str, filters: &[(String, String)]) -> Option<Vec<Decimal>>;
}

const MAX_DEPTH: u32 = 32;

pub fn evaluate(text: &str, numbers: &dyn Numbers) -> Result<Decimal, String> {
    let mut parser = Parser { rest: text.trim_start(), numbers, depth: 0 };
    let value = parser.sum()?;
    if parser.rest.is_empty() { Ok(value) } else { Err(format!("`{}` is left over", parser.rest)) }
}

struct Parser<'a> {
    rest: &'a str,
    numbers: &'a dyn Numbers,
    depth: u32,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(format!("`{token}` is missing before `{}`", self.rest)) }
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        taken
    }

    fn sum(&mut self) -> Result<Decimal, String> {
        let mut value = self.product()?;
        loop {
            value = if self.eat('+') {
                value.add(self.product()?)
            } else if self.eat('-') {
                value.sub(self.product()?)
            } else {
                return Ok(value);
            }
            .ok_or("the numbers are too large")?;
        }
    }

    fn product(&mut self) -> Result<Decimal, String> {
        let mut value = self.value()?;
        loop {
            value = if self.eat('*') {
                value.mul(self.value()?).ok_or("the numbers are too large")?
            } else if self.eat('/') {
                let by = self.value()?;
                if by.is_zero() {
                    return Err("a division by zero".into());
                }
                value.div(by, 12).ok_or("the numbers are too large")?
            } else {
                return Ok(value);
            };
        }
    }

    fn value(&mut self) -> Result<Decimal, String> {
        if self.eat('(') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err("parentheses are nested too deep".into());
            }
            let value = self.sum()?;
            self.expect(')')?;
            self.depth -= 1;
            return Ok(value);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let text = self.take(|c| c.is_ascii_digit() || c == '.');
            return Decimal::parse(text).map_err(|why| format!("`{text}` {why}"));
        }
        let function = self.take(|c| c.is_ascii_alphabetic());
        if !matches!(function, "sum" | "count") {
            return Err(format!("`{function}{}` is no number; sum(…) and count(…) are known", self.rest));
        }
        self.expect('(')?;
        let path = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        let mut filters = Vec::new();
        while self.eat('[') {
            let key = self.take(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
            self.expect('=')?;
            let value = self.take(|c| c != ']').trim_end().to_owned();
            self.expect(']')?;
            filters.push((key, value));
        }
        self.expect(')')?;
        let values = self.numbers.select(path, &filters).ok_or_else(|| format!("`{path}` names nothing in a plan"))?;
        if function == "count" {
            return Ok(Decimal::from_int(i64::try_from(values.len()).unwrap_or(i64::MAX)));
        }
        Decimal::sum(values).ok_or_else(|| "the numbers are too large".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Hours;

    impl Numbers for Hours {
        fn select(&self, path: &str, filters: &[(String, String)]) -> Option<Vec<Decimal>> {
            let all = match filters {
                [] => vec![4, 3, 6],
                [(key, value)] if key == "phase" && value == "one" => vec![4, 3],
                _ => vec![],
            };
            (path == "package.hours").then(|| all.into_iter().map(Decimal::from_int).collect())
        }
    }

    #[test]
    fn expressions_are_exact() {
        let check =
            |text: &str, value: &str| assert_eq!(evaluate(text, &Hours).map(|d| d.to_string()), Ok(value.into()));
        check("sum(package.hours)", "13");
        check("sum( package.hours[phase=one] ) * 2", "14");
        check("count(package.hours) - 1", "2");
        check("(500 - 31.25) * 1000 * 12", "5625000");
        check("2 + 3 * 4 - 10 / 4", "11.5");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "1 +", "(1", "1 2", "sum(nothing)", "max(package.hours)", "1 / 0", "sum(package.hours[phase)"]
        {
            assert!(evaluate(text, &Hours).is_err(), "{text}");
        }
        assert!(evaluate(&"(".repeat(100_000), &Hours).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ 0-9.()+*/a-z\\[\\]=-]{0,60}") {
            let _ = evaluate(&text, &Hours);
        }
    }
}
