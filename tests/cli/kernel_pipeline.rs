//! The verifier over kernels written here: wrong ones are refused, honest ones with unusual arithmetic are not.

use std::path::Path;
use std::time::Duration;

use bizra::kernel::manifest::Manifest;
use bizra::kernel::plan::Effort;
use bizra::kernel::report::{Outcome, Report, Subject, Wanted, trial};
use bizra::kernel::run::{Batch, Broken, Containment, Done, Invoke, Level, Runner, Target};
use bizra::kernel::speed::{Asked, Unreadable, asked};
use bizra::sys::kernels;
use half::f16;

const MANIFEST: &str = "\
bizra: kernel/v1
id: softmax-here
op: softmax
targets: {cpu: {entry: here}}
contract: {in: f32, out: f32, accumulate: f32, deterministic: bitwise, special: {masked_row: nan}}
domain: {R: 0..64, N: 1..300, tiles: {N: 16}}
";

fn manifest() -> Manifest {
    kernels::read(MANIFEST.as_bytes(), Path::new("k.yaml"), Path::new(".")).expect("a manifest").manifest
}

/// A kernel in this process: what becomes of a row, and what the last call's output was.
struct Here<F>(F);

impl<F: FnMut(&[f32], usize, &mut [f32])> Runner for Here<F> {
    fn load(&mut self, _: &Target) -> Result<u32, Broken> {
        Ok(0)
    }

    fn run(&mut self, calls: &[Invoke]) -> Result<Batch, Broken> {
        let mut done = Vec::new();
        for call in calls {
            let x = &call.inputs[0];
            let width = x.shape[1] as usize;
            let values: Vec<f32> = x.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let poison: Vec<u8> = call.poison.iter().copied().cycle().take(call.outputs[0].bytes).collect();
            let mut out: Vec<f32> = poison.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            for (r, (row, out)) in values.chunks(width).zip(out.chunks_mut(width)).enumerate() {
                (self.0)(row, r, out);
            }
            let outputs = vec![out.iter().flat_map(|v| v.to_le_bytes()).collect()];
            done.push(Done { status: 0, nanoseconds: 1, outputs, damage: None });
        }
        Ok(Batch { done, nanoseconds: 1, busy: Duration::ZERO })
    }

    fn containment(&self) -> Containment {
        Containment { limits: true, system_calls: true, landlock: true }
    }
}

fn tried(seed: u64, row: impl FnMut(&[f32], usize, &mut [f32])) -> Report {
    let manifest = manifest();
    let subject = Subject {
        manifest: &manifest,
        backend: "cpu",
        target: Target::Builtin("here".into()),
        same_bits: Vec::new(),
        workspace: 0,
        level: Level::RanOnDevice { device: "this process".into() },
    };
    let wanted = Wanted {
        effort: Effort::Quick,
        correctness: true,
        determinism: true,
        only: None,
        shape: None,
        memory: u64::MAX,
        seed,
        most_threads: 3,
        until: None,
        enough: 3,
    };
    trial(&mut Here(row), &subject, &wanted, &|| Duration::ZERO, &mut |_, _| {}).expect("it runs")
}

fn most(x: &[f32]) -> f32 {
    x.iter().copied().fold(f32::NEG_INFINITY, |m, v| if v.is_nan() { v } else { m.max(v) })
}

fn plain(x: &[f32], out: &mut [f32]) {
    let most = most(x);
    out.iter_mut().zip(x).for_each(|(y, x)| *y = (x - most).exp());
    // One f32 after another leans where terms are alike, and is refused for that.
    let sum = out.iter().map(|y| f64::from(*y)).sum::<f64>() as f32;
    out.iter_mut().for_each(|y| *y /= sum);
}

/// A softmax of a row of so many columns.
type Way = fn(&[f32], usize, &mut [f32]);

