//! Manifests (`bizra: kernel/v1`): what a kernel is, what it promises, and for which shapes.
//!
//! A manifest may promise more than the verifier asks for, and never less: tolerances are tightened only, domains name
//! shapes only. The records here are read strictly; [`Manifest::of`] then refuses what contradicts itself.

use std::fmt;

use bizra_kernels::call::DType;
use serde_json::{Value, json};

use super::case::{Case, Data};
use super::claims::{self, ClaimError, Known};
use super::op::{Dim, MOST_SIZE, Op, Shape, dims};
use super::promise::Promise;
use crate::plan::read::{Book, Field, Named, Reader, Scalar, record, unknown_word, words};
use crate::plan::scalars::Id;
use crate::plan::source::{At, Source};
use crate::plan::tree::{Kind, NodeId, Tree};

type Text = At<String>;

words! { ManifestKind { V1 = "kernel/v1" } }
words! { Activations { Exact = "exact", Int8 = "int8" } }
words! { Accumulate { F32 = "f32", F16 = "f16", BF16 = "bf16", F64 = "f64" } }
words! { Cells { F32 = "f32", F16 = "f16", Q8 = "q8" } }
words! { Rounding { None = "none", F16 = "f16", BF16 = "bf16" } }
words! { Angle { F64 = "f64", F32 = "f32" } }
words! { Repeats { Bitwise = "bitwise", Bounded = "bounded" } }
words! { Aliasing { None = "none" } }
words! { MaskedRow { Zero = "zero", NaN = "nan" } }
words! { NanRule { PropagateRow = "propagate_row" } }
words! { Denormals { Keep = "keep", Flush = "flush" } }
words! {
    /// How tensors lie in memory.
    Layout {
        /// Without gaps, aligned to 64 bytes.
        Plain = "plain",
        /// Without gaps, one element past that.
        Offset = "offset",
        /// With a gap after each row.
        Padded = "padded",
        /// Columns first.
        Transposed = "transposed",
    }
}
words! { Cache { Cold = "cold", Warm = "warm" } }
words! { Threads { Same = "same" } }
words! { Tightened { G1 = "g1", G2 = "g2", G3 = "g3" } }

impl Scalar for Op {
    fn parse(text: &str, _: bool) -> Result<Self, (String, Option<String>)> {
        let all: Vec<&str> = Op::ALL.iter().map(|op| op.word()).collect();
        Op::ALL.iter().copied().find(|op| op.word() == text).ok_or_else(|| unknown_word(text, &all))
    }
    fn shape() -> Value {
        json!({ "enum": Op::ALL.iter().map(|op| op.word()).collect::<Vec<_>>() })
    }
}

impl Scalar for DType {
    fn parse(text: &str, _: bool) -> Result<Self, (String, Option<String>)> {
        let all: Vec<&str> = DType::ALL.iter().map(|d| d.word()).collect();
        DType::parse(text).ok_or_else(|| unknown_word(text, &all))
    }
    fn shape() -> Value {
        json!({ "enum": DType::ALL.iter().map(|d| d.word()).collect::<Vec<_>>() })
    }
}

/// A factor of at most one, as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor(pub f64);

impl Scalar for Factor {
    fn parse(text: &str, plain: bool) -> Result<Self, (String, Option<String>)> {
        match text.parse::<f64>() {
            Ok(x) if plain && x > 0.0 && x <= 1.0 => Ok(Factor(x)),
            Ok(x) if plain && x > 1.0 => Err((
                "would loosen a tolerance, which belongs to the verifier".into(),
                Some("tighten with a factor above 0 and at most 1, or fix the kernel".into()),
            )),
            _ => Err(("is no factor above 0 and at most 1".into(), None)),
        }
    }
    fn shape() -> Value {
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
    }
}

/// The values that a size may have: `1..8192` or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    Range(i64, i64),
    List(Vec<i64>),
}

impl Values {
    pub fn contains(&self, value: i64) -> bool {
        match self {
            Values::Range(from, to) => (*from..=*to).contains(&value),
            Values::List(all) => all.contains(&value),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Values::Range(from, to) => from > to,
            Values::List(all) => all.is_empty(),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::Range(from, to) => write!(f, "{from}..{to}"),
            Values::List(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "{}", all.join(", "))
            }
        }
    }
}

