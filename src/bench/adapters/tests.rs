//! Outputs as programs print them, and outputs that say nothing.

use proptest::prelude::*;

use super::*;

fn told(stdout: &str, stderr: &str) -> String {
    match read(stdout.as_bytes(), stderr.as_bytes(), None) {
        Ok(output) => {
            let readings = output.readings.iter().map(|one| format!("{} [{}] {:?}", one.id, one.setting, one.samples));
            format!("{}: {}", output.source.word(), readings.collect::<Vec<_>>().join("; "))
        }
        Err(error) => format!("refused: {error} | {}", error.seen),
    }
}

fn decodes(text: &str, speed: f64) {
    let output = read(text.as_bytes(), b"", None).unwrap_or_else(|error| panic!("{text}: {error}"));
    let last = output.readings.last().expect("an output has a reading");
    assert_eq!((last.id, last.value()), (DECODE, speed), "{text}");
}

const LLAMA_JSON: &str = r#"[
  {"build_commit": "abc", "cpu_info": "A CPU", "model_type": "llama 1B Q4_0", "n_batch": 2048, "n_threads": 2,
   "type_k": "f16", "type_v": "f16", "n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ns": 8677966101,
   "avg_ts": 59.0, "stddev_ts": 0.5, "samples_ns": [1, 2, 3], "samples_ts": [58.5, 59.5, 59.0]},
  {"n_threads": 2, "type_k": "q8_0", "n_prompt": 0, "n_gen": 128, "n_depth": 1024, "avg_ts": 14.2},
  {"n_threads": 2, "n_prompt": 512, "n_gen": 128, "avg_ts": 40.0}
]"#;

#[test]
fn llama_bench_in_all_its_formats() {
    insta::assert_snapshot!(told(LLAMA_JSON, "load_backend: loaded CPU backend"), @"llama-bench's JSON: prefill.bare_tok_s [p512 d0 t2 f16] [58.5, 59.5, 59.0]; decode.bare_tok_s [n128 d1024 t2 q8_0] [14.2]");
    let lines: String =
        LLAMA_JSON.lines().filter(|line| line.contains("avg_ts") && line.contains('}') && line.contains('{')).collect();
    insta::assert_snapshot!(told(&lines.replace("},", "}\n"), ""), @"llama-bench's JSON: decode.bare_tok_s [n128 d1024 t2 q8_0] [14.2]");
    let csv = "build_commit,model_type,n_threads,type_k,n_prompt,n_gen,n_depth,avg_ts,stddev_ts\n\"abc\",\"llama, 1B \"\"x\"\"\",\"2\",\"f16\",\"512\",\"0\",\"0\",\"59.012\",\"0.4\"\n\"abc\",\"llama\",\"2\",\"f16\",\"0\",\"128\",\"0\",\"14.2\",\"0.1\"\n";
    insta::assert_snapshot!(told(csv, ""), @"llama-bench's CSV: prefill.bare_tok_s [p512 d0 t2 f16] [59.012]; decode.bare_tok_s [n128 d0 t2 f16] [14.2]");
    let table = "| model                          |       size |     params | backend    | threads |          test |                  t/s |\n| ------------------------------ | ---------: | ---------: | ---------- | ------: | ------------: | -------------------: |\n| llama 1B Q4_0                  | 606.53 MiB |     1.10 B | CPU        |       2 |         pp512 |         59.01 ± 0.42 |\n| llama 1B Q4_0                  | 606.53 MiB |     1.10 B | CPU        |       2 | tg128 @ d1024 |         14.20 ± 0.11 |\n| llama 1B Q4_0                  | 606.53 MiB |     1.10 B | CPU        |       2 |   pp512+tg128 |         40.00 ± 0.11 |\n\nbuild: abc (1234)\n";
    insta::assert_snapshot!(told(table, ""), @"llama-bench's table: prefill.bare_tok_s [p512 d0 t2 f16] [59.01]; decode.bare_tok_s [n128 d1024 t2 f16] [14.2]");
    let sql = "CREATE TABLE IF NOT EXISTS llama_bench (\n  n_prompt INTEGER,\n  avg_ts REAL\n);\n\nINSERT INTO llama_bench (model_filename, n_threads, type_k, n_prompt, n_gen, n_depth, avg_ts, stddev_ts) VALUES ('it's, mine.gguf', '2', 'f16', '512', '0', '0', '59.012', '0.4');\nINSERT INTO llama_bench (model_filename, n_threads, type_k, n_prompt, n_gen, n_depth, avg_ts, stddev_ts) VALUES ('m', '2', 'q8_0', '0', '128', '32', '14.2', '0.1');\n";
    insta::assert_snapshot!(told(sql, ""), @"llama-bench's SQL: prefill.bare_tok_s [p512 d0 t2 f16] [59.012]; decode.bare_tok_s [n128 d32 t2 q8_0] [14.2]");
    let cut = sql.replace(", '14.2', '0.1');", "");
    assert!(
        told(&cut, "").starts_with("refused: a line of llama-bench's SQL gives not a value for each column"),
        "{cut}"
    );
}