#[test]
fn honest_kernels_are_accepted_whatever_their_arithmetic() {
    for seed in 0..3 {
        let ways: [(&str, Way); 3] = [
            ("two passes", |x, _, y| plain(x, y)),
            ("from the back, by multiplying with the inverse", |x, _, y| {
                let most = most(x);
                let sum: f64 = x.iter().rev().map(|x| f64::from((x - most).exp())).sum();
                let inverse = (1.0 / sum) as f32;
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - most).exp() * inverse);
            }),
            ("online, with powers of two", |x, _, y| {
                let (mut m, mut sum) = (f32::NEG_INFINITY, 0f64);
                for x in x {
                    let next = if x.is_nan() || m.is_nan() { f32::NAN } else { m.max(*x) };
                    let kept = if next == f32::NEG_INFINITY || m == f32::NEG_INFINITY {
                        0.0
                    } else {
                        sum * f64::from((m - next).exp2_of())
                    };
                    sum = kept + if next == f32::NEG_INFINITY { 0.0 } else { f64::from((x - next).exp2_of()) };
                    m = next;
                }
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (f64::from((x - m).exp2_of()) / sum) as f32);
            }),
        ];
        for (name, way) in ways {
            let report = tried(seed, way);
            assert_eq!(report.outcome(), Outcome::Verified, "{name}, seed {seed}: {:?}", report.failures.first());
            assert!(report.counted * 2 > report.ran, "{name}: {} of {} cases count", report.counted, report.ran);
            let covered = &report.coverage;
            // A row of one value is one whatever its kernel does, and some data are zeros: not all can count.
            assert!(covered.pairs < covered.pairs_possible && covered.edges < covered.edges_possible, "{covered:?}");
            assert!(covered.pairs * 2 > covered.pairs_possible, "{covered:?}");
        }
    }
}

trait Exp2 {
    fn exp2_of(self) -> f32;
}

impl Exp2 for f32 {
    /// `exp` by `exp2`, the product with log2(e) in f64.
    fn exp2_of(self) -> f32 {
        (f64::from(self) * std::f64::consts::LOG2_E).exp2() as f32
    }
}

#[test]
fn wrong_kernels_are_refused() {
    let mut last: Vec<f32> = Vec::new();
    let refused = |name: &str, report: Report| {
        assert_eq!(report.outcome(), Outcome::Refused, "{name} was let through: {report:?}");
    };
    refused("zeros", tried(1, |_, _, y| y.fill(0.0)));
    refused("the mean", tried(2, |x, _, y| y.fill(1.0 / x.len() as f32)));
    refused("a copy", tried(3, |x, _, y| y.copy_from_slice(x)));
    let idle = tried(4, |_, _, _| {});
    assert_eq!(
        (idle.coverage.pairs, idle.coverage.edges, idle.coverage.probes),
        (0, 0, 0),
        "what fails covers nothing"
    );
    refused("nothing written", idle);
    refused(
        "times 0.999",
        tried(5, |x, _, y| {
            plain(x, y);
            y.iter_mut().for_each(|y| *y *= 0.999);
        }),
    );
    refused(
        "a part in a million",
        tried(6, |x, _, y| {
            plain(x, y);
            y.iter_mut().for_each(|y| *y *= 1.000_001);
        }),
    );
    refused(
        "sums in f16",
        tried(7, |x, _, y| {
            let most = most(x);
            let sum = x.iter().fold(f16::ZERO, |s, x| f16::from_f32(s.to_f32() + (x - most).exp()));
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - most).exp() / sum.to_f32());
        }),
    );
    refused(
        "no maximum",
        tried(8, |x, _, y| {
            let sum: f32 = x.iter().map(|x| x.exp()).sum();
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x.exp() / sum);
        }),
    );
    refused(
        "the last of 17 left out",
        tried(9, |x, _, y| {
            plain(x, y);
            if x.len() % 16 == 1 && x.len() > 1 {
                plain(&x[..x.len() - 1], &mut y[..x.len() - 1]);
            }
        }),
    );
    refused(
        "NaN lost",
        tried(10, |x, _, y| {
            let clean: Vec<f32> = x.iter().map(|x| if x.is_nan() { -1e30 } else { *x }).collect();
            plain(&clean, y);
        }),
    );
    refused(
        "row 3 is never written",
        tried(11, |x, r, y| {
            if r != 3 {
                plain(x, y)
            }
        }),
    );
    refused(
        "the previous answer",
        tried(12, |x, _, y| {
            let own: Vec<f32> = {
                plain(x, y);
                y.to_vec()
            };
            if last.len() == y.len() {
                y.copy_from_slice(&last);
            }
            last = own;
        }),
    );
    let mut calls = 0;
    refused(
        "another answer each time",
        tried(13, |x, _, y| {
            calls += 1;
            plain(x, y);
            if calls % 7 == 0 {
                y[0] = f32::from_bits(y[0].to_bits() ^ 1);
            }
        }),
    );
    refused(
        "one element in 2000",
        tried(14, |x, r, y| {
            plain(x, y);
            if r == 2 && y.len() > 40 {
                y[33] *= 1.01;
            }
        }),
    );
}

