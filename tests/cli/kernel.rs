//! `bizra kernel`, as its users meet it.

use std::process::Command;

use crate::harness::TestEnv;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn the_engines_kernels_are_listed_and_explained() {
    let env = TestEnv::new();
    let ran = env.run(&["kernel", "list", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let kernels = json(&ran.stdout)["result"]["kernels"].as_array().expect("a list").len();
    assert!(kernels >= 14);
    let case = "softmax/R=2,N=3/f32/equal/plain/t1/0000000000000001";
    let ran = env.run(&["kernel", "explain", "softmax", case]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains("all the same") && ran.stdout.contains("3.3333"), "{ran}");
    let alone = env.run(&["kernel", "explain", case]);
    assert!(alone.code == 0 && alone.stdout == ran.stdout, "{alone}");
    let several = env.run(&["kernel", "explain", "attention/S=1,Hkv=1,D=8/f32/normal/plain/t1/1"]);
    assert!(several.code == 2 && several.stderr.contains("attention-f32, attention-f16, attention-q8"), "{several}");
    for (args, code) in [
        (vec!["kernel", "list", "nothing-*"], 3),
        (vec!["kernel", "verify", "softmaks"], 3),
        (vec!["kernel", "verify", "--op", "soft"], 2),
        (vec!["kernel", "verify", "none.yaml"], 3),
        (vec!["kernel", "verify", "--case", "nonsense"], 2),
        (vec!["kernel", "explain", "rmsnorm", case], 2),
        (vec!["kernel", "verify", "softmax", "--shape", "S=3"], 2),
        (vec!["kernel", "verify", "softmax", "--shape", "N"], 2),
        (vec!["kernel", "verify", "softmax", "--shape", "N=123456", "--quick"], 3),
        (vec!["kernel", "verify", "softmax", "--shape", "N=33,N=34", "--quick"], 2),
        (vec!["kernel", "explain", "soft*", "x"], 2),
    ] {
        assert_eq!(env.run(&args).code, code, "{args:?}");
    }
}

#[test]
fn a_kernel_of_the_engine_is_verified() {
    let env = TestEnv::new();
    let ran = env.run(&["kernel", "verify", "argmax", "--quick", "--json", "--no-receipt"]);
    assert_eq!(ran.code, 0, "{ran}");
    let kernel = &json(&ran.stdout)["result"]["kernels"][0];
    assert_eq!((&kernel["outcome"], &kernel["level"]), (&"verified".into(), &"ran-on-device".into()), "{kernel:#}");
    assert!(kernel["counted"].as_u64().is_some_and(|n| n > 20), "{kernel:#}");
}

#[test]
fn the_verifier_tries_itself_and_signs_nothing_before() {
    let env = TestEnv::new();
    let ran = env.run(&["kernel", "selftest", "argmax-*", "--json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let document = json(&ran.stdout);
    let score = &document["result"]["score"];
    assert_eq!(*score, serde_json::json!({ "wrong": 5, "refused": 5, "honest": 1, "accepted": 1 }), "{document:#}");
    assert!(document["receipt"].is_null(), "a part of the trial proves nothing");
    let ran = env.run(&["kernel", "verify", "argmax", "--quick", "--json"]);
    assert!(ran.code == 0 && json(&ran.stdout)["receipt"].is_null(), "{ran}");
    assert!(ran.stderr.contains("bizra kernel selftest"), "{ran}");
    assert_eq!(env.run(&["kernel", "selftest", "nothing-*"]).code, 2);
    assert_eq!(env.run(&["kernel", "verify", "argmax", "--only", "timing"]).code, 3, "it claims nothing");
}

const WRONG: &str = r#"
#include <math.h>
#include "bizra_kernel.h"
int32_t my_softmax(const bizra_call *c) {
    const bizra_tensor *x = &c->inputs[0], *y = &c->outputs[0];
    for (int64_t r = 0; r < x->shape[0]; r++) {
        const float *in = (const float *)x->data + r * x->strides[0];
        float *out = (float *)y->data + r * y->strides[0];
        float most = -INFINITY;
        double sum = 0;
        for (int64_t i = 0; i < x->shape[1]; i++) most = in[i] > most || in[i] != in[i] ? in[i] : most;
        for (int64_t i = 0; i < x->shape[1]; i++) sum += expf(in[i] - most);
        for (int64_t i = 0; i < x->shape[1] - MISSING; i++) out[i] = (float)(expf(in[i] - most) / sum);
    }
    return 0;
}
"#;

const MANIFEST: &str = "\
bizra: kernel/v1
id: mine
op: softmax
targets: {cpu: {entry: my_softmax, library: mine.so}}
contract: {in: f32, out: f32}
domain: {R: 1..40, N: 1..300}
";

/// Compiles a kernel beside its manifest; false where there is no C compiler.
fn compiled(env: &TestEnv, missing: &str) -> bool {
    env.write("mine.kernel.yaml", MANIFEST);
    library(env, WRONG, &[&format!("-DMISSING={missing}")])
}

/// Compiles a library; false where there is no C compiler.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn library(env: &TestEnv, code: &str, options: &[&str]) -> bool {
    let work = env.work();
    env.write("mine.c", code);
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/kernels");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", include]).args(options).arg("-o");
    match command.args([work.join("mine.so"), work.join("mine.c")]).arg("-lm").status() {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(error) => {
            eprintln!("skipped: there is no C compiler here ({error})");
            false
        }
    }
}

#[test]
fn a_kernel_in_c_is_verified_and_a_wrong_one_refused_with_a_case_that_replays() {
    let env = TestEnv::new();
    if !compiled(&env, "0") {
        return;
    }
    let fine = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--no-receipt"]);
    assert_eq!(fine.code, 0, "{fine}");
    compiled(&env, "(x->shape[1] == 33)");
    let wrong = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--no-receipt", "--json"]);
    assert_eq!(wrong.code, 1, "{wrong}");
    let document = json(&wrong.stdout);
    let failure = &document["result"]["kernels"][0]["failures"][0];
    assert_eq!((&failure["check"], &failure["index"][1]), (&"poison".into(), &32.into()), "{failure:#}");
    let case = failure["case"].as_str().expect("a case");
    assert!(case.contains("N=33"), "{case}");
    let again = env.run(&["kernel", "verify", "mine.kernel.yaml", "--case", case, "--no-receipt"]);
    assert_eq!(again.code, 1, "{again}");
    assert!(again.stdout.contains("was not written"), "{again}");
    std::fs::write(env.work().join("failures.json"), &wrong.stdout).expect("a file");
    let repro = ["kernel", "verify", "mine.kernel.yaml", "--repro", "failures.json", "--no-receipt"];
    assert_eq!(env.run(&repro).code, 1);
    let junit = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--no-receipt", "--format", "junit"]);
    assert!(junit.code == 1 && junit.stdout.contains("<failure message=\"poison at "), "{junit}");
    let other = env.run(&["kernel", "verify", "mine.kernel.yaml", "--shape", "N=34", "--no-receipt"]);
    assert!(matches!(other.code, 0 | 4), "{other}");
    // Where the library lacks what the manifest names.
    std::fs::write(env.work().join("mine.kernel.yaml"), MANIFEST.replace("my_softmax", "yours")).expect("a file");
    let missing = env.run(&["kernel", "verify", "mine.kernel.yaml", "--no-receipt"]);
    assert!(missing.code == 3 && missing.stderr.contains("mine.kernel.yaml:4:"), "{missing}");
    std::fs::remove_file(env.work().join("mine.so")).expect("it was there");
    assert_eq!(env.run(&["kernel", "verify", "mine.kernel.yaml", "--no-receipt"]).code, 3);
}

#[test]
fn readers_of_reports_are_told_of_a_manifest_that_was_refused() {
    let env = TestEnv::new();
    env.write("mine.kernel.yaml", "bizra: kernel/v1\nid: mine\nop: softmax\nfaster: true\n");
    let junit = env.run(&["kernel", "verify", "mine.kernel.yaml", "--format", "junit"]);
    assert!(junit.code == 3 && junit.stderr.contains("mine.kernel.yaml:4:1"), "{junit}");
    let told = "<testcase classname=\"not-tried\" name=\"mine.kernel.yaml:4:1\"><error message=\"";
    assert!(junit.stdout.contains(told) && junit.stdout.ends_with("</testsuites>\n"), "{junit}");
    let sarif = env.run(&["kernel", "verify", "mine.kernel.yaml", "--format", "sarif"]);
    assert_eq!(sarif.code, 3);
    let place = &json(&sarif.stdout)["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    let (file, line) = (&place["artifactLocation"]["uri"], &place["region"]["startLine"]);
    assert_eq!((file, line), (&"mine.kernel.yaml".into(), &4.into()));
    let all = env.run(&["kernel", "verify", "mine.kernel.yaml", "--json"]);
    let reasons = json(&all.stdout)["reasons"].as_array().map_or(0, Vec::len);
    assert!(reasons == 4 && all.stderr.matches("error: ").count() == 4, "{all}");
}

#[test]
fn cases_that_once_refused_honest_kernels_are_passed() {
    let env = TestEnv::new();
    for (kernel, case) in [
        // Where exp(-x) overflows, the contract's zero says nothing of the arithmetic.
        ("gated", "gated/R=17,N=65/f32/spread/offset/t3/b689cf39dbfe8c51"),
        // What goes into the exponential of a GELU is rounded before it.
        ("gated", "gated/R=5,N=4095,activation=1/f32/spread/plain/t2/f2401c7b6c56ea53"),
        // The greatest weight meets a value that was rounded to zero, and the rest are too small to be normal numbers.
        (
            "attention-q8",
            "attention/S=16,past=2,Hkv=2,group=3,D=80,causal=0,window=5,pad=7/f32/outliers/offset/t3/05d2c9c6ae7f916e",
        ),
        // One row has one mean, of which the plain kernel's happens to be right.
        ("layernorm", "layernorm/R=1,N=251/f32/mean-10/offset/t3/ebc11cfe1d2b3e82"),
        // Weights with an offset see of each block of activations its sum alone, and there are 32 blocks.
        ("matmul-quantised", "matmul/M=4,N=255,K=256/q5_K/normal/plain/t1/a2d4822cf6d959f4"),
        ("matmul-packed", "matmul/M=5,N=256,K=256/q4_K/normal/offset/t3/d2c7457e1b88d05e"),
        // Three heads with two keys each, whose scores are capped: as many errors of a tanh.
        (
            "attention-f32",
            "attention/S=2,past=256,Hkv=1,group=3,D=128,causal=0,window=1,softcap=30/f32/normal/offset/t1/0ab84d775fb4cc3c",
        ),
        // One row in fifteen has nearly all of the error.
        ("attention-q8", "attention/S=15,past=1025,Hkv=1,D=8,causal=0,window=1/f32/spread/plain/t2/a194a5724ae4b623"),
    ] {
        let ran = env.run(&["kernel", "verify", kernel, "--case", case, "--only", "correctness", "--no-receipt"]);
        assert_eq!(ran.code, 0, "{ran}");
    }
}

#[test]
fn claims_that_nothing_here_can_decide_say_why() {
    let env = TestEnv::new();
    let head = "bizra: kernel/v1\nid: mine\nop: softmax\ntargets: {cpu: {entry: softmax}}\ncontract: {in: f32}\n\
                domain: {R: 1..8, N: 1..64}\nbaselines: [{id: nobody}]\n";
    for (claim, code, said) in [
        ("grammar: gap < 10% vs receipt:0123abcd, on: \"R=1,N=64\"", 4, "no kernel-verification receipt 0123abcd"),
        ("grammar: ratio >= 2 over nobody, on: \"R=9,N=64\"", 3, "R=9 is not in its domain, where R is 1..8"),
        ("grammar: ratio >= 2 over nobody, on: \"R=1,N=64\"", 6, "no kernel is named `nobody`"),
    ] {
        env.write("mine.kernel.yaml", format!("{head}claims: [{{id: fast, text: fast, {claim}}}]\n"));
        let ran = env.run(&["kernel", "verify", "mine.kernel.yaml", "--only", "timing", "--no-receipt"]);
        assert!(ran.code == code && ran.stderr.contains(said), "{ran}");
    }
}

/// Where activations lie around 10, the sums of a column lead out one way further than the other; where most queries are
/// zeros, hundreds of weights are alike.
#[test]
fn sums_in_other_orders_are_honest() {
    for (kernel, runs) in [("product-reversed", "10"), ("attention-two-passes", "3")] {
        let ran = TestEnv::new().run(&["kernel", "selftest", kernel, "--runs", runs, "--no-receipt"]);
        assert_eq!(ran.code, 0, "{ran}");
    }
    // One column's sums lead furthest out from the end, and the plain kernel's begin at the front.
    let again = ["kernel", "selftest", "product-reversed", "--seed", "350b812953c9afbc"];
    let ran = TestEnv::new().run(&again);
    assert!(ran.code == 0 && ran.stdout.contains("seed 350b812953c9afbc"), "{ran}");
    assert!(!ran.stderr.contains("receipt"), "what was chosen is no trial: {ran}");
    let no = TestEnv::new().run(&["kernel", "selftest", "--seed", "350b"]);
    assert!(no.code == 2 && no.stderr.contains("16 digits"), "{no}");
}

#[test]
fn a_kernel_that_hangs_costs_its_budget_and_is_undecided() {
    let env = TestEnv::new();
    env.write("mine.kernel.yaml", MANIFEST.replace("my_softmax", "f"));
    let hangs = "#include \"bizra_kernel.h\"\nint32_t f(const bizra_call *c) { for (;;); }\n";
    let loads = "#include \"bizra_kernel.h\"\nint32_t f(const bizra_call *c) { return 0; }\n\
                 __attribute__((constructor)) static void once(void) { for (;;); }\n";
    for code in [hangs, loads] {
        if !library(&env, code, &[]) {
            return;
        }
        let ran = env.process(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--budget", "1s", "--no-receipt"]);
        assert!(ran.code == 4 && ran.stderr.contains("mine on cpu: time ran out"), "{ran}");
    }
}

/// A library runs code of its own before anything of it is called.
#[test]
fn a_library_that_misbehaves_as_it_is_loaded_is_refused_and_the_others_are_tried() {
    for (code, said) in [
        ("_exit(3)", "exited with code 3"),
        ("fork()", "to start a process"),
        ("__builtin_trap()", "an instruction that this processor"),
    ] {
        let env = TestEnv::new();
        let code = format!(
            "#include <unistd.h>\n#include \"bizra_kernel.h\"\nint32_t my_softmax(const bizra_call *c) {{ return 0; }}\n\
             __attribute__((constructor)) static void once(void) {{ {code}; }}\n"
        );
        if !library(&env, &code, &[]) {
            return;
        }
        env.write("kernels/mine/kernel.yaml", MANIFEST.replace("mine.so", "../../mine.so"));
        let other = "bizra: kernel/v1\nid: other\nop: softmax\ntargets: {cpu: {entry: softmax}}\n\
                     contract: {in: f32, special: {masked_row: nan}}\ndomain: {R: 1..8, N: 1..64}\n";
        env.write("kernels/other/kernel.yaml", other);
        let ran = env.process(&["kernel", "verify", "--quick", "--no-receipt", "--json"]);
        assert_eq!(ran.code, 1, "{ran}");
        let document = json(&ran.stdout);
        let kernels = &document["result"]["kernels"];
        assert_eq!(kernels[1]["outcome"], "verified", "{ran}");
        let failures = kernels[0]["failures"].as_array().expect("a list");
        let message = failures[0]["message"].as_str().expect("a text");
        assert!(failures.len() == 1 && message.contains("library was loaded") && message.contains(said), "{ran}");
    }
}

/// A manifest whose kernel is the engine's own, with another domain.
fn softmax_over(env: &TestEnv, domain: &str) {
    let manifest = "bizra: kernel/v1\nid: mine\nop: softmax\ntargets: {cpu: {entry: softmax}}\n\
                    contract: {in: f32, special: {masked_row: nan}}\n";
    env.write("mine.kernel.yaml", format!("{manifest}domain: {domain}\n"));
}

#[test]
fn what_no_case_could_have_refused_is_not_verified() {
    let env = TestEnv::new();
    for domain in ["{R: 0..0, N: 0..0}", "{R: 0, N: 1..50}"] {
        softmax_over(&env, domain);
        let ran = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--no-receipt"]);
        assert!(ran.code == 4 && ran.stderr.contains("no case that was run could have refused it"), "{domain}: {ran}");
    }
    let empty = "softmax/R=0,N=9/f32/normal/plain/t1/0000000000000001";
    assert_eq!(env.run(&["kernel", "verify", "softmax", "--case", empty, "--no-receipt"]).code, 4);
}

#[test]
fn shapes_that_no_memory_has_room_for_are_left_out_and_told() {
    let env = TestEnv::new();
    for domain in ["{R: 1000000000, N: 1000000}", "{R: 100000, N: 20000000}", "{R: [4, 1000000000], N: [50, 1000000]}"]
    {
        softmax_over(&env, domain);
        let ran = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick", "--no-receipt"]);
        assert!(ran.code == 4 && ran.stderr.contains("more memory than is free"), "{domain}: {ran}");
    }
    let case = "softmax/R=1000000000,N=1000000/f32/normal/plain/t1/0000000000000001";
    for what in [
        vec!["kernel", "verify", "mine.kernel.yaml", "--case", case],
        vec!["kernel", "explain", "mine.kernel.yaml", case],
    ] {
        let ran = env.run(&what);
        assert!(ran.code == 6 && ran.stderr.contains("GB"), "{ran}");
    }
}

#[test]
fn a_case_is_held_against_the_kernels_domain() {
    let env = TestEnv::new();
    softmax_over(&env, "{R: 2..8, N: [32, 64], layout: [plain]}");
    for (case, said) in [
        ("softmax/R=1,N=32/f32/normal/plain/t1/1", "R=1 is not in its domain, where R is 2..8"),
        ("softmax/R=2,N=33/f32/normal/plain/t1/1", "N=33 is not in its domain, where N is 32, 64"),
        ("softmax/R=2,N=32/f32/normal/padded/t1/1", "`padded` is not in the domain of mine, which has plain"),
        ("softmax/R=2,N=32/f16/normal/plain/t1/1", "mine takes f32, and the case is in f16"),
        ("argmax/R=2,N=32/f32/normal/plain/t1/1", "mine computes softmax, and the case is one of argmax"),
    ] {
        for part in ["verify", "explain"] {
            let mut args = vec!["kernel", part, "mine.kernel.yaml"];
            if part == "verify" {
                args.push("--case");
            }
            args.push(case);
            let ran = env.run(&args);
            assert!(ran.code == 2 && ran.stderr.contains(said), "{ran}");
        }
        env.write("failures.txt", format!("# what failed\nmine {case}\n"));
        let ran = env.run(&["kernel", "verify", "mine.kernel.yaml", "--repro", "failures.txt"]);
        assert!(ran.code == 3 && ran.stderr.contains(said) && ran.stderr.contains("failures.txt:2:1"), "{ran}");
    }
    let own = "softmax/R=2,N=32/f32/normal/plain/t1/0000000000000001";
    assert_eq!(env.run(&["kernel", "verify", "mine.kernel.yaml", "--case", own, "--no-receipt"]).code, 0);
    let odd = "matmul/M=3,N=17,K=33/q8_0/normal/plain/t1/0000000000000001";
    let ran = env.run(&["kernel", "verify", "matmul-quantised", "--case", odd]);
    assert!(ran.code == 2 && ran.stderr.contains("blocks of 32"), "{ran}");
    // Whatever stands in a file of failures, a little of it is shown.
    for (text, said) in [("x ".repeat(900), "failures.txt:1:1"), ("{\"result\": \n 5 5}".into(), "failures.txt:2:4")] {
        env.write("failures.txt", text);
        let ran = env.run(&["kernel", "verify", "softmax", "--repro", "failures.txt"]);
        assert!(ran.code == 3 && ran.stderr.contains(said) && ran.stderr.len() < 700, "{ran}");
    }
}

#[test]
fn a_shape_that_is_asked_for_is_tried_with_the_edges_of_the_rest() {
    let env = TestEnv::new();
    let ran = env.run(&["kernel", "verify", "softmax", "argmax"]);
    assert_eq!(ran.code, 2, "{ran}");
    let ran = env.run(&["kernel", "verify", "softmax", "--shape", "N=77", "--quick", "--json"]);
    assert!(ran.code == 0 && json(&ran.stdout)["receipt"].is_null(), "{ran}");
    let kernel = &json(&ran.stdout)["result"]["kernels"][0];
    assert!(kernel["counted"].as_u64().is_some_and(|n| n > 10), "{kernel:#}");
    // Of those that were chosen, the ones without such a size are named.
    let ran = env.run(&["kernel", "verify", "--op", "rmsnorm", "--shape", "N=9000"]);
    assert!(ran.code == 3 && ran.stderr.contains("N=9000 is not in its domain, where N is"), "{ran}");
    let ran = env.run(&["kernel", "verify", "matmul-*", "--shape", "K=33", "--quick", "--no-receipt"]);
    assert!(ran.code == 4 && ran.stderr.contains("no case can have K=33"), "{ran}");
}

#[test]
fn what_a_manifest_gets_wrong_is_told_where_it_stands() {
    let env = TestEnv::new();
    for (domain, said) in [
        ("{}", ["mine.kernel.yaml:6:9", "doesn't say `R`"]),
        ("{R: 9..2, N: 4}", ["mine.kernel.yaml:6:13", "9 is more than 2"]),
        ("{R: 1..9, N: 4..50, tiles: {N: 64}}", ["mine.kernel.yaml:6:", "a tile of 64 lies outside"]),
        ("{R: 1..9, N: 4..50, tiles: {N: 0}}", ["mine.kernel.yaml:6:", "a tile of 0 lies outside"]),
    ] {
        softmax_over(&env, domain);
        let ran = env.run(&["kernel", "verify", "mine.kernel.yaml"]);
        assert!(ran.code == 3 && said.iter().all(|one| ran.stderr.contains(one)), "{domain}: {ran}");
    }
    softmax_over(
        &env,
        "{R: 1..9, N: 4..50}\nbaselines: [{id: nobody}]\nclaims: [{id: fast, text: fast, grammar: ratio >= 2 over nobody, on: \"R=10,N=5\"}]",
    );
    let ran = env.run(&["kernel", "verify", "mine.kernel.yaml", "--quick"]);
    assert!(ran.code == 3 && ran.stderr.contains("R=10 is not in its domain"), "asked for or not: {ran}");
    env.write("mine.kernel.yaml", "# nothing\n");
    let ran = env.run(&["kernel", "verify", "mine.kernel.yaml"]);
    assert!(ran.code == 3 && ran.stderr.contains("holds nothing") && ran.stderr.contains("kernel/v1"), "{ran}");
    let ran = env.run(&["kernel", "verify", "softmax", "--op", "rope"]);
    assert!(ran.code == 3 && ran.stderr.contains("computes softmax, and not rope"), "{ran}");
    let ran = env.run(&["kernel", "explain", "mine.kernel.yaml"]);
    assert!(ran.code == 2 && ran.stderr.contains("which case of mine.kernel.yaml?"), "{ran}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_the_self_test_and_its_processes() {
    let env = TestEnv::new();
    let mut running = env
        .command(&["kernel", "selftest", "conduct-hang", "--runs", "1000", "--no-receipt"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = running.id();
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = || -> Vec<String> {
        let of =
            |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        threads().map(of).flat_map(|all| all.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let mut kernels = children();
    while kernels.is_empty() && running.try_wait().expect("it is ours").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        kernels = children();
    }
    assert!(!kernels.is_empty(), "the kernel has a process of its own");
    let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().expect("kill");
    assert!(sent.success());
    assert_eq!(running.wait().expect("it ends").code(), Some(130));
    for kernel in kernels {
        let state = std::fs::read_to_string(format!("/proc/{kernel}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z"), "left behind: {state}");
    }
}

/// Weights with an offset see little more of two rows than their sums: where those cancel, rounding itself leads far.
#[test]
fn rounding_is_not_held_against_a_kernel_where_the_contract_leads_further() {
    let env = TestEnv::new();
    for weights in ["q2_K/normal/offset/t8/60cea131b0bb74e4", "q4_1/normal/plain/t1/0000000000000003"] {
        let case = format!("matmul/M=2,N=33,K=16384/{weights}");
        let ran = env.run(&["kernel", "verify", "matmul-packed", "--case", &case, "--no-receipt"]);
        assert_eq!(ran.code, 0, "{ran}");
    }
}
