//! The outputs of llama-bench: `-o json`, `-o jsonl`, `-o csv`, `-o sql`, and the table that is its default.
//!
//! It times the model alone, without tokenizer and sampler, so its figures are the bare ones. A test of prompt and
//! generation together is neither and is left out.

use serde_json::Value;

use super::{DECODE_BARE, Output, PREFILL_BARE, Reading, Setting, Source, cut, said};

type Read = Option<Result<Output, String>>;

/// A test's columns, whatever they were written in.
#[derive(Default)]
struct Test {
    prompt: u64,
    generated: u64,
    depth: Option<u64>,
    threads: Option<u64>,
    kv: Option<String>,
    samples: Vec<f64>,
}

impl Test {
    fn reading(self) -> Result<Option<Reading>, String> {
        if let Some(sample) = self.samples.iter().find(|sample| !sample.is_finite() || **sample <= 0.0) {
            return Err(format!("llama-bench gives {sample} tokens a second, which is no speed"));
        }
        let (id, prompt, generated) = match (self.prompt, self.generated) {
            (prompt, 0) if prompt > 0 => (PREFILL_BARE, Some(prompt), None),
            (0, generated) if generated > 0 => (DECODE_BARE, None, Some(generated)),
            _ => return Ok(None),
        };
        let setting =
            Setting { prompt, generated, depth: self.depth, threads: self.threads, kv: self.kv, ..Setting::default() };
        Ok(Some(Reading { id, setting, samples: self.samples }))
    }
}

fn output(source: Source, tests: Vec<Test>) -> Read {
    let mut readings = Vec::new();
    for test in tests {
        match test.reading() {
            Ok(reading) => readings.extend(reading),
            Err(flaw) => return Some(Err(flaw)),
        }
    }
    if readings.is_empty() {
        return Some(
            Err("llama-bench tested neither a prompt nor a generation by itself: give it -p or -n".to_owned()),
        );
    }
    Some(Ok(Output { source, readings }))
}

/// A list of tests, or a test on each line.
pub(super) fn json(text: &str) -> Read {
    let from = text.find(['[', '{'])?;
    let mut tests = Vec::new();
    for value in serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>() {
        let Ok(value) = value else { break };
        match value {
            Value::Array(list) => tests.extend(list),
            one => tests.push(one),
        }
    }
    let of_llama_bench: Vec<&Value> = tests.iter().filter(|test| test.get("avg_ts").is_some()).collect();
    if of_llama_bench.is_empty() {
        return None;
    }
    let test = |value: &Value| {
        let count = |key: &str| value.get(key).and_then(Value::as_u64);
        let numbers = |list: &Value| list.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
        let samples = value.get("samples_ts").and_then(numbers).filter(|samples| !samples.is_empty());
        let average = value.get("avg_ts").and_then(Value::as_f64).unwrap_or(f64::NAN);
        Test {
            prompt: count("n_prompt").unwrap_or(0),
            generated: count("n_gen").unwrap_or(0),
            depth: count("n_depth"),
            threads: count("n_threads"),
            kv: value.get("type_k").and_then(Value::as_str).map(str::to_owned),
            samples: samples.unwrap_or_else(|| vec![average]),
        }
    };
    output(Source::LlamaBenchJson, of_llama_bench.into_iter().map(test).collect())
}

pub(super) fn csv(text: &str) -> Read {
    let mut lines = text.lines().skip_while(|line| !(line.contains("n_prompt") && line.contains("avg_ts")));
    let header = cells_of_csv(lines.next()?)?;
    let mut tests = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let Some(cells) = cells_of_csv(line).filter(|cells| cells.len() == header.len()) else {
            return Some(Err(format!("a line of llama-bench's CSV does not fit its header: {}", cut(line, 80))));
        };
        tests.push(row(&header, &cells));
    }
    output(Source::LlamaBenchCsv, tests)
}

fn row(header: &[impl AsRef<str>], cells: &[impl AsRef<str>]) -> Test {
    let cell = |name: &str| header.iter().position(|column| column.as_ref() == name).map(|at| cells[at].as_ref());
    let count = |name: &str| cell(name).and_then(|text| text.parse().ok());
    Test {
        prompt: count("n_prompt").unwrap_or(0),
        generated: count("n_gen").unwrap_or(0),
        depth: count("n_depth"),
        threads: count("n_threads"),
        kv: cell("type_k").map(str::to_owned),
        samples: vec![cell("avg_ts").and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)],
    }
}

/// A statement for each test. Its texts stand in quotes that are not escaped.
pub(super) fn sql(text: &str) -> Read {
    let mut tests = Vec::new();
    for line in text.lines().map(str::trim) {
        let Some(inserted) = line.strip_prefix("INSERT INTO llama_bench (") else { continue };
        let parts = inserted.strip_suffix("');").and_then(|whole| whole.split_once(") VALUES ('"));
        let columns: Option<(Vec<&str>, Vec<&str>)> =
            parts.map(|(header, cells)| (header.split(", ").collect(), cells.split("', '").collect()));
        let Some((header, cells)) = columns.filter(|(header, cells)| header.len() == cells.len()) else {
            return Some(Err(format!(
                "a line of llama-bench's SQL gives not a value for each column: {}",
                cut(line, 80)
            )));
        };
        tests.push(row(&header, &cells));
    }
    if tests.is_empty() { None } else { output(Source::LlamaBenchSql, tests) }
}

/// None where quotes do not close.
fn cells_of_csv(line: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut chars) = (false, line.trim_end().chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut()?.push(c),
        }
    }
    (!quoted).then_some(cells)
}

pub(super) fn table(text: &str) -> Read {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let mut rows = text.lines().filter_map(cells);
    let header = rows.find(|row| row.iter().any(|cell| cell == "test") && row.iter().any(|cell| cell == "t/s"))?;
    let mut tests = Vec::new();
    for row in rows.filter(|row| row.len() == header.len()) {
        let cell = |name: &str| header.iter().position(|column| column == name).map(|at| row[at].as_str());
        let (name, speed) = (cell("test").unwrap_or_default(), cell("t/s").unwrap_or_default());
        if name.chars().all(|c| matches!(c, '-' | ':')) {
            continue;
        }
        let Some((prompt, generated, depth)) = tested(name) else {
            return Some(Err(format!("llama-bench's table has a test `{}`, which is unknown here", cut(name, 40))));
        };
        let Some(speed) = said::speed(speed.split('±').next().unwrap_or_default()) else {
            return Some(Err(format!("llama-bench's table gives `{}` for {name}, which is no speed", cut(speed, 40))));
        };
        tests.push(Test {
            prompt,
            generated,
            depth: Some(depth),
            threads: cell("threads").and_then(|count| count.parse().ok()),
            // A column is left out where all tests have what llama-bench takes unasked.
            kv: Some(cell("type_k").unwrap_or("f16").to_owned()),
            samples: vec![speed],
        });
    }
    output(Source::LlamaBenchTable, tests)
}

/// `pp512`, `tg128`, `pp512+tg128`, each with `@ d1024` unless the depth is 0.
fn tested(name: &str) -> Option<(u64, u64, u64)> {
    let (what, depth) = match name.split_once('@') {
        Some((what, depth)) => (what.trim(), depth.trim().strip_prefix('d')?.parse().ok()?),
        None => (name, 0),
    };
    let (mut prompt, mut generated) = (0, 0);
    for part in what.split('+') {
        if let Some(count) = part.strip_prefix("pp") {
            prompt = count.parse().ok()?;
        } else {
            generated = part.strip_prefix("tg")?.parse().ok()?;
        }
    }
    Some((prompt, generated, depth))
}