#[test]
fn a_plan_is_the_same_for_the_same_seed_and_covers_every_edge() {
    use bizra::kernel::case::Case;
    use bizra::kernel::plan::plan;
    use bizra::kernel::promise::Promise;
    use bizra::kernel::verify::tells_rounding;
    for known in kernels::own().expect("manifests") {
        let promise = Promise::of(&known.manifest);
        let one = plan(&known.manifest, &promise, Effort::Quick, 7, 3);
        let again = plan(&known.manifest, &promise, Effort::Quick, 7, 3);
        assert_eq!(one.cases, again.cases);
        let covered = one.covered(&one.cases);
        assert_eq!(
            (covered.pairs, covered.edges, covered.probes),
            (covered.pairs_possible, covered.edges_possible, covered.probes_possible),
            "{}",
            known.manifest.id()
        );
        let part = one.covered(&one.cases[..5]);
        assert!(part.pairs < covered.pairs && part.edges < covered.edges, "{part:?}");
        assert_ne!(one.cases, plan(&known.manifest, &promise, Effort::Quick, 8, 3).cases);
        for data in bizra::kernel::case::Data::probes(known.manifest.op()) {
            assert!(one.cases.iter().any(|c| c.data == *data), "{}: {data:?}", known.manifest.id());
        }
        for weights in promise.weights.iter().filter(|w| promise.int8 && w.is_quantised()) {
            let many = |case: &Case| case.shape.size("M") * case.shape.size("K") >= 32 * 1024;
            let tells = |case: &Case| case.weights == *weights && tells_rounding(case) && many(case);
            assert!(one.cases.iter().any(tells), "{}: {}", known.manifest.id(), weights.word());
        }
        if let Some(n) = bizra::kernel::op::dims(known.manifest.op()).iter().position(|d| d.name == "N") {
            for edge in [1, 3, 15, 17, 33, 65, 129, 257] {
                assert!(one.cases.iter().any(|c| c.shape.values[n] == edge), "{}: N={edge}", known.manifest.id());
            }
        }
    }
}

#[test]
fn random_shapes_leave_every_remainder_of_vectors_and_tiles_also_of_great_sizes() {
    use bizra::kernel::plan::plan;
    use bizra::kernel::promise::Promise;
    let text = "bizra: kernel/v1\nid: mine\nop: softmax\ntargets: {cpu: {entry: mine}}\ncontract: {in: f32}\n\
                domain: {R: 1..64, N: 1..4096}\n";
    let known = kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")).expect("a manifest");
    let promise = Promise::of(&known.manifest);
    for seed in 0..5 {
        let cases = plan(&known.manifest, &promise, Effort::Full, seed, 2).cases;
        let left = |least: i64| {
            let all = cases.iter().map(|case| case.shape.get("N")).filter(|n| *n >= least);
            all.map(|n| n % 32).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(left(33) >= 30 && left(514) >= 22, "seed {seed}: {} and {}", left(33), left(514));
    }
}

#[test]
fn each_two_sizes_are_the_same_somewhere() {
    use bizra::kernel::case::Data;
    use bizra::kernel::plan::plan;
    use bizra::kernel::promise::Promise;
    let text = "bizra: kernel/v1\nid: mine\nop: matmul\ntargets: {cpu: {entry: mine}}\ncontract: {in: f32}\n\
                domain: {M: [1, 16, 33, 48], N: [1, 17, 33, 37, 48], K: [1, 7, 16, 33, 1000]}\n";
    let known = kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")).expect("a manifest");
    let promise = Promise::of(&known.manifest);
    for seed in 0..20 {
        let plan = plan(&known.manifest, &promise, Effort::Quick, seed, 2);
        for [a, b] in [["M", "N"], ["M", "K"], ["N", "K"]] {
            let same = |c: &bizra::kernel::case::Case| c.shape.get(a) > 1 && c.shape.get(a) == c.shape.get(b);
            let shows = plan.cases.iter().any(|case| case.data == Data::Normal && same(case));
            assert!(shows, "seed {seed}: {a} and {b}");
        }
    }
}

fn claims(claim: &str) -> Result<Vec<Asked>, Unreadable> {
    let text = format!(
        "bizra: kernel/v1\nid: mine\nop: softmax\ntargets: {{cpu: {{entry: mine}}}}\ncontract: {{in: f32}}\n\
         domain: {{R: 1..64, N: [64, 512]}}\nbaselines: [{{id: naive}}]\nclaims: [{{{claim}}}]\n"
    );
    let read = kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new("."));
    asked(&read.expect("a manifest").manifest, &|_| true, &|path| Err(format!("there is no {path}")))
}