fn one_value(text: &str) -> Option<i64> {
    match text {
        "false" => Some(0),
        "true" => Some(1),
        _ => text.parse().ok().filter(|v| (0..=MOST_SIZE).contains(v)),
    }
}

impl Field for Values {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        let hint = || Some("write `FROM..TO`, one number, or a list such as `[64, 128]`".to_owned());
        let read = match tree.kind(node) {
            Kind::List => {
                let mut all = Vec::new();
                for item in tree.items(node) {
                    let Some(value) = one_value(tree.text(*item)) else {
                        let what = reader.what(*item);
                        reader.refuse(tree.span(*item), format!("{what} is no size"), hint());
                        return None;
                    };
                    all.push(value);
                }
                Some(Values::List(all))
            }
            Kind::Map => None,
            _ => match tree.text(node).split_once("..") {
                Some((from, to)) => {
                    one_value(from.trim()).zip(one_value(to.trim())).map(|(from, to)| Values::Range(from, to))
                }
                None => one_value(tree.text(node)).map(|value| Values::List(vec![value])),
            },
        };
        match read {
            None => {
                let what = reader.what(node);
                reader.refuse(tree.span(node), format!("{what} is no range of sizes"), hint());
                None
            }
            Some(Values::Range(from, to)) if from > to => {
                let about = format!("{from} is more than {to}, so no size is left here");
                reader.refuse(tree.span(node), about, Some(format!("write {to}..{from}")));
                None
            }
            Some(values) if values.is_empty() => {
                reader.refuse(tree.span(node), "no size is left here, so nothing could be verified", hint());
                None
            }
            read => read,
        }
    }

    fn shape(_: &mut Book) -> Value {
        let value = json!({ "type": ["integer", "boolean"] });
        json!({ "oneOf": [{ "type": "string", "pattern": r"^\d+\.\.\d+$" }, value, { "type": "array", "items": value, "minItems": 1 }] })
    }
}

record! {
    /// A kernel: what it computes, where its code is, and what it promises.
    Manifest {
        bizra: At<ManifestKind>,
        id: At<Id>,
        title: Option<Text>,
        op: At<Op>,
        targets: Targets,
        contract: Contract,
        domain: Domain,
        tolerance: Option<Tolerance>,
        baselines: Vec<Baseline>,
        claims: Vec<Claim>,
    }
}

record! {
    /// Where the kernel's code is, per backend
    Targets { cpu: Option<Cpu>, cuda: Option<Source_>, wgpu: Option<Source_>, triton: Option<Source_> }
}

record! {
    /// A function of this program, or of a shared library with the interface of `bizra_kernel.h`
    Cpu {
        entry: Text,
        /// A shared library, from the manifest's folder; without one the entry is one of bizra's own
        library: Option<Text>,
        /// Other entries that have to return the same bits
        same_bits: Vec<Text>,
        /// Bytes of scratch memory that each call is given
        workspace: Option<At<u32>>,
    }
}

record! {
    /// A source file, from the manifest's folder, and the function in it
    Source_ {
        source: Text,
        entry: Text,
        /// Files that it includes; in WGSL, which are put before it
        with: Vec<Text>,
        /// `block`, the threads of a block, and `tile`, what of the output a block computes
        launch: Named<Values>,
    }
}

record! {
    /// What the kernel promises about its numbers
    Contract {
        r#in: Option<At<DType>>,
        out: Option<At<DType>>,
        /// Types of weights that it takes, of matrix products
        weights: Vec<At<DType>>,
        accumulate: Option<At<Accumulate>>,
        /// Whether activations are rounded to int8, one scale for 32, before they meet quantised weights
        activations: Option<At<Activations>>,
        /// How keys and values are kept, of attention
        kv: Option<At<Cells>>,
        /// What probabilities are rounded to, of attention
        p_round: Option<At<Rounding>>,
        /// In what angles are computed, of rope
        angle: Option<At<Angle>>,
        deterministic: Option<At<Repeats>>,
        aliasing: Option<At<Aliasing>>,
        mutates: Vec<Text>,
        /// Bytes that pointers are multiples of; without it, one element
        align: Option<At<u32>>,
        denormals: Option<At<Denormals>>,
        special: Option<Special>,
    }
}

