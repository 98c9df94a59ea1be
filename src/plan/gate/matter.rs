//! What is judged: a criterion, or a piece of work that says what would show it.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::plan::evidence::Evidence;
use crate::plan::scalars::Id;
use crate::plan::schema::{Criterion, Item, Package, Plan};
use crate::plan::source::{At, Source, Span};

/// What a sprint's last decision is called where something approves it.
pub static GO_NO_GO: LazyLock<Id> = LazyLock::new(|| Id("go_no_go".to_owned()));

pub struct Matter<'a> {
    pub id: &'a Id,
    pub evidence: Option<&'a Evidence>,
    pub(super) ticked: bool,
    /// The places in the plan whose text it is.
    spans: Vec<Span>,
    work: Work<'a>,
}

/// Whose work is judged: that of the packages and items it covers, or its own.
enum Work<'a> {
    Covered(&'a [At<Id>]),
    Package(&'a Package),
    Item(&'a Item),
    /// All work of the sprint.
    Everything,
}

impl<'a> From<&'a Criterion> for Matter<'a> {
    fn from(criterion: &'a Criterion) -> Self {
        Matter {
            id: &criterion.id.value,
            evidence: criterion.evidence.as_ref(),
            ticked: criterion.ticked.as_ref().is_some_and(|t| t.value),
            spans: vec![criterion.span],
            work: Work::Covered(&criterion.covers),
        }
    }
}

impl<'a> From<&'a Package> for Matter<'a> {
    fn from(package: &'a Package) -> Self {
        let (id, evidence) = (&package.id.value, package.evidence.as_ref());
        Matter { id, evidence, ticked: false, spans: vec![package.span], work: Work::Package(package) }
    }
}

impl<'a> From<&'a Item> for Matter<'a> {
    fn from(item: &'a Item) -> Self {
        let (id, evidence) = (&item.id.value, item.evidence.as_ref());
        Matter { id, evidence, ticked: false, spans: vec![item.span], work: Work::Item(item) }
    }
}

impl<'a> Matter<'a> {
    /// Every criterion of a plan, whatever list it stands in.
    pub fn criteria(plan: &'a Plan) -> impl Iterator<Item = &'a Criterion> {
        super::super::names::criteria(plan)
    }

    /// Everything in a plan that an approval can be about.
    pub fn all(plan: &'a Plan) -> impl Iterator<Item = Matter<'a>> {
        let phases = || plan.phases.iter().chain(&plan.tiers);
        let criteria = Matter::criteria(plan).map(Matter::from);
        let packages = phases().flat_map(|p| &p.packages).map(Matter::from);
        criteria.chain(packages).chain(plan.items.iter().map(Matter::from)).chain(Matter::go_no_go(plan))
    }

    /// The last decision about a sprint: what is decided, and who has to approve it.
    pub fn go_no_go(plan: &'a Plan) -> Option<Matter<'a>> {
        let decision = plan.go_no_go.as_ref().map(|go| go.span);
        let spans: Vec<Span> = decision.into_iter().chain(plan.approvals.as_ref().map(|a| a.span)).collect();
        let (id, work) = (&*GO_NO_GO, Work::Everything);
        (!spans.is_empty()).then_some(Matter { id, evidence: None, ticked: false, spans, work })
    }

    /// The subject of an approval of it.
    pub fn name(&self, plan: &Plan) -> String {
        let kind = match self.work {
            Work::Covered(_) => "criterion",
            Work::Package(_) => "package",
            Work::Item(_) => "item",
            Work::Everything => "decision",
        };
        format!("{kind}:{}/{}", plan.id.value, self.id)
    }

    /// Its bytes as the plan has them: what an approval of it is bound to.
    pub fn text(&self, source: &'a Source) -> Cow<'a, [u8]> {
        let text = |span: &Span| {
            let (start, end) = (span.start as usize, span.end as usize);
            source.text.get(start..end).unwrap_or_default().trim_end().as_bytes()
        };
        match &self.spans[..] {
            [one] => Cow::Borrowed(text(one)),
            several => Cow::Owned(several.iter().map(text).collect::<Vec<_>>().join(&b"\n"[..])),
        }
    }

    pub fn owners(&self, plan: &'a Plan) -> Vec<&'a str> {
        let of_package = |package: &'a Package| package.owners.iter();
        let of_item = |item: &'a Item| item.lead.iter().chain(item.support.iter().map(|s| &s.who));
        let ids: Vec<&At<Id>> = match self.work {
            Work::Package(package) => of_package(package).collect(),
            Work::Item(item) => of_item(item).collect(),
            Work::Everything => {
                let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages);
                packages.flat_map(of_package).chain(plan.items.iter().flat_map(of_item)).collect()
            }
            Work::Covered(covers) => {
                let covered = |id: &Id| covers.iter().any(|c| c.value == *id);
                let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages);
                let items = plan.items.iter().filter(|i| covered(&i.id.value));
                packages.filter(|p| covered(&p.id.value)).flat_map(of_package).chain(items.flat_map(of_item)).collect()
            }
        };
        ids.into_iter().map(|id| id.value.0.as_str()).collect()
    }
}