#[test]
fn claims_are_about_shapes_of_the_domain() {
    let fine = claims("id: c, text: t, grammar: ratio >= 2 over naive, on: \"R=1,N=64; R=64,N=512\", cache: cold");
    let fine = fine.expect("it can be measured");
    assert_eq!((fine[0].timed.len(), fine[0].cold), (2, true));
    let warm = claims("id: c, text: t, grammar: ratio >= 2 over naive, on: \"R=1,N=64\", cache: warm").unwrap();
    assert!(!warm[0].cold);
    for (shapes, said) in [
        ("R=65,N=64", "claim `c`: R=65 is not in its domain, where R is 1..64"),
        ("R=1,N=64; R=1,N=65", "claim `c`: N=65 is not in its domain, where N is 64, 512"),
        ("N=64", "`N=64` is no shape"),
        ("shapes.txt", "there is no shapes.txt"),
    ] {
        let bad = claims(&format!("id: c, text: t, grammar: ratio >= 2 over naive, on: \"{shapes}\""));
        assert_eq!(bad.expect_err(shapes).message, said);
    }
}

#[test]
fn claims_about_products_are_timed_with_each_type_of_weights() {
    let read = |claim: &str| -> Result<String, String> {
        let text = format!(
            "bizra: kernel/v1\nid: mine\nop: matmul\ntargets: {{cpu: {{entry: mine}}}}\ncontract: {{weights: [f32, q8_0, \
             q4_K]}}\ndomain: {{M: 1..64, N: 1..64, K: 1..8192}}\nclaims: [{{id: c, text: t, grammar: \
             fraction_of_bandwidth >= 0.5, {claim}}}]\n"
        );
        let known = kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new("."))
            .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        let timed = |all: Vec<Asked>| all[0].timed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        asked(&known.manifest, &|_| true, &|path| Err(path.to_owned())).map(timed).map_err(|bad| bad.message)
    };
    let all = read("on: \"M=1,N=8,K=256; M=2,N=8,K=512\"").expect("it can be measured");
    assert_eq!(
        all,
        "M=1,N=8,K=256/f32 M=1,N=8,K=256/q8_0 M=1,N=8,K=256/q4_K M=2,N=8,K=512/f32 M=2,N=8,K=512/q8_0 M=2,N=8,K=512/q4_K"
    );
    assert_eq!(read("on: \"M=1,N=8,K=32\", weights: [q8_0]").as_deref(), Ok("M=1,N=8,K=32/q8_0"));
    for (claim, said) in [
        ("on: \"M=1,N=8,K=32\"", "claim `c` is about K=32, and q4_K has blocks of 256"),
        ("on: \"M=1,N=8,K=32\", weights: [q6_K]", "k.yaml:7:96: the contract doesn't take weights in q6_K"),
    ] {
        let refused = read(claim).expect_err(claim);
        assert!(refused.contains(said), "{refused}");
    }
    let many: Vec<String> = (1..=22).map(|m| format!("M={m},N=8,K=256")).collect();
    let refused = read(&format!("on: \"{}\"", many.join("; "))).expect_err("too many");
    assert_eq!(refused, "claim `c` is about 66 shapes and types, and at most 64 are timed");
}

#[test]
fn each_input_is_changed_in_its_turn_and_not_every_scale_is_the_usual_one() {
    use bizra::kernel::case::Case;
    use bizra::kernel::inputs;
    use bizra::kernel::promise::Promise;
    let text = "bizra: kernel/v1\nid: mine\nop: matmul\ntargets: {cpu: {entry: mine}}\ncontract: {in: f32}\n\
                domain: {M: 1..9, N: 1..9, K: 1..9}\n";
    let known = kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")).expect("a manifest");
    let case = Case::parse("matmul/M=3,N=5,K=7/f32/normal/plain/t1/000000000000002a").expect("a case");
    let given = inputs::build(&case, &Promise::of(&known.manifest));
    for number in 0..given.len() {
        let sum = |of: &[inputs::Operand]| of[number].tensor.bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
        for change in inputs::Change::ALL {
            let changed = inputs::changed(&given, number, change, 7).expect("another number is there");
            for (at, (before, after)) in given.iter().zip(&changed).enumerate() {
                assert_eq!(before.tensor.bytes != after.tensor.bytes, at == number, "{change:?}: {number}, {at}");
                assert_eq!(before.values != after.values, at == number, "{change:?}: {number}, {at}");
            }
            assert_eq!(sum(&given) == sum(&changed), change == inputs::Change::Two, "{number}");
        }
    }
    let scale = |seed: &str| {
        let case = format!("attention/S=4,past=0,Hkv=1,D=64/f32/normal/plain/t1/{seed}");
        inputs::scale(&Case::parse(&case).expect("a case"))
    };
    assert_eq!((scale("000000000000002a"), scale("b00000000000002a")), (0.125, 0.0625));
}

