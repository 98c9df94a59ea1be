//! Samples as rows of a table: ratios to the better of llama.cpp's settings, taken round by round.

use bizra::bench::stats::{self, Sample as Ranked};
use bizra_kernels::Format;

use super::plan::{self, Ceiling, Cell, Isa, LLAMA, Task, Test, Who};
use super::state::State;
use super::{
    BANDWIDTH, DOT_PEAK, FIRST_TOKEN, KV_BYTES, LOGITS_ERROR, LOGITS_KL, MACHINE, PEAK_KIB, PRODUCT_ERROR, machine,
    product,
};
use crate::bench::report;
use crate::models::Recipe;

/// A ratio's median, and between which values it lies: an interval of the median where there are rounds enough for
/// one, else the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) rounds: usize,
}

/// Which way a figure is good, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn met(self, ratio: f64) -> bool {
        match self {
            Goal::AtLeast(target) => ratio >= target,
            Goal::AtMost(target) => ratio <= target,
        }
    }

    fn words(self) -> String {
        match self {
            Goal::AtLeast(target) => format!("≥ {target}"),
            Goal::AtMost(target) => format!("≤ {target}"),
        }
    }
}

pub(super) struct Row {
    what: String,
    file: String,
    /// 0 where it makes no difference.
    threads: usize,
    isa: Isa,
    ours: String,
    theirs: String,
    ratio: Option<Ratio>,
    goal: Option<Goal>,
    expected: Option<f64>,
    limit: String,
    candle: String,
}

pub(super) struct Summary {
    pub(super) rows: Vec<Row>,
    /// Peaks of the machine, as sentences.
    pub(super) limits: Vec<String>,
}

pub(super) const COLUMNS: [&str; 12] = [
    "what",
    "file",
    "threads",
    "bizra",
    "llama.cpp",
    "candle",
    "ratio",
    "rounds",
    "target",
    "reached",
    "expected",
    "of the limit",
];

impl Row {
    fn cells(&self) -> [String; 12] {
        let file = if self.isa == Isa::Best { self.file.clone() } else { format!("{}, AVX2 only", self.file) };
        let ratio = self.ratio.map_or("–".to_owned(), |r| match r.rounds {
            1 => format!("{:.2}", r.median),
            _ => format!("{:.2} ({:.2} – {:.2})", r.median, r.low, r.high),
        });
        let reached = match (self.ratio, self.goal) {
            (Some(ratio), Some(goal)) => if goal.met(ratio.median) { "yes" } else { "NO" }.to_owned(),
            _ => String::new(),
        };
        [
            self.what.clone(),
            file,
            if self.threads == 0 { String::new() } else { self.threads.to_string() },
            self.ours.clone(),
            self.theirs.clone(),
            self.candle.clone(),
            ratio,
            self.ratio.map_or(String::new(), |ratio| ratio.rounds.to_string()),
            self.goal.map_or(String::new(), Goal::words),
            reached,
            self.expected.map_or(String::new(), |expected| expected.to_string()),
            self.limit.clone(),
        ]
    }
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let mut rows = vec![COLUMNS.map(String::from)];
        rows.extend(self.rows.iter().map(Row::cells));
        let mut text = report::aligned(&rows, 2);
        self.limits.iter().for_each(|line| text += &format!("{line}\n"));
        text
    }

    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String; 12]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&COLUMNS.map(String::from));
        text += "|---|---|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|\n";
        self.rows.iter().for_each(|row| text += &line(&row.cells()));
        text += "\n";
        self.limits.iter().for_each(|line| text += &format!("- {line}\n"));
        text
    }
}

pub(super) fn of(state: &State, tasks: &[Task]) -> Summary {
    let mut rows = Vec::new();
    let mut limits = Vec::new();
    for task in tasks {
        match task {
            Task::Limits { threads, isa } => limits.extend(limit_words(state, *threads, *isa)),
            Task::Passes { cell, tests } => rows.extend(tests.iter().filter_map(|test| pass(state, cell, *test))),
            Task::FirstToken { cell } => rows.extend(first_token(state, cell)),
            Task::Products => rows.extend(Format::ALL.into_iter().filter_map(|format| product_error(state, format))),
            Task::Logits { recipe } => rows.extend(logits(state, recipe)),
        }
    }
    Summary { rows, limits }
}