record! {
    /// What becomes of what is no number
    Special { masked_row: Option<At<MaskedRow>>, nan: Option<At<NanRule>> }
}

record! {
    /// Tolerances that are stricter than the verifier's
    Tolerance { tighten: Named<At<Factor>> }
}

record! {
    /// What a claim compares with
    Baseline { id: At<Id>, threads: Option<At<Threads>> }
}

record! {
    /// A statement about speed that can be decided
    Claim {
        id: At<Id>,
        text: Text,
        grammar: Text,
        on: Option<Text>,
        r#where: Option<Text>,
        /// Types of weights that it is about; without it, all of the contract's
        weights: Vec<At<DType>>,
        cache: Option<At<Cache>>,
    }
}

impl Claim {
    /// What it says; conditions may stand apart from the rest of the grammar.
    pub fn read(&self, baselines: &[&str], sizes: &[&str]) -> Result<claims::Claim, ClaimError> {
        let typed = match &self.r#where {
            Some(conditions) => format!("{} on {}", self.grammar.value, conditions.value),
            None => self.grammar.value.clone(),
        };
        claims::Claim::parse(&typed, &Known { baselines, sizes })
    }
}

/// For which shapes the kernel is made.
#[derive(Clone, Debug, Default)]
pub struct Domain {
    /// By the order of [`dims`].
    pub sizes: Vec<(String, Values)>,
    pub layouts: Vec<Layout>,
    /// Sizes near which the code changes its way: one less and one more are edges too.
    pub tiles: Vec<(String, At<u32>)>,
    spans: Vec<(String, crate::plan::source::Span)>,
    /// Of the whole map.
    pub span: crate::plan::source::Span,
}

impl Field for Domain {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        if tree.kind(node) != Kind::Map {
            let what = reader.what(node);
            reader.refuse(tree.span(node), format!("{what} stands here, and a map is needed"), None);
            return None;
        }
        let mut domain = Domain { span: tree.span(node), ..Domain::default() };
        for (key, value) in tree.entries(node) {
            match tree.text(key) {
                "layout" => {
                    let layouts = Vec::<At<Layout>>::read(value, reader)?;
                    if layouts.is_empty() {
                        reader.refuse(tree.span(value), "no layout is left here, so nothing could be verified", None);
                        return None;
                    }
                    domain.layouts = layouts.into_iter().map(|l| l.value).collect();
                }
                "tiles" => {
                    for (name, tile) in Named::<At<u32>>::read(value, reader)?.0 {
                        domain.spans.push((name.value.clone(), name.span));
                        domain.tiles.push((name.value, tile));
                    }
                }
                name => {
                    domain.spans.push((name.to_owned(), tree.span(key)));
                    domain.sizes.push((name.to_owned(), Values::read(value, reader)?));
                }
            }
        }
        Some(domain)
    }

    fn shape(book: &mut Book) -> Value {
        let values = Values::shape(book);
        let layout = Layout::shape();
        json!({
            "type": "object",
            "properties": {
                "layout": { "type": "array", "items": layout, "minItems": 1 },
                "tiles": { "type": "object", "additionalProperties": { "type": "integer" } },
            },
            "additionalProperties": values,
        })
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, values) in &self.sizes {
            write!(f, "{name} {values}; ")?;
        }
        let layouts: Vec<&str> = self.layouts().iter().map(|layout| layout.word()).collect();
        write!(f, "{}", layouts.join(", "))
    }
}

