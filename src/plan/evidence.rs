//! What would show that a criterion is met: a tree of demands, as data. Deciding it is the gate's business.
//!
//! Each node has one key. An empty `all` would hold without any evidence, so it is refused here.

use serde_json::{Value, json};

use super::decimal::Decimal;
use super::read::{Book, Field, Reader, record};
use super::scalars::{Id, Span};
use super::schema::Comparison;
use super::source::At;
use super::tree::{Kind, NodeId};

#[derive(Clone, Debug)]
pub struct Evidence {
    pub span: super::source::Span,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub enum Node {
    All(Vec<Evidence>),
    Any(Vec<Evidence>),
    AtLeast(AtLeast),
    Not(Box<Evidence>),
    Receipt(Receipt),
    Command(Command),
    File(File),
    Metric(MetricDemand),
    Approval(Approval),
    Attest(Attest),
}

record! {
    /// So many of these hold.
    AtLeast { n: At<u32>, of: Vec<Evidence> }
}

record! {
    /// A signed receipt of the ledger; the newest that fits decides.
    Receipt {
        /// What it claims, such as `inference`, `test-run` or `kernel-verification/v0.1`.
        predicate: At<String>,
        /// The files that it has to be about, by their bytes.
        subject: Option<Subject>,
        /// What its figures have to be.
        r#where: Vec<Condition>,
        /// Whose key has to have signed it.
        signed_by: Option<Signers>,
        /// No older than this: `30d`, `12h`.
        max_age: Option<At<Span>>,
    }
}

record! {
    /// Files, bound by their bytes: a receipt about other bytes is none.
    Subject {
        /// From the repository's root; `*` and `**` stand for any names.
        paths: Vec<At<String>>,
        /// As they are committed, `head`, or as they lie there, `worktree`, which is what is taken for granted.
        at: Option<At<String>>,
    }
}

record! {
    /// A figure of the receipt, by its path in the claim, against a number.
    Condition { path: At<String>, op: At<Comparison>, value: At<Decimal>, unit: Option<At<String>> }
}

record! {
    /// Keys to which the trust policy gives this role; so many of them.
    Signers { role: At<Id>, threshold: Option<At<u32>> }
}

record! {
    /// A program that ends as expected; run by a gate alone, with `--allow-commands`, and without a shell.
    Command { run: Vec<At<String>>, exit: Option<At<u32>>, timeout: Option<At<Span>> }
}

record! {
    /// A file of the repository, from its root: there, and not empty.
    File { path: At<String>, min_bytes: Option<At<u32>>, sha256: Option<At<String>> }
}

record! {
    /// The newest measured value of one of the plan's metrics.
    MetricDemand { id: At<Id>, op: At<Comparison>, value: At<Decimal>, unit: Option<At<String>>, max_age: Option<At<Span>> }
}

record! {
    /// Somebody's signed word about this criterion: `bizra attest --criterion PLAN/ID`.
    Approval {
        /// As what they have to speak, by the trust policy.
        role: At<Id>,
        /// The least score that each of them has to give.
        min_score: Option<At<Decimal>>,
        /// The best possible score; 10 where nothing is said.
        of: Option<At<Decimal>>,
        /// How many different keys.
        threshold: Option<At<u32>>,
        /// Nobody of this name counts; `owners` are those of the work that the criterion covers.
        independent_of: Option<At<Id>>,
        /// Criteria and metrics that have to be met before it is said.
        after: Vec<At<Id>>,
    }
}

record! {
    /// Somebody's signed word in exactly this wording.
    Attest { role: At<Id>, statement: At<String>, max_age: Option<At<Span>> }
}

const KEYS: &[&str] = &["all", "any", "at_least", "not", "receipt", "command", "file", "metric", "approval", "attest"];

impl Evidence {
    /// Calls `visit` for this node and all below it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Evidence)) {
        visit(self);
        match &self.node {
            Node::All(inner) | Node::Any(inner) => inner.iter().for_each(|e| e.walk(visit)),
            Node::AtLeast(some) => some.of.iter().for_each(|e| e.walk(visit)),
            Node::Not(inner) => inner.walk(visit),
            _ => {}
        }
    }
}

impl Field for Evidence {
    fn read(node: NodeId, reader: &mut Reader<'_>) -> Option<Self> {
        let tree = reader.tree;
        let entries: Vec<_> = tree.entries(node).collect();
        let [(key, value)] = entries[..] else {
            let what = if tree.kind(node) == Kind::Map {
                format!("a map of {} keys", entries.len())
            } else {
                reader.what(node)
            };
            let message = format!("{what} stands here, and evidence is a map with one key");
            reader.refuse(tree.span(node), message, Some(format!("one of: {}", KEYS.join(", "))));
            return None;
        };
        let node = match tree.text(key) {
            "all" => Node::All(several(value, reader)?),
            "any" => Node::Any(several(value, reader)?),
            "not" => Node::Not(Box::new(Evidence::read(value, reader)?)),
            "receipt" => Node::Receipt(Receipt::read(value, reader)?),
            "file" => Node::File(File::read(value, reader)?),
            "metric" => Node::Metric(MetricDemand::read(value, reader)?),
            "approval" => Node::Approval(Approval::read(value, reader)?),
            "attest" => Node::Attest(Attest::read(value, reader)?),
            "command" => {
                let command = Command::read(value, reader)?;
                if command.run.is_empty() {
                    reader.refuse(
                        command.span,
                        "the command has no words",
                        Some("write `run: [program, argument]`".into()),
                    );
                    return None;
                }
                Node::Command(command)
            }
            "at_least" => {
                let some = AtLeast::read(value, reader)?;
                if some.n.value == 0 || some.n.value as usize > some.of.len() {
                    let message = format!("{} of {} can't be asked for", some.n.value, some.of.len());
                    reader.refuse(some.n.span, message, Some("write a number from 1 to the length of `of`".into()));
                    return None;
                }
                Node::AtLeast(some)
            }
            other => {
                let (message, hint) = super::read::unknown_word(other, KEYS);
                reader.refuse(tree.span(key), format!("evidence `{other}` {message}"), hint);
                return None;
            }
        };
        Some(Evidence { span: tree.span(key), node })
    }

    fn shape(book: &mut Book) -> Value {
        book.define("Evidence", |book| {
            let several = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Evidence" } });
            let shapes = [
                several.clone(),
                several,
                AtLeast::shape(book),
                json!({ "$ref": "#/$defs/Evidence" }),
                Receipt::shape(book),
                Command::shape(book),
                File::shape(book),
                MetricDemand::shape(book),
                Approval::shape(book),
                Attest::shape(book),
            ];
            let one_of: Vec<Value> = KEYS
                .iter()
                .zip(shapes)
                .map(|(key, shape)| {
                    json!({ "type": "object", "properties": { *key: shape }, "required": [key], "additionalProperties": false })
                })
                .collect();
            json!({ "oneOf": one_of })
        })
    }
}

fn several(value: NodeId, reader: &mut Reader<'_>) -> Option<Vec<Evidence>> {
    let all = Vec::<Evidence>::read(value, reader)?;
    if all.is_empty() {
        let hint = "list what has to hold, or remove the criterion";
        reader.refuse(reader.tree.span(value), "an empty list would hold without any evidence", Some(hint.into()));
        return None;
    }
    Some(all)
}