#[test]
fn speeds_told_in_words() {
    let candle = "Paris.\n\n   7 prompt tokens processed: 112.50 token/s\n  99 tokens generated: 23.45 token/s\n";
    insta::assert_snapshot!(told(candle, ""), @"the last numbers beside tok/s: prefill.tok_s [p7] [112.5]; decode.tok_s [n99] [23.45]");
    insta::assert_snapshot!(told("\n100 tokens generated (8.31 token/s)\n", ""), @"the last numbers beside tok/s: decode.tok_s [n100] [8.31]");
    let llama = "llama_perf_sampler_print:    sampling time =       3.10 ms /   132 runs   (    0.02 ms per token, 42539.48 tokens per second)\nllama_perf_context_print:        load time =     400.00 ms\nllama_perf_context_print: prompt eval time =     123.45 ms /     5 tokens (   24.69 ms per token,    40.50 tokens per second)\nllama_perf_context_print:        eval time =    8000.12 ms /   127 runs   (   62.99 ms per token,    15.87 tokens per second)\nllama_perf_context_print:       total time =    8200.00 ms /   132 tokens\n";
    insta::assert_snapshot!(told("Once upon a time", llama), @"the last numbers beside tok/s: prefill.tok_s [p5] [40.5]; decode.tok_s [n127] [15.87]");
    let ollama = "prompt eval rate:     180.52 tokens/s\neval count:           99 token(s)\neval rate:            23.40 tokens/s\n";
    insta::assert_snapshot!(told("", ollama), @"the last numbers beside tok/s: prefill.tok_s [] [180.52]; decode.tok_s [] [23.4]");
    decodes("1 tok/s\n2 tok/s\n35.5 tok/s done", 35.5);
    decodes("10 tok/s\r20 tok/s\r\u{1b}[32m31.5\u{1b}[0m tok/s\n", 31.5);
    decodes("speed=1,234.5 tokens/sec", 1234.5);
    decodes("tokens per second: 12.5", 12.5);
    decodes("{\"tokens_per_second\": 12.5, \"other\": 3}", 12.5);
    decodes("(~35.2tok/s).", 35.2);
    decodes("İ 7 tok/s", 7.0);
}

#[test]
fn what_says_nothing_is_refused_with_what_was_seen() {
    insta::assert_snapshot!(told("", ""), @"refused: no speed in tokens a second could be read from the output: it printed nothing | ");
    insta::assert_snapshot!(told("hello\n", "error: no such model"), @"refused: no speed in tokens a second could be read from the output | hello");
    insta::assert_snapshot!(told("0 tokens generated (NaN token/s)", ""), @"refused: a speed is given as `nan`, which is no number above zero | 0 tokens generated (NaN token/s)");
    insta::assert_snapshot!(told("inf tok/s", ""), @"refused: a speed is given as `inf`, which is no number above zero | inf tok/s");
    insta::assert_snapshot!(told("0.00 tok/s", ""), @"refused: a speed is given as `0.00`, which is no number above zero | 0.00 tok/s");
    insta::assert_snapshot!(told("35 items/s and 12 mt/s and some tok/s", ""), @"refused: no speed in tokens a second could be read from the output | 35 items/s and 12 mt/s and some tok/s");
    insta::assert_snapshot!(told(r#"[{"avg_ts": 0, "n_prompt": 5, "n_gen": 0}]"#, ""), @r#"refused: llama-bench gives 0 tokens a second, which is no speed | [{"avg_ts": 0, "n_prompt": 5, "n_gen": 0}]"#);
    insta::assert_snapshot!(told("| test | t/s |\n|---|---|\n| zz9 | 5 |", ""), @"
    refused: llama-bench's table has a test `zz9`, which is unknown here | | test | t/s |
    |---|---|
    | zz9 | 5 |
    ");
    let long = read("x".repeat(10_000).as_bytes(), b"", None).expect_err("there is no speed");
    assert!(long.seen.chars().count() <= SHOWN + 2, "{}", long.seen.len());
}

#[test]
fn a_pattern_reads_what_nothing_else_can() {
    let by = |pattern: &str, text: &str| {
        let pattern = Pattern::parse(pattern)?;
        let output = read(text.as_bytes(), b"", Some(&pattern)).map_err(|error| error.to_string())?;
        Ok::<f64, String>(output.readings[0].value())
    };
    assert_eq!(by(r"speed (\d+\.\d+)", "speed 1.5 speed 2.5"), Ok(2.5));
    insta::assert_snapshot!(by(r"speed \d+", "").unwrap_err(), @"it has no group: put the number in round brackets, as in 'speed: ([0-9.]+)'");
    insta::assert_snapshot!(by(r"(a)(b)", "").unwrap_err(), @"it has 2 groups: keep one, and write the others as (?:…)");
    insta::assert_snapshot!(by(r"speed (\w+)", "speed fast").unwrap_err(), @"the pattern's group is `fast`, no number above zero");
    insta::assert_snapshot!(by(r"speed (\w+)", "slow").unwrap_err(), @"the pattern fits nothing in the output");
    assert!(by(r"speed (", "").is_err());
    assert!(by(r"(a|aa)+$(?<=b)", &"a".repeat(60)).is_err(), "a pattern that explodes ends");
}

proptest! {
    #[test]
    fn no_output_panics(text in "[\\[\\]{}\"|,:.\\r\\n 0-9a-zİß±@+\u{1b}/-]{0,80}") {
        let _ = read(text.as_bytes(), text.as_bytes(), None);
        let _ = read(format!("| test | t/s |\n| {text} |").as_bytes(), b"", None);
        let _ = read(format!("n_prompt,avg_ts\n{text}").as_bytes(), b"", None);
    }

    #[test]
    fn a_speed_that_was_printed_is_read(speed in 1u32..100_000, unit in prop::sample::select(vec!["tok/s", "tokens/s", "t/s", "tokens per second"])) {
        let number = f64::from(speed) / 100.0;
        decodes(&format!("it ran at {number} {unit}, well"), number);
    }
}
