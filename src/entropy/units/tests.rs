use super::*;

fn ids(language: Language, path: &str, source: &str) -> Vec<UnitId> {
    let mut ids: Vec<UnitId> = of(language, path, source.as_bytes()).into_iter().map(|u| u.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn same(language: Language, one: &str, other: &str) {
    assert_eq!(ids(language, "a", one), ids(language, "a", other), "{one}\n--- and ---\n{other}");
}

fn differ(language: Language, one: &str, other: &str) {
    assert_ne!(ids(language, "a", one), ids(language, "a", other), "{one}\n--- and ---\n{other}");
}

#[test]
fn what_changes_nothing_in_rust() {
    let one = "use a::b;\nuse c;\n/// Doc.\nfn area(w: u32, h: u32) -> u32 {\n    let x = w * h; // product\n    f(x, 1)\n}\n";
    same(Language::Rust, one, "fn area(w:u32,h:u32,)->u32{let x=w*h;f(x,1,)}");
    same(
        Language::Rust,
        one,
        "mod inner { use c; use a::b; fn size(breadth: u32, k: u32) -> u32 { let y = breadth * k; f(y, 1) } }",
    );
    differ(Language::Rust, one, "fn area(w: u32, h: u32) -> u32 { let x = w + h; f(x, 1) }");
    differ(Language::Rust, one, "fn area(w: u32, h: u32) -> u32 { let x = w * h; g(x, 1) }");
    differ(Language::Rust, one, "fn area(w: u32, h: u32) -> u32 { let x = w * w; f(x, 1) }");
    differ(Language::Rust, one, "fn area(w: u32, h: u32) -> u32 { let x = w * h; f(x, 2) }");
    differ(Language::Rust, one, "fn area(w: u32, h: u32) -> u32 { let x = w * h; f(x, 1); }");
    differ(Language::Rust, "fn p() -> P { let x = 1; P { x } }", "fn p() -> P { let y = 1; P { y } }");
    same(Language::Rust, "fn f(n: u32) -> u32 { f(n - 1) }", "fn g(n: u32) -> u32 { g(n - 1) }");
}

#[test]
fn members_know_their_type() {
    let units = of(
        Language::Rust,
        "a.rs",
        b"struct A; impl A { const N: u8 = 1; fn len(&self) -> u8 { 1 } }\nimpl B { fn len(&self) -> u8 { 1 } }",
    );
    let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["A", "A::len", "A", "B::len", "B"]);
    let ids: std::collections::HashSet<UnitId> = units.iter().map(|u| u.id).collect();
    assert_eq!(ids.len(), units.len());
}

#[test]
fn tests_are_known_as_such() {
    let source =
        "fn real() {}\n#[cfg(test)]\nmod tests {\n    fn helper() {}\n    #[test]\n    fn checks() { real(); }\n}\n";
    let units = of(Language::Rust, "src/a.rs", source.as_bytes());
    let tests: Vec<(&str, bool)> = units.iter().map(|u| (u.name.as_str(), u.test)).collect();
    assert_eq!(tests, [("real", false), ("helper", true), ("checks", true)]);
    assert_eq!(units[2].lines, 5..=6);
    assert!(of(Language::Python, "tests/test_a.py", b"def f():\n  pass\n")[0].test);
    assert!(of(Language::Java, "A.java", b"class A { @Test void a() {} void b() {} }").iter().any(|u| u.test));
    assert!(!of(Language::Go, "a.go", b"package a\nfunc F() {}\n")[0].test);
}

#[test]
fn what_changes_nothing_elsewhere() {
    same(
        Language::Python,
        "import os\nimport sys\ndef f(a, b=1):\n    \"\"\"Doc.\"\"\"\n    # why\n    c = a + b\n    return g(c, 'x')\n",
        "def h(p, q = 1):\n  r = (\n p + q)\n  return g(r, \"x\",)\n".replace("(\n p + q)", "p + q").as_str(),
    );
    differ(Language::Python, "def f(a):\n  if a:\n    x()\n    y()\n", "def f(a):\n  if a:\n    x()\n  y()\n");
    differ(Language::Python, "def f(a):\n  return a.b\n", "def f(a):\n  return a.c\n");
    same(
        Language::JavaScript,
        "import x from 'x';\nexport function f(a) { const b = a + 1; return g(b, 'q'); }",
        "function k(z) {\n  // note\n  const c = z + 1\n  return g(c, \"q\")\n}",
    );
    same(
        Language::TypeScript,
        "function f(a: number): number { let b = a; return b }",
        "function g(c: number): number {\n let d = c;\n return d;\n}",
    );
    same(
        Language::Go,
        "package a\nimport \"fmt\"\nfunc F(a int) int {\n\tb := a + 1\n\treturn b\n}\n",
        "package z\nfunc G(x int) int { y := x + 1; return y }\n",
    );
    same(
        Language::C,
        "#include <a.h>\nint f(int a) { int b = a; /* c */ return b; }",
        "int\ng (int x)\n{\n  int y = x;\n  return y;\n}\n",
    );
    differ(Language::C, "int f(int a) { return a + 1; }", "int f(int a) { return a - 1; }");
    same(
        Language::Cpp,
        "namespace n { class A { public: int f(int a) { return a; } }; }",
        "class A {\npublic:\n  int f(int b) { return b; }\n};",
    );
    same(
        Language::Java,
        "package p; import q.R; class A { int f(int a) { int b = a; return b; } }",
        "class A {\n  int f(int x) {\n    int y = x;\n    return y;\n  }\n}",
    );
    same(Language::Shell, "f() {\n  echo hi # x\n}\n", "g() { echo hi; }\n");
    differ(Language::Shell, "f() { echo hi; }", "f() { echo ho; }");
}

#[test]
fn chunks_are_cut_by_content() {
    let text: String = (0..2000).map(|n| format!("word{} = call({n});\n", n * 7 % 901)).collect();
    let before = of(Language::Other, "a.rb", text.as_bytes());
    assert!(before.len() > 20);
    let after = of(Language::Other, "a.rb", format!("one more\n{}", text.replace('\n', "\n\n")).as_bytes());
    let known: std::collections::HashSet<UnitId> = before.iter().map(|u| u.id).collect();
    let fresh = after.iter().filter(|u| !known.contains(&u.id)).count();
    assert!(fresh <= 2, "{fresh} of {} chunks are new", after.len());
    assert!(of(Language::Other, "a.rb", b"").is_empty());
}

#[test]
fn languages_are_told_by_name_and_shebang() {
    assert_eq!(Language::of("a/b.rs", b""), Some(Language::Rust));
    assert_eq!(Language::of("x.KT", b""), Some(Language::Other));
    assert_eq!(Language::of("run", b"#!/usr/bin/env python3\n"), Some(Language::Python));
    assert_eq!(Language::of("run", b"#!/bin/sh -e\n"), Some(Language::Shell));
    assert_eq!(Language::of("README.md", b"# x"), None);
    assert_eq!(Language::of(".bashrc", b""), None);
    assert_eq!(Language::of("LICENSE", b"MIT"), None);
}

#[test]
fn broken_sources_and_deep_ones_still_give_units() {
    for language in [Language::Rust, Language::Python, Language::Cpp, Language::Java, Language::Shell, Language::Tsx] {
        for source in ["fn (((", "class {{{{ def f(", "\u{0}\u{1}", "'''", "#if\n#if\n"] {
            let _ = of(language, "a", source.as_bytes());
        }
        let deep = "(".repeat(20_000);
        let _ = of(language, "a", deep.as_bytes());
        let _ = of(language, "a", &[0xff; 300]);
    }
}