fn manifest_of(op: &str, domain: &str) -> Manifest {
    let text = format!(
        "bizra: kernel/v1\nid: mine\nop: {op}\ntargets: {{cpu: {{entry: mine}}}}\ncontract: {{in: f32}}\ndomain: {{{domain}}}\n"
    );
    kernels::read(text.as_bytes(), Path::new("k.yaml"), Path::new(".")).expect("a manifest").manifest
}

#[test]
fn what_is_no_number_meets_zero_from_both_sides_and_leaves_rows_alone() {
    use bizra::kernel::case::Case;
    use bizra::kernel::inputs;
    use bizra::kernel::promise::Promise;
    let promise = Promise::of(&manifest_of("matmul", "M: 1..9, N: 1..9, K: 1..64"));
    for data in ["nan", "infinity"] {
        let (mut by_first, mut by_second, mut opposed) = (0, 0, 0);
        for seed in 0..40u64 {
            let case = Case::parse(&format!("matmul/M=6,N=5,K=32/f32/{data}/plain/t1/{seed:016x}")).expect("a case");
            let [x, w] = &inputs::build(&case, &promise)[..] else { panic!("two operands") };
            let meets = |a: &[f64], b: &[f64]| {
                let at = |all: &[f64], column: usize, wanted: fn(f64) -> bool| {
                    all.iter().skip(column).step_by(32).any(|v| wanted(*v))
                };
                (0..32).any(|column| at(a, column, |v| !v.is_finite()) && at(b, column, |v| v == 0.0))
            };
            by_first += u32::from(meets(&x.values, &w.values));
            by_second += u32::from(meets(&w.values, &x.values));
            let row = |row: &[f64]| row.contains(&f64::INFINITY) && row.contains(&f64::NEG_INFINITY);
            opposed += u32::from(x.values.chunks(32).any(row));
            let clean = |all: &[f64]| all.chunks(32).any(|row| row.iter().all(|v| v.is_finite()));
            assert!(clean(&x.values) && clean(&w.values), "{case}: no answer would be a number");
        }
        assert!(by_first >= 20 && by_second >= 35, "{data}: {by_first}, {by_second} of 40");
        assert!(opposed >= 30 || data == "nan", "{opposed} of 40");
    }
}

#[test]
fn sorted_rows_go_down_and_up_in_turns() {
    use bizra::kernel::case::Case;
    use bizra::kernel::inputs;
    use bizra::kernel::promise::Promise;
    let case = Case::parse("softmax/R=4,N=65/f32/sorted/plain/t1/000000000000002a").expect("a case");
    let given = inputs::build(&case, &Promise::of(&manifest_of("softmax", "R: 1..9, N: 1..99")));
    for (number, row) in given[0].values.chunks(65).enumerate() {
        assert_eq!(row.is_sorted(), number % 2 == 1, "row {number}");
        assert_eq!(row.is_sorted_by(|a, b| a >= b), number % 2 == 0, "row {number}");
    }
}

#[test]
fn small_and_great_sizes_meet_what_shows_their_mistakes() {
    use bizra::kernel::case::Data;
    use bizra::kernel::plan::{Effort, plan};
    use bizra::kernel::promise::Promise;
    let manifest = manifest_of("softmax", "R: 1..100000, N: 1..8192");
    for seed in 0..6 {
        for effort in [Effort::Quick, Effort::Full] {
            let cases = plan(&manifest, &Promise::of(&manifest), effort, seed, 2).cases;
            for data in [Data::NaN, Data::Infinity] {
                let alone = cases.iter().any(|case| case.data == data && case.shape.get("N") == 1);
                assert!(alone, "{data:?} with one value a row: {seed}, {effort:?}");
            }
            let many = cases.iter().any(|case| case.shape.get("R") == 100_000 && case.shape.get("N") > 1);
            assert!(many, "many rows of more than one value: {seed}, {effort:?}");
        }
        let cases = plan(&manifest, &Promise::of(&manifest), Effort::Full, seed, 2).cases;
        // Shapes of ordinary cost have no room for both.
        let great = |case: &bizra::kernel::case::Case| case.shape.get("N") == 8192 && case.shape.get("R") > 32;
        assert!(cases.iter().any(great), "a great shape: {seed}");
    }
}