pub(super) fn median(series: &[(usize, f64)]) -> Option<f64> {
    let values: Vec<f64> = series.iter().map(|(_, value)| *value).collect();
    Ranked::new(&values).ok().map(|sample| sample.median())
}

/// Tokens per second of a test, by the median of its rounds.
pub(super) fn speed(state: &State, cell: &Cell, test: Test, who: Who) -> Option<f64> {
    median(&state.series(&cell.key(), &test.to_string(), who.name())).map(|seconds| test.tokens() as f64 / seconds)
}

/// The setting of llama.cpp with the lesser median.
fn better(state: &State, cell: &str, what: &str) -> Option<(Who, f64)> {
    let settings = LLAMA.into_iter().filter_map(|who| Some((who, median(&state.series(cell, what, who.name()))?)));
    settings.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// One series over another, pair by pair of the rounds that both have.
fn ratio(above: &[(usize, f64)], below: &[(usize, f64)]) -> Option<Ratio> {
    let other = |round: usize| below.iter().find(|(r, _)| *r == round).map(|(_, value)| *value);
    let pairs: Vec<(f64, f64)> = above.iter().filter_map(|(round, value)| Some((*value, other(*round)?))).collect();
    let (above, below): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let estimate = stats::paired_ratio(&above, &below).ok()?;
    let each = || pairs.iter().map(|(a, b)| a / b);
    let (low, high) = match estimate.interval {
        Some(interval) => (interval.low, interval.high),
        None => (each().fold(f64::INFINITY, f64::min), each().fold(0.0, f64::max)),
    };
    Some(Ratio { median: estimate.median, low, high, rounds: pairs.len() })
}

fn setting(who: Who) -> &'static str {
    if who == Who::LlamaPlain { " (not re-packed)" } else { "" }
}

fn pass(state: &State, cell: &Cell, test: Test) -> Option<Row> {
    let (key, what) = (cell.key(), test.to_string());
    let ours = speed(state, cell, test, Who::Bizra)?;
    let best = better(state, &key, &what);
    let ratio = best.and_then(|(who, _)| {
        ratio(&state.series(&key, &what, who.name()), &state.series(&key, &what, Who::Bizra.name()))
    });
    let candle = speed(state, cell, test, Who::Candle);
    let rate = |rate: f64| if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    Some(Row {
        what: test.words(),
        file: cell.recipe.name(),
        threads: cell.threads,
        isa: cell.isa,
        ours: format!("{} tok/s", rate(ours)),
        theirs: best
            .map_or("–".into(), |(who, seconds)| format!("{}{}", rate(test.tokens() as f64 / seconds), setting(who))),
        ratio,
        goal: plan::target(cell, test).map(Goal::AtLeast),
        expected: Some(plan::expected(cell, test)),
        limit: share_of_limit(state, cell, test, ours).unwrap_or_default(),
        candle: candle.map_or(String::new(), rate),
    })
}

/// What a test reaches of what the machine can do at best.
fn share_of_limit(state: &State, cell: &Cell, test: Test, speed: f64) -> Option<String> {
    let peak = |what| median(&state.series(&machine(cell.threads, cell.isa), what, MACHINE));
    let machine_best = |what| median(&state.series(&machine(cell.threads, Isa::Best), what, MACHINE));
    match test {
        Test::Prefill { tokens } => {
            // The output's product is made for the last token alone.
            let costs = cell.recipe.costs();
            let each = costs.layer_macs as f64 + costs.output_macs as f64 / tokens as f64;
            Some(format!("{:.0} % of the dot products", 100.0 * each * speed / peak(DOT_PEAK)?))
        }
        Test::Decode { tokens, depth } => {
            let kv = median(&state.series(&cell.key(), KV_BYTES, Who::Bizra.name())).unwrap_or(0.0);
            let seen = depth as f64 + (tokens as f64 + 1.0) / 2.0;
            let each = cell.recipe.costs().bytes as f64 + kv * seen;
            Some(format!("{:.0} % of the bandwidth", 100.0 * each * speed / machine_best(BANDWIDTH)?))
        }
        Test::Rows { .. } => None,
    }
}

