//! Where faults go, and the text that holds them all. Nothing but insertions within lines: places keep their lines.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ReturnType, Signature, UnOp};

use super::values;
use crate::tools::{self, Outcome};

pub(super) struct Mutant {
    /// What turns its switch, from 1.
    pub(super) id: u32,
    pub(super) file: PathBuf,
    line: usize,
    function: String,
    what: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} in {}", self.file.display(), self.line, self.what, self.function)
    }
}

/// A place in a file, the same for all faults that take its turn.
struct Site {
    range: Range<usize>,
    kind: Kind,
    faults: Vec<(Mutant, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// After a body's opening brace: one of several things to return.
    Body,
    /// An expression, or another in its place.
    Expression,
    /// A guard, or yes, or no.
    Guard,
}

/// A file with its faults.
pub(super) struct File {
    pub(super) path: PathBuf,
    text: String,
    /// The number of its first fault.
    pub(super) first: u32,
    sites: Vec<Site>,
}

/// What was written for a fault: its own text, and the whole place with all its faults and the original.
pub(super) struct Written {
    pub(super) id: u32,
    pub(super) own: Range<usize>,
    pub(super) whole: Range<usize>,
}

impl File {
    pub(super) fn mutants(&self) -> impl Iterator<Item = &Mutant> {
        self.sites.iter().flat_map(|site| site.faults.iter().map(|(mutant, _)| mutant))
    }

    pub(super) fn keep(&mut self, is_kept: impl Fn(&Mutant) -> bool) {
        self.sites.iter_mut().for_each(|site| site.faults.retain(|(mutant, _)| is_kept(mutant)));
        self.sites.retain(|site| !site.faults.is_empty());
    }

    /// The text with all faults, and where each of them lies in it.
    pub(super) fn write(&self) -> (String, Vec<Written>) {
        // At one place: what ends there, the inner first; then what begins, the outer first.
        enum Event {
            Begin,
            End,
        }
        let mut events = Vec::new();
        // The sites stand in the order of their visit, which is from the outside in.
        for (number, site) in self.sites.iter().enumerate() {
            let (start, end) = (site.range.start, site.range.end);
            if site.kind == Kind::Body {
                events.push(((start, 1, 0, 0), Event::Begin, site));
            } else {
                events.push(((start, 2, usize::MAX - end, number), Event::Begin, site));
                events.push(((end, 0, usize::MAX - start, usize::MAX - number), Event::End, site));
            }
        }
        events.sort_by_key(|(order, ..)| *order);
        let (mut out, mut done, mut written) = (String::new(), 0, Vec::<Written>::new());
        let mut open: Vec<(usize, Range<usize>)> = Vec::new();
        for ((at, ..), event, site) in events {
            out += &self.text[done..at];
            done = at;
            if let Event::End = event {
                out += if site.kind == Kind::Guard { "))" } else { "})" };
                let (start, ours) = open.pop().expect("what ends has begun");
                written[ours].iter_mut().for_each(|one| one.whole = start..out.len());
                continue;
            }
            let (start, first) = (out.len(), written.len());
            let mut note = |id, own: Range<usize>| written.push(Written { id, whole: own.clone(), own });
            match site.kind {
                Kind::Body => {
                    for (mutant, value) in &site.faults {
                        let own = out.len();
                        out += &format!(" if {} {{ return {value}; }}", switch(mutant.id));
                        note(mutant.id, own..out.len());
                    }
                }
                Kind::Expression => {
                    out.push('(');
                    for (mutant, other) in &site.faults {
                        out += &format!("if {} {{ ", switch(mutant.id));
                        let own = out.len();
                        out += other;
                        note(mutant.id, own..out.len());
                        out += " } else ";
                    }
                    out.push('{');
                }
                Kind::Guard => {
                    out.push('(');
                    for (mutant, answer) in &site.faults {
                        let own = out.len();
                        out += &match answer.as_str() {
                            "true" => format!("{} || ", switch(mutant.id)),
                            _ => format!("!{} && ", switch(mutant.id)),
                        };
                        note(mutant.id, own..out.len());
                    }
                    out.push('(');
                }
            }
            if site.kind != Kind::Body {
                open.push((start, first..written.len()));
            }
        }
        out += &self.text[done..];
        (out, written)
    }
}

fn switch(id: u32) -> String {
    format!("crate::mutants::on({id})")
}

/// The files among those of src/ that these paths mean, each with its faults.
pub(super) fn files(paths: &[String]) -> Outcome<Vec<File>> {
    let all: Vec<PathBuf> = tools::repository_files()?
        .into_iter()
        .filter(|path| path.starts_with("src") && path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    for path in paths {
        if !all.iter().any(|file| file.starts_with(path)) {
            return Err(format!("{path} is no file or folder of src/ with code in it"));
        }
    }
    let mut parsed = Vec::new();
    for path in all {
        let text = String::from_utf8_lossy(&tools::read_file(&tools::root().join(&path))?).into_owned();
        let code = parse(&path, &text)?;
        parsed.push((path, text, code));
    }
    let tests: Vec<PathBuf> = parsed.iter().flat_map(|(path, _, code)| test_modules(path, code)).collect();
    let mut files = Vec::new();
    let mut next = 1;
    for (path, text, code) in parsed {
        let is_meant = paths.iter().any(|meant| path.starts_with(meant));
        if is_meant && !tests.iter().any(|test| path.starts_with(test) || path == test.with_extension("rs")) {
            let file = with_faults(path, text, &code, next);
            next += file.mutants().count() as u32;
            files.push(file);
        }
    }
    Ok(files)
}

fn parse(path: &Path, text: &str) -> Outcome<syn::File> {
    syn::parse_file(text).map_err(|cause| {
        let at = cause.span().start();
        format!("{}:{}:{}: {cause}", path.display(), at.line, at.column + 1)
    })
}

#[cfg(test)]
pub(super) fn of(path: PathBuf, text: &str, first: u32) -> Outcome<File> {
    let code = parse(&path, text)?;
    Ok(with_faults(path, text.to_string(), &code, first))
}

fn with_faults(path: PathBuf, text: String, code: &syn::File, first: u32) -> File {
    let mut planter = Planter { path: &path, text: &text, next: first, names: Vec::new(), sites: Vec::new() };
    planter.visit_file(code);
    let sites = planter.sites;
    File { path, text, first, sites }
}

/// Where the modules lie that are only there for tests, without `.rs`.
fn test_modules(path: &Path, code: &syn::File) -> Vec<PathBuf> {
    let name = path.file_stem().unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let below = if matches!(name.to_str(), Some("mod" | "lib" | "main")) { folder.into() } else { folder.join(name) };
    let modules = code.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.map(|module| below.join(module)).collect()
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_cfg_test = || match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string() == "test",
            _ => false,
        };
        path.is_ident("test") || (path.is_ident("cfg") && is_cfg_test())
    })
}

