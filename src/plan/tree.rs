//! A YAML document as nodes in one vector: what the reader of the format hands over, before anything is believed.
//!
//! Aliases and tags never get this far, so a tree is a tree, and its size is bounded by its text.

use super::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Written bare, so that `12`, `true` and `null` mean what they look like.
    Plain,
    /// Quoted or a block: text, whatever it looks like.
    Quoted,
    List,
    Map,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    span: Span,
    /// Where its text or its children stand, in `texts` or `links`.
    from: u32,
    to: u32,
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Children of lists; keys and values, in turn, of maps.
    links: Vec<NodeId>,
    texts: String,
    pub comments: Vec<Comment>,
}

impl Tree {
    pub fn add_scalar(&mut self, text: &str, plain: bool, span: Span) -> NodeId {
        let from = index(self.texts.len());
        self.texts.push_str(text);
        let kind = if plain { Kind::Plain } else { Kind::Quoted };
        self.add(Node { kind, span, from, to: index(self.texts.len()) })
    }

    pub fn add_list(&mut self, children: &[NodeId], span: Span) -> NodeId {
        self.add_branch(Kind::List, children, span)
    }

    /// `children` holds each key before its value.
    pub fn add_map(&mut self, children: &[NodeId], span: Span) -> NodeId {
        self.add_branch(Kind::Map, children, span)
    }

    fn add_branch(&mut self, kind: Kind, children: &[NodeId], span: Span) -> NodeId {
        let from = index(self.links.len());
        self.links.extend_from_slice(children);
        self.add(Node { kind, span, from, to: index(self.links.len()) })
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(index(self.nodes.len() - 1))
    }

    /// The last node added holds all others.
    pub fn root(&self) -> Option<NodeId> {
        self.nodes.len().checked_sub(1).map(|last| NodeId(index(last)))
    }

    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    pub fn span(&self, id: NodeId) -> Span {
        self.node(id).span
    }

    /// The text of a scalar; empty for lists and maps.
    pub fn text(&self, id: NodeId) -> &str {
        let node = self.node(id);
        match node.kind {
            Kind::Plain | Kind::Quoted => &self.texts[node.from as usize..node.to as usize],
            Kind::List | Kind::Map => "",
        }
    }

    pub fn items(&self, id: NodeId) -> &[NodeId] {
        match self.kind(id) {
            Kind::List => self.children(id),
            _ => &[],
        }
    }

    pub fn entries(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let children = if self.kind(id) == Kind::Map { self.children(id) } else { &[] };
        children.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }

    /// The texts that stand under this key, in whichever map.
    pub fn texts_under<'t>(&'t self, key: &str) -> impl Iterator<Item = &'t str> {
        let maps = (0..self.nodes.len()).map(|n| NodeId(index(n)));
        maps.flat_map(|map| self.entries(map)).filter(move |(k, _)| self.text(*k) == key).map(|(_, v)| self.text(v))
    }

    pub fn is_null(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Plain && matches!(self.text(id), "" | "~" | "null" | "Null" | "NULL")
    }

    fn children(&self, id: NodeId) -> &[NodeId] {
        let node = self.node(id);
        &self.links[node.from as usize..node.to as usize]
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// Texts are limited to less than 4 GiB where they are read, and hold more bytes than nodes.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("invariant: a tree is smaller than its text, whose size is limited")
}