impl Domain {
    pub fn values(&self, name: &str) -> Option<&Values> {
        self.sizes.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Where a size stands, or the first of those that do.
    pub fn span(&self, name: &str) -> Option<crate::plan::source::Span> {
        self.spans.iter().find(|(n, _)| n == name).or(self.spans.first()).map(|(_, span)| *span)
    }

    /// A size, and a value of another domain for it, that this domain doesn't have.
    pub fn shrinks(&self, other: &Domain, op: Op) -> Option<(&'static str, i64)> {
        dims(op).iter().find_map(|dim| {
            let default = dim.default.map(|all| Values::List(all.to_vec()));
            let [own, others] = [self, other].map(|domain| domain.values(dim.name).or(default.as_ref()));
            let own = own?;
            let missing = match others? {
                // Of a range the ends say enough, unless this domain is a list.
                Values::Range(from, to) => match own {
                    Values::Range(..) => [*from, *to].into_iter().find(|value| !own.contains(*value)),
                    Values::List(_) => (*from..=*to).find(|value| !own.contains(*value)),
                },
                Values::List(all) => all.iter().copied().find(|value| !own.contains(*value)),
            };
            missing.map(|value| (dim.name, value))
        })
    }

    /// The values that a size may have: as the domain says, else the operation's usual ones.
    fn allowed(&self, dim: &Dim) -> Option<Values> {
        self.values(dim.name).cloned().or_else(|| dim.default.map(|all| Values::List(all.to_vec())))
    }

    /// The first size of a shape that this domain doesn't have, in words.
    pub fn lacks(&self, shape: &Shape) -> Option<String> {
        dims(shape.op).iter().zip(&shape.values).find_map(|(dim, value)| self.lacks_size(dim, *value))
    }

    fn lacks_size(&self, dim: &Dim, value: i64) -> Option<String> {
        let allowed = self.allowed(dim).filter(|allowed| !allowed.contains(value))?;
        Some(format!("{}={value} is not in its domain, where {} is {allowed}", dim.name, dim.name))
    }

    /// The same domain, with these sizes alone of those that are named; why not, where it hasn't these.
    pub fn narrowed(&self, op: Op, sizes: &[(String, i64)]) -> Result<Domain, String> {
        let mut narrow = self.clone();
        for (name, value) in sizes {
            let Some(dim) = dims(op).iter().find(|dim| dim.name == name) else {
                return Err(format!("`{name}` is no size of {}", op.word()));
            };
            if let Some(why) = self.lacks_size(dim, *value) {
                return Err(why);
            }
            narrow.sizes.retain(|(known, _)| known != name);
            narrow.sizes.push((name.clone(), Values::List(vec![*value])));
        }
        Ok(narrow)
    }

    pub fn layouts(&self) -> &[Layout] {
        if self.layouts.is_empty() { &[Layout::Plain, Layout::Offset] } else { &self.layouts }
    }
}

impl Manifest {
    /// The manifest in a tree, or everything that is wrong with it.
    pub fn of(tree: &Tree, source: &Source) -> Result<Manifest, Vec<crate::error::Error>> {
        let mut reader = Reader::new(tree, source);
        let manifest = tree.root().and_then(|root| Manifest::read(root, &mut reader));
        if let Some(manifest) = &manifest {
            manifest.check(&mut reader);
        }
        let problems = reader.into_problems();
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(problems),
        }
    }

    pub fn op(&self) -> Op {
        self.op.value
    }

    pub fn id(&self) -> &str {
        &self.id.value.0
    }

    /// Why a case is none of this kernel's; none where it is one.
    pub fn leaves_out(&self, case: &Case) -> Option<String> {
        let id = self.id();
        if case.op() != self.op() {
            return Some(format!("{id} computes {}, and the case is one of {}", self.op().word(), case.op().word()));
        }
        let weights = Promise::of(self).weights;
        if !weights.contains(&case.weights) {
            let words: Vec<&str> = weights.iter().map(|dtype| dtype.word()).collect();
            return Some(format!("{id} takes {}, and the case is in {}", words.join(", "), case.weights.word()));
        }
        if !self.domain.layouts().contains(&case.layout) {
            let words: Vec<&str> = self.domain.layouts().iter().map(|layout| layout.word()).collect();
            let layout = case.layout.word();
            return Some(format!("the layout `{layout}` is not in the domain of {id}, which has {}", words.join(", ")));
        }
        if let Some(why) = case.shape.unfit(case.weights) {
            return Some(why);
        }
        // Draws count by the million, whatever rows a model has.
        let shape = match (case.data, self.domain.allowed(&dims(self.op())[0])) {
            (Data::Draws, Some(rows)) if self.op() == Op::Sample => {
                let any = match rows {
                    Values::Range(from, _) => from,
                    Values::List(all) => all[0],
                };
                case.shape.clone().with("R", any)
            }
            _ => case.shape.clone(),
        };
        self.domain.lacks(&shape).map(|why| format!("{id}: {why}"))
    }