fn limit_words(state: &State, threads: usize, isa: Isa) -> Option<String> {
    let of = |what| median(&state.series(&machine(threads, isa), what, MACHINE));
    let (dots, read) = (of(DOT_PEAK)?, of(BANDWIDTH)?);
    let level = if isa == Isa::Best { "" } else { ", AVX2 only" };
    Some(format!(
        "limits, {threads} thread{}{level}: {:.0} GMAC/s of int8 dot products, {:.1} GB/s read with huge pages",
        if threads == 1 { "" } else { "s" },
        dots / 1e9,
        read / 1e9
    ))
}

fn first_token(state: &State, cell: &Cell) -> Vec<Row> {
    let key = cell.key();
    let mut rows = Vec::new();
    for (who, words, Ceiling { target, expected }) in [
        (Who::Bizra, "process to first token", plan::FIRST_TOKEN),
        (Who::BizraCached, "process to first token, packed cache", plan::FIRST_TOKEN_CACHED),
    ] {
        let seconds = |seconds: f64| format!("{seconds:.2} s");
        rows.extend(ceiling(state, cell, words, FIRST_TOKEN, who, target, expected, &seconds));
    }
    let bound = cell.recipe.bytes() as f64 + 60e6 + 17.0 * kv_of(state, cell);
    let megabytes = |kib: f64| format!("{:.0} MB", kib * 1024.0 / 1e6);
    for (who, words) in [(Who::Bizra, "peak memory"), (Who::BizraCached, "peak memory, packed cache")] {
        let Ceiling { target, expected } = plan::MEMORY;
        if let Some(mut row) = ceiling(state, cell, words, PEAK_KIB, who, target, expected, &megabytes) {
            let kib = median(&state.series(&key, PEAK_KIB, who.name())).unwrap_or(0.0);
            row.limit = format!("{:.0} % of file + KV + 60 MB", 100.0 * kib * 1024.0 / bound);
            rows.push(row);
        }
    }
    rows
}