struct Planter<'a> {
    path: &'a Path,
    text: &'a str,
    next: u32,
    /// The functions and types around the place.
    names: Vec<String>,
    sites: Vec<Site>,
}

impl Planter<'_> {
    fn source(&self, node: &impl Spanned) -> &str {
        &self.text[node.span().byte_range()]
    }

    fn site(&mut self, kind: Kind, range: Range<usize>, at: proc_macro2::Span, faults: Vec<(String, String)>) {
        let function = self.names.join("::");
        let faults: Vec<(Mutant, String)> = faults
            .into_iter()
            .map(|(what, text)| {
                let id = self.next;
                self.next += 1;
                let (file, line) = (self.path.to_owned(), at.start().line);
                (Mutant { id, file, line, function: function.clone(), what }, text)
            })
            .collect();
        if !faults.is_empty() {
            self.sites.push(Site { range, kind, faults });
        }
    }

    fn function(&mut self, attributes: &[syn::Attribute], signature: &Signature, body: &Block) {
        if is_test(attributes) || signature.constness.is_some() || signature.asyncness.is_some() {
            return;
        }
        self.names.push(signature.ident.to_string());
        let values = match &signature.output {
            ReturnType::Default => vec!["()".to_string()],
            ReturnType::Type(_, ty) => values::of(ty),
        };
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let whole = plain(self.source(body));
        let after = body.brace_token.span.open().byte_range().end;
        let faults = values.into_iter().filter(|value| whole != format!("{{{}}}", plain(value)) && whole != "{}");
        let faults = faults.map(|value| (format!("body replaced by {value}"), value)).collect();
        self.site(Kind::Body, after..after, signature.ident.span(), faults);
        visit::visit_block(self, body);
        self.names.pop();
    }

    fn named(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.names.push(name);
        visit(self);
        self.names.pop();
    }
}

