//! How fast the products and attention are on this machine, by format, level and threads.
//!
//!     cargo run --release -p bizra-kernels --example speed [THREADS] [FORMAT|attention] [LEVEL] [ROWS]
//!
//! Decode rows are to be read against the memory's bandwidth (GB/s of weights), prefill rows against the peak of dot
//! products (GMAC/s). Medians; a noisy machine makes them noisy.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use bizra_kernels::attention::{Attention, Cache, Cell, attention};
use bizra_kernels::{Activations, Format, Level, Matrix, Packed, Pool, Product, Weights, matmul_q, os, peak, quant};
use std::time::Instant;

fn noise(n: usize) -> Vec<f32> {
    let mut seed = 1u32;
    let mut next = || {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        (seed >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn median(mut run: impl FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || (begin.elapsed().as_secs_f64() < 0.25 && times.len() < 200) {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What was asked for; empty or none means all.
struct Filter {
    what: String,
    level: Option<Level>,
    rows: Option<usize>,
}

impl Filter {
    fn levels(&self) -> Vec<Level> {
        self.level.map_or_else(|| Level::available().into_iter().skip(1).collect(), |level| vec![level])
    }
}

fn products(pool: &Pool, filter: &Filter) -> Result<(), bizra_kernels::Error> {
    // Enough matrices that their weights don't stay in the caches.
    let (rows, cols, copies) = (2048, 2048, 24);
    let values = noise(rows * cols);
    println!("{:<6} {:<8} {:<7} {:>5} {:>8} {:>9} {:>9}", "format", "level", "weights", "rows", "ms", "GB/s", "GMAC/s");
    for format in Format::ALL {
        if !format.name().eq_ignore_ascii_case(&filter.what) && !filter.what.is_empty() {
            continue;
        }
        let mut bytes = vec![0; format.bytes(rows * cols)?];
        quant::quantize(format, &values, &mut bytes)?;
        let matrix = Matrix::new(format, rows, cols, &bytes)?;
        let mut raw = Vec::new();
        let mut packed = Vec::new();
        for _ in 0..copies {
            raw.push(bytes.clone());
            if !format.is_float() {
                packed.push(Packed::pack(pool, &matrix)?);
            }
        }
        let raw: Vec<Matrix> = raw.iter().map(|b| Matrix::new(format, rows, cols, b)).collect::<Result<_, _>>()?;
        for level in filter.levels() {
            for (name, weights) in [
                ("raw", raw.iter().map(|m| Weights::from(*m)).collect::<Vec<_>>()),
                ("packed", packed.iter().map(Weights::from).collect()),
            ] {
                for n in [1, 4, 8, 16, 64, 128, 512] {
                    if filter.rows.is_some_and(|rows| rows != n) {
                        continue;
                    }
                    if weights.is_empty() || (name == "raw" && n != 1 && !format.is_float()) {
                        continue;
                    }
                    let x = noise(n * cols);
                    let mut acts = Activations::new();
                    let mut out = vec![0.0; n * rows];
                    // One after the other, so that a pass over all of them is what a pass over a model is.
                    let mut next = 0;
                    let mut trouble = Ok(());
                    let passes = if n <= 4 { copies } else { 1 };
                    let seconds = median(|| {
                        trouble = acts.set_for(pool, level, cols, &x, &[format]);
                        for _ in 0..passes {
                            let product = Product::new(weights[next % copies], &mut out);
                            trouble = trouble.clone().and(matmul_q(pool, level, &acts, &mut [product]));
                            next += 1;
                        }
                    }) / passes as f64;
                    trouble?;
                    println!(
                        "{:<6} {:<8} {:<7} {:>5} {:>8.3} {:>9.2} {:>9.1}",
                        format.name(),
                        level.name(),
                        name,
                        n,
                        seconds * 1e3,
                        bytes.len() as f64 / seconds / 1e9,
                        (rows * cols * n) as f64 / seconds / 1e9
                    );
                }
            }
        }
    }
    Ok(())
}

fn attentions(pool: &Pool, filter: &Filter) -> Result<(), bizra_kernels::Error> {
    let (heads, kv, dim) = (32, 4, 64);
    println!("attention, {heads} heads over {kv} of {dim}");
    println!("{:<5} {:<8} {:>6} {:>6} {:>9} {:>9} {:>9}", "cell", "level", "seen", "rows", "ms", "GB/s", "GMAC/s");
    let shape = Attention { heads, scale: 0.125, window: None, softcap: None, causal: true };
    for cell in [Cell::F32, Cell::F16, Cell::Q8] {
        for level in filter.levels() {
            for (seen, n) in [(512, 512), (2048, 1), (8192, 1), (2048, 512)] {
                let mut cache = Cache::new(cell, kv, dim, seen)?;
                cache.push(&noise(seen * kv * dim), &noise(seen * kv * dim))?;
                let q = noise(n * heads * dim);
                let mut out = vec![0.0; q.len()];
                let mut trouble = Ok(());
                let seconds = median(|| trouble = attention(pool, level, &shape, &cache, seen - n, &q, &mut out));
                trouble?;
                let bytes = Cache::bytes(cell, kv, dim, seen)?;
                let pairs = n * (2 * seen - n + 1) / 2 * heads * dim * 2;
                println!(
                    "{:<5} {:<8} {:>6} {:>6} {:>9.3} {:>9.2} {:>9.1}",
                    format!("{cell:?}"),
                    level.name(),
                    seen,
                    n,
                    seconds * 1e3,
                    bytes as f64 / seconds / 1e9,
                    pairs as f64 / seconds / 1e9
                );
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), bizra_kernels::Error> {
    let mut args = std::env::args().skip(1);
    let threads = args.next().and_then(|a| a.parse().ok()).unwrap_or_else(bizra_kernels::default_threads);
    let what = args.next().unwrap_or_default();
    let level = args.next().filter(|name| name != "all").map(|name| Level::parse(&name)).transpose()?;
    let filter = Filter { what, level, rows: args.next().and_then(|a| a.parse().ok()) };
    let pool = Pool::new(threads);
    let words = vec![1u64; 32 << 20];
    let start = Instant::now();
    let clock = || start.elapsed();
    let best = (0..5).map(|_| os::read_bandwidth(&words, threads, &clock)).fold(0.0, f64::max);
    println!("{threads} threads; memory is read at {:.1} GB/s", best / 1e9);
    drop(words);
    for level in filter.levels() {
        let best =
            (0..5).map(|_| peak::dot_peak(level, peak::Arithmetic::Integer, threads, &clock)).fold(0.0, f64::max);
        println!("{level}: at most {:.0} GMAC/s", best / 1e9);
    }
    products(&pool, &filter)?;
    if filter.what.is_empty() || filter.what == "attention" {
        attentions(&pool, &filter)?;
    }
    Ok(())
}