    fn check(&self, reader: &mut Reader<'_>) {
        let known = dims(self.op());
        let names: Vec<&str> = known.iter().map(|d| d.name).collect();
        for (name, span) in &self.domain.spans {
            if !names.contains(&name.as_str()) {
                let hint = match crate::error::nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("sizes of {}: {}", self.op().word(), names.join(", ")),
                };
                reader.refuse(*span, format!("`{name}` is no size of {}", self.op().word()), Some(hint));
            }
        }
        for dim in known {
            if dim.default.is_none() && self.domain.values(dim.name).is_none() {
                let about = format!("add `{}: FROM..TO`: {}", dim.name, dim.about);
                let span = self.domain.spans.first().map_or(self.domain.span, |(_, span)| *span);
                reader.refuse(span, format!("the domain doesn't say `{}`", dim.name), Some(about));
            }
        }
        for (name, tile) in &self.domain.tiles {
            let left_out = |values: &Values| !values.contains(i64::from(tile.value));
            if let Some(values) = self.domain.values(name).filter(|values| left_out(values)) {
                let message = format!("a tile of {} lies outside of the domain, where {name} is {values}", tile.value);
                reader.refuse(tile.span, message, Some("its edges are tried, so they have to be sizes".into()));
            }
        }
        let targets = &self.targets;
        if targets.cpu.is_none() && targets.cuda.is_none() && targets.wgpu.is_none() && targets.triton.is_none() {
            reader.refuse(
                targets.span,
                "there is no target, so nothing could be verified",
                Some("add `cpu: {entry: …}`".into()),
            );
        }
        super::gpu::check(self, reader);
        if !self.contract.mutates.is_empty() {
            let span = self.contract.mutates[0].span;
            reader.refuse(span, "kernels here may not change their inputs", Some("write `mutates: []`".into()));
        }
        if let Some(align) = &self.contract.align
            && !(align.value.is_power_of_two() && align.value <= 4096)
        {
            reader.refuse(align.span, "an alignment is a power of two of at most 4096", None);
        }
        self.distinct(reader, self.baselines.iter().map(|b| &b.id));
        self.distinct(reader, self.claims.iter().map(|c| &c.id));
        let baselines: Vec<&str> = self.baselines.iter().map(|one| one.id.value.0.as_str()).collect();
        for claim in &self.claims {
            for weights in &claim.weights {
                if !self.contract.weights.iter().any(|known| known.value == weights.value) {
                    let message = format!("the contract doesn't take weights in {}", weights.value.word());
                    reader.refuse(weights.span, message, Some("what is not verified has no speed".into()));
                }
            }
            if let Err(error) = claim.read(&baselines, &names) {
                let message = format!("claim `{}`, column {}: {}", claim.id.value, error.column(), error.message);
                reader.refuse(claim.grammar.span, message, Some(error.hint));
            }
        }
        if let Some(tolerance) = &self.tolerance {
            for (name, _) in &tolerance.tighten.0 {
                if let Err((message, hint)) = Tightened::parse(&name.value, true) {
                    reader.refuse(name.span, format!("`{}` {message}", name.value), hint);
                }
            }
        }
    }

    fn distinct<'m>(&self, reader: &mut Reader<'_>, ids: impl Iterator<Item = &'m At<Id>>) {
        let mut seen = std::collections::HashSet::new();
        for id in ids {
            if !seen.insert(&id.value) {
                reader.refuse(id.span, format!("`{}` stands twice", id.value), None);
            }
        }
    }
}