/// What stands in the place of an operator.
fn instead(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["*", "%"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["&", "|"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["*=", "%="],
        BinOp::RemAssign(_) => &["/=", "+="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::BitXorAssign(_) => &["&=", "|="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        _ => &[],
    }
}

/// Whether `let` patterns stand in a chain of conditions: such a chain can't be put into brackets.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Planter<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig, body);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(path, _)| Some(path.segments.last()?.ident.to_string()));
        // Debug output is shown to nobody but developers, and a default that asks itself never returns.
        if is_test(&item.attrs) || matches!(of.as_deref(), Some("Debug" | "Default")) {
            return;
        }
        let name = self.source(&item.self_ty).to_string();
        self.named(name, |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.named(item.ident.to_string(), |this| visit::visit_item_mod(this, item));
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !has_let(&binary.left) && !has_let(&binary.right) {
            let (left, right) = (self.source(&binary.left), self.source(&binary.right));
            let operator = self.source(&binary.op);
            let assigns = operator.ends_with('=') && !matches!(operator, "==" | "!=" | "<=" | ">=");
            let faults = instead(&binary.op).iter().map(|other| {
                let text =
                    if assigns { format!("{left} {other} ({right})") } else { format!("({left}) {other} ({right})") };
                (format!("{operator} replaced by {other}"), text)
            });
            let faults = faults.collect();
            self.site(Kind::Expression, binary.span().byte_range(), binary.op.span(), faults);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let operator = self.source(&unary.op).to_string();
            let fault = (format!("{operator} removed"), self.source(&unary.expr).to_string());
            self.site(Kind::Expression, unary.span().byte_range(), unary.op.span(), vec![fault]);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let syn::Pat::Guard(pattern) = &arm.pat {
            if !has_let(&pattern.guard) {
                let faults = ["true", "false"].map(|to| (format!("guard replaced by {to}"), to.to_string()));
                let range = pattern.guard.span().byte_range();
                self.site(Kind::Guard, range, pattern.guard.span(), faults.into());
            }
            self.visit_expr(&pattern.guard);
        }
        self.visit_expr(&arm.body);
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    // What is computed by the compiler knows no switches.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(text: &str) -> (String, Vec<String>) {
        let file = of("src/a.rs".into(), text, 1).unwrap();
        let (out, written) = file.write();
        assert_eq!(out.lines().count(), text.lines().count(), "lines stay where they are");
        syn::parse_file(&out).unwrap_or_else(|cause| panic!("{cause}: {out}"));
        for one in &written {
            assert!(one.whole.start <= one.own.start && one.own.end <= one.whole.end && one.whole.end <= out.len());
        }
        let told = file.mutants().map(|m| m.to_string().replacen("src/a.rs:", "", 1)).collect();
        (out.replace("crate::mutants::on", "on"), told)
    }

    #[test]
    fn a_body_may_return_at_once() {
        let (text, told) =
            planted("impl A {\n    fn f(&self) -> bool { self.0 }\n}\nfn yes() -> bool { true }\nfn no() {}\n");
        assert_eq!(
            text,
            "impl A {\n    fn f(&self) -> bool { if on(1) { return true; } if on(2) { return false; } self.0 }\n}\n\
             fn yes() -> bool { if on(3) { return false; } true }\nfn no() {}\n"
        );
        assert_eq!(told[0], "2: body replaced by true in A::f");
        assert_eq!(told[2], "4: body replaced by false in yes");
    }

    #[test]
    fn the_other_operator_has_the_plain_text_of_what_it_joins() {
        let (text, told) = planted("fn f() -> impl Sized { a + b == c }");
        assert_eq!(
            text,
            "fn f() -> impl Sized { (if on(1) { (a + b) != (c) } else {\
             (if on(2) { (a) - (b) } else if on(3) { (a) * (b) } else {a + b}) == c}) }"
        );
        assert_eq!(told, ["1: == replaced by != in f", "1: + replaced by - in f", "1: + replaced by * in f"]);
        let (text, _) = planted("fn f() -> impl Sized { a += !b; }");
        assert_eq!(
            text,
            "fn f() -> impl Sized { (if on(1) { a -= (!b) } else if on(2) { a *= (!b) } else {\
             a += (if on(3) { b } else {!b})}); }"
        );
    }

    #[test]
    fn guards_say_yes_or_no() {
        let (text, told) = planted("fn f() -> impl Sized { match a { 1..=3 if b && c => d, _ => e } }");
        assert_eq!(
            text,
            "fn f() -> impl Sized { match a { 1..=3 if (on(1) || !on(2) && ((if on(3) { (b) || (c) } else {b && c}))) \
             => d, _ => e } }"
        );
        assert_eq!(told.len(), 3);
    }

    #[test]
    fn tests_constants_types_and_chains_with_patterns_are_left_alone() {
        let untouched = "const A: u8 = 1 + 2;\nconst fn f() -> u8 { 1 + 2 }\n#[cfg(test)]\nmod t { fn f() -> u8 { 1 + 2 } }\n\
             #[test]\nfn t() { assert!(1 + 1 == 2) }\nimpl std::fmt::Debug for A { fn fmt(&self) -> bool { a == b } }\n\
             fn g(a: [u8; 1 + 2]) -> impl Sized { [0; 3 * 4] }\n";
        assert_eq!(planted(untouched).0, untouched);
        let (text, told) = planted("fn f() -> impl Sized { if let A = b && c == d {} }");
        assert_eq!(text, "fn f() -> impl Sized { if let A = b && (if on(1) { (c) != (d) } else {c == d}) {} }");
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn what_was_dropped_is_no_longer_written() {
        let mut file = of("src/a.rs".into(), "fn f() -> u8 { a - b }", 1).unwrap();
        file.keep(|mutant| mutant.id == 4);
        assert_eq!(file.write().0, "fn f() -> u8 { (if crate::mutants::on(4) { (a) / (b) } else {a - b}) }");
    }

    #[test]
    fn modules_of_tests_lie_where_the_compiler_looks_for_them() {
        let code =
            parse(Path::new("x"), "#[cfg(test)] mod tests; mod other; #[cfg(test)] pub(super) mod more;").unwrap();
        let found = |path: &str| test_modules(Path::new(path), &code);
        assert_eq!(found("src/a/mod.rs"), [Path::new("src/a/tests"), Path::new("src/a/more")]);
        assert_eq!(found("src/a.rs"), [Path::new("src/a/tests"), Path::new("src/a/more")]);
    }
}