fn kv_of(state: &State, cell: &Cell) -> f64 {
    let of = |isa| median(&state.series(&Cell { isa, ..*cell }.key(), KV_BYTES, Who::Bizra.name()));
    of(cell.isa).or_else(|| of(Isa::Best)).unwrap_or(0.0)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one row, named where it is called")]
fn ceiling(
    state: &State,
    cell: &Cell,
    words: &str,
    what: &str,
    who: Who,
    target: f64,
    expected: f64,
    shown: &dyn Fn(f64) -> String,
) -> Option<Row> {
    let key = cell.key();
    let ours = state.series(&key, what, who.name());
    let best = better(state, &key, what);
    Some(Row {
        what: words.to_owned(),
        file: cell.recipe.name(),
        threads: cell.threads,
        isa: cell.isa,
        ours: shown(median(&ours)?),
        theirs: best.map_or("–".into(), |(who, value)| shown(value) + setting(who)),
        ratio: best.and_then(|(who, _)| ratio(&ours, &state.series(&key, what, who.name()))),
        goal: Some(Goal::AtMost(target)),
        expected: Some(expected),
        limit: String::new(),
        candle: String::new(),
    })
}

fn logits(state: &State, recipe: &Recipe) -> Vec<Row> {
    let cell = Cell { recipe: *recipe, threads: 2, isa: Isa::Best };
    let Ceiling { target, expected } = plan::ERROR;
    let relative = |error: f64| format!("{error:.4}");
    let nats = |nats: f64| format!("{nats:.5} nats");
    [
        ceiling(state, &cell, "error of the logits", LOGITS_ERROR, Who::Bizra, target, expected, &relative),
        ceiling(state, &cell, "KL divergence of the logits", LOGITS_KL, Who::Bizra, target, expected, &nats),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn product_error(state: &State, format: Format) -> Option<Row> {
    let key = product(format);
    let Ceiling { target, expected } = plan::ERROR;
    let of = |who: Who| state.series(&key, PRODUCT_ERROR, who.name());
    let (ours, theirs) = (of(Who::Bizra), of(Who::LlamaPlain));
    let shown = |error: f64| format!("{error:.2e}");
    Some(Row {
        what: "error of a product".to_owned(),
        file: format.to_string(),
        threads: 0,
        isa: Isa::Best,
        ours: shown(median(&ours)?),
        theirs: median(&theirs).map_or("–".into(), shown),
        ratio: ratio(&ours, &theirs),
        goal: Some(Goal::AtMost(target)),
        expected: Some(expected),
        limit: String::new(),
        candle: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::engine::state::Sample;
    use crate::models::{Mix, recipes};

    fn state(samples: Vec<(&str, Who, usize, f64)>) -> State {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bizra-summary-{}-{number}.jsonl", std::process::id()));
        let mut state = State::open(&path, &json!({}), false).expect("opened");
        let _ = std::fs::remove_file(path);
        let sample = |(what, who, round, value): (&str, Who, usize, f64)| Sample {
            cell: cell().key(),
            what: what.into(),
            who: who.name().into(),
            round,
            value,
        };
        state.keep(samples.into_iter().map(sample).collect()).expect("kept");
        state
    }

    fn cell() -> Cell {
        let recipe = recipes().find(|one| one.mix == Mix::Q8_0).expect("there is one");
        Cell { recipe, threads: 2, isa: Isa::Best }
    }

    #[test]
    fn the_better_setting_is_the_peer_round_by_round() {
        let mut samples = Vec::new();
        for (round, drift) in [1.0, 2.0, 1.5].into_iter().enumerate() {
            samples.push(("prefill:512", Who::Bizra, round, drift));
            samples.push(("prefill:512", Who::Llama, round, 9.0 * drift));
            samples.push(("prefill:512", Who::LlamaPlain, round, 6.0 * drift));
        }
        let state = state(samples);
        let test = Test::Prefill { tokens: 512 };
        let row = pass(&state, &cell(), test).expect("measured");
        assert_eq!(row.ratio, Some(Ratio { median: 6.0, low: 6.0, high: 6.0, rounds: 3 }));
        assert_eq!(
            row.cells()[3..10].join(" | "),
            "341 tok/s | 56.9 (not re-packed) |  | 6.00 (6.00 – 6.00) | 3 | ≥ 5 | yes"
        );
    }

    #[test]
    fn memory_and_time_must_stay_below() {
        let row = |ours: f64| {
            let state = state(vec![(FIRST_TOKEN, Who::Bizra, 0, ours), (FIRST_TOKEN, Who::Llama, 0, 1.0)]);
            first_token(&state, &cell()).remove(0).cells()[3..10].join(" | ")
        };
        assert_eq!(row(0.8), "0.80 s | 1.00 s |  | 0.80 | 1 | ≤ 0.8 | yes");
        assert_eq!(row(0.9), "0.90 s | 1.00 s |  | 0.90 | 1 | ≤ 0.8 | NO");
    }

    #[test]
    fn without_a_peer_there_is_no_verdict() {
        let state = state(vec![("decode:128@0", Who::Bizra, 0, 4.0)]);
        let row = pass(&state, &cell(), Test::Decode { tokens: 128, depth: 0 }).expect("measured");
        assert_eq!(row.cells()[3..10].join(" | "), "32.0 tok/s | – |  | – |  | ≥ 1.7 | ");
        assert!(pass(&state, &cell(), Test::Rows { rows: 2 }).is_none());
    }
}
