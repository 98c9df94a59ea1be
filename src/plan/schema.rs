//! What `roadmap/v1` and `sprint/v1` may hold: one record per thing that plans speak of.
//!
//! Each record is read strictly and described as JSON Schema by [`record!`]. Nothing here judges: whether what a plan
//! says can be true is for the lint rules.

use jiff::civil::{Date, Time};
use serde_json::{Value, json};

use super::decimal::Decimal;
use super::evidence::Evidence;
use super::read::{Book, Field, Named, record, words};
use super::scalars::{DayRange, Hours, Id, Instant, Percent, Relative, Zone};
use super::source::At;

type Text = At<String>;
type Ref = At<Id>;

words! {
    PlanKind { Roadmap = "roadmap/v1", Sprint = "sprint/v1" }
}

words! {
    /// What a status word means for the arithmetic of progress.
    Class { Todo = "todo", Doing = "doing", Blocked = "blocked", Done = "done" }
}

words! {
    Priority { P0 = "P0", P1 = "P1", P2 = "P2", P3 = "P3", P4 = "P4" }
}

words! {
    Comparison { Less = "<", AtMost = "<=", Equal = "==", NotEqual = "!=", AtLeast = ">=", More = ">" }
}

words! {
    Repair { MacRoman = "mac_roman" }
}

words! {
    Half { Morning = "am", Afternoon = "pm" }
}

words! {
    Change { New = "new", Enhanced = "enhanced", Updated = "updated" }
}

words! {
    Weekday {
        Monday = "monday", Tuesday = "tuesday", Wednesday = "wednesday", Thursday = "thursday", Friday = "friday",
        Saturday = "saturday", Sunday = "sunday",
    }
}

record! {
    /// A plan: what is to be done, by whom and when, and what shows that it was done.
    Plan {
        bizra: At<PlanKind>,
        id: At<Id>,
        title: Text,
        subtitle: Option<Text>,
        /// It defines what a day is
        timezone: At<Zone>,
        created: Option<At<Date>>,
        generated: Option<At<Instant>>,
        exported: Option<At<Instant>>,
        state: Option<Text>,
        motto: Vec<Text>,
        source: Option<SourceFile>,
        vocab: Option<Vocab>,
        facts: Vec<Fact>,
        journey: Option<Journey>,
        current_phase: Option<Ref>,
        effort: Option<Effort>,
        /// Sums that the author states and lint recomputes
        checks: Vec<Check>,
        phases: Vec<Phase>,
        tiers: Vec<Phase>,
        calendar: Option<Calendar>,
        roster: Option<Roster>,
        people: Vec<Person>,
        teams: Vec<Team>,
        categories: Vec<Category>,
        items: Vec<Item>,
        days: Vec<Day>,
        week: Vec<WeekPlan>,
        metrics: Vec<Metric>,
        risks: Vec<Risk>,
        blockers: Vec<Blocker>,
        dependencies: Vec<Dependency>,
        critical_path: Vec<PathStep>,
        costs: Option<Costs>,
        rollout: Option<Rollout>,
        approvals: Option<Approvals>,
        go_no_go: Option<GoNoGo>,
        horizons: Vec<Horizon>,
        definition_of_done: Vec<Criterion>,
        standup: Option<Standup>,
        inventories: Vec<Inventory>,
        tables: Vec<Table>,
        lists: Vec<List>,
        /// What an import recognised only by its shape, in the order of the document
        outline: Vec<Section>,
        /// Markdown that nothing models, kept so that nothing is lost
        prose: Vec<Prose>,
    }
}

/// Sections that only one kind of plan has.
pub const ROADMAP_ONLY: &[&str] = &["tiers", "effort", "current_phase", "week"];
pub const SPRINT_ONLY: &[&str] = &["days", "standup", "rollout", "roster", "go_no_go"];

record! {
    /// Where the plan came from.
    SourceFile { path: Text, sha256: Option<Text>, lines: Option<At<u32>>, repaired: Option<At<Repair>> }
}

record! {
    /// The words that this plan uses.
    Vocab { status: Named<Status>, category: Vec<Ref>, id_pattern: Option<Text> }
}

record! {
    /// A word for a status: what it means, and how it looks.
    Status { class: At<Class>, icon: Option<Text>, label: Option<Text> }
}

record! {
    /// Something that is stated once and modelled nowhere else.
    Fact {
        id: Ref,
        label: Option<Text>,
        value: Option<At<Decimal>>,
        unit: Option<Text>,
        text: Option<Text>,
        date: Option<At<Date>>,
        of: Vec<Text>,
    }
}

record! {
    /// How far along a longer way the plan believes itself to be.
    Journey { label: Option<Text>, percent: At<Percent>, years: At<Decimal>, month: Option<At<u32>> }
}

record! {
    /// Hours as the author adds them up.
    Effort { total: Option<At<Hours>>, by_phase: Named<At<Hours>>, by_category: Named<At<Hours>> }
}

record! {
    /// A sum or count that is stated: `sum(package.hours)`, `count(item)`, `sum(package.hours[phase=genesis])`, `50 * 10`.
    Check { id: Ref, expr: Text, equals: At<Decimal>, unit: Option<Text>, approx: Option<At<bool>> }
}

record! {
    /// A part of the plan with a gate at its end.
    Phase {
        id: Ref,
        name: Option<Text>,
        title: Option<Text>,
        theme: Option<Text>,
        status: Option<Text>,
        here: Option<At<bool>>,
        days: Option<At<DayRange>>,
        window: Option<Window>,
        gate: Option<Gate>,
        packages: Vec<Package>,
    }
}

record! {
    /// A stretch of time counted from the start of the plan.
    Window { from: At<Relative>, to: Option<At<Relative>>, label: Option<Text> }
}

record! {
    Gate { policy: Option<Policy>, criteria: Vec<Criterion> }
}

/// How many criteria have to be met.
#[derive(Clone, Debug)]
pub enum Policy {
    All,
    Any,
    AtLeast(At<u32>),
}

record! {
    AtLeast { at_least: At<u32> }
}

words! {
    PolicyWord { All = "all", Any = "any" }
}

impl Field for Policy {
    fn read(node: super::tree::NodeId, reader: &mut super::read::Reader<'_>) -> Option<Self> {
        if reader.tree.kind(node) == super::tree::Kind::Map {
            return AtLeast::read(node, reader).map(|policy| Policy::AtLeast(policy.at_least));
        }
        At::<PolicyWord>::read(node, reader).map(|word| match word.value {
            PolicyWord::All => Policy::All,
            PolicyWord::Any => Policy::Any,
        })
    }

    fn shape(book: &mut Book) -> Value {
        json!({ "anyOf": [At::<PolicyWord>::shape(book), AtLeast::shape(book)] })
    }
}

record! {
    /// Something that must hold, and the evidence that would show it.
    Criterion {
        id: Ref,
        text: Option<Text>,
        ticked: Option<At<bool>>,
        /// Packages and items whose work it rests on
        covers: Vec<Ref>,
        metric: Option<Ref>,
        target: Option<Quantity>,
        evidence: Option<Evidence>,
    }
}

record! {
    /// A number with its unit.
    Quantity {
        value: At<Decimal>,
        to: Option<At<Decimal>>,
        unit: Option<Text>,
        op: Option<At<Comparison>>,
        approx: Option<At<bool>>,
        note: Option<Text>,
    }
}

record! {
    /// A package of work.
    Package {
        id: Ref,
        name: Text,
        priority: Option<At<Priority>>,
        hours: Option<At<Hours>>,
        estimate: Option<Estimate>,
        category: Option<Ref>,
        status: Option<Text>,
        status_note: Option<Text>,
        owners: Vec<Ref>,
        needs: Vec<Ref>,
        pattern: Option<Text>,
        steps: Vec<Step>,
        output: Option<Text>,
        target: Option<Text>,
        /// What is to show that it is done, in words
        proof: Option<Text>,
        evidence: Option<Evidence>,
    }
}

record! {
    /// Three points of an estimate in hours.
    Estimate { low: At<Hours>, likely: At<Hours>, high: At<Hours> }
}

record! {
    Step { role: Text, text: Text }
}

record! {
    Calendar {
        start: Option<At<Date>>,
        target: Option<At<Date>>,
        target_label: Option<Text>,
        /// Defaults to all seven
        workdays: Vec<At<Weekday>>,
        holidays: Vec<At<Date>>,
        declared_days: Option<At<u32>>,
        /// Defaults to 8
        hours_per_day: Option<At<Hours>>,
    }
}

record! {
    /// How many there are said to be.
    Roster { teams: Option<At<u32>>, people: Option<At<u32>> }
}

record! {
    Person {
        id: Ref,
        role: Option<Text>,
        team: Option<Ref>,
        /// Hours on a working day
        capacity: Option<At<Hours>>,
        /// In how many items the person is said to have a part
        assigned: Option<At<u32>>,
        note: Option<Text>,
    }
}

record! {
    Team { id: Ref, name: Text, theme: Option<Text>, size: Option<At<u32>>, focus: Vec<Focus> }
}

record! {
    Focus { days: At<DayRange>, items: Vec<Ref>, text: Option<Text> }
}

record! {
    Category { id: Ref, name: Text, count: Option<At<u32>> }
}

record! {
    /// A piece of work of a sprint.
    Item {
        id: Ref,
        name: Text,
        category: Option<Ref>,
        lead: Option<Ref>,
        support: Vec<Support>,
        window: Option<At<DayRange>>,
        status: Option<Text>,
        effort: Vec<Budget>,
        impact: Option<Text>,
        claims: Vec<Claim>,
        basis: Option<Text>,
        deliverables: Vec<Deliverable>,
        integrates: Vec<Text>,
        needs: Vec<Need>,
        /// Parts that are finished one by one
        parts: Vec<Part>,
        evidence: Option<Evidence>,
    }
}

record! {
    Support { who: Ref, role: Option<Text> }
}

record! {
    Budget { hours: Option<At<Hours>>, days: Option<At<Decimal>>, r#for: Text, each: Option<At<bool>> }
}

record! {
    /// What an item is said to change: a factor, a percentage, or from what to what.
    Claim {
        what: Text,
        from: Option<At<Decimal>>,
        to: Option<At<Decimal>>,
        unit: Option<Text>,
        factor: Option<At<Decimal>>,
        percent: Option<At<Decimal>>,
        /// The share that is left shrinks: from and to are percentages saved
        saved: Option<At<bool>>,
        note: Option<Text>,
    }
}

record! {
    Deliverable {
        path: Option<Text>,
        lines: Option<At<u32>>,
        change: Option<At<Change>>,
        approx: Option<At<bool>>,
        tests: Option<At<u32>>,
        kind: Option<Text>,
        text: Option<Text>,
        reviewer: Option<Ref>,
        /// Another item that this can't be made without
        uses: Option<Ref>,
    }
}

record! {
    Need { item: Option<Ref>, by_day: Option<At<u32>>, during: Option<At<DayRange>>, text: Option<Text>, done: Option<At<Date>> }
}

record! {
    Part { id: Ref, name: Option<Text> }
}

record! {
    Day {
        n: At<u32>,
        date: Option<At<Date>>,
        title: Option<Text>,
        theme: Option<Text>,
        status: Option<Text>,
        tasks: Vec<Task>,
        work: Vec<Work>,
        progress: Vec<Progress>,
        deliverables: Vec<Text>,
        counts: Option<Counts>,
        notes: Vec<Text>,
        schedule: Vec<Slot>,
    }
}

record! {
    /// A box to tick.
    Task {
        id: Option<Ref>,
        text: Text,
        /// How deep it is nested, and its number, in lists that have such
        level: Option<At<u32>>,
        number: Option<At<u32>>,
        done: Option<At<bool>>,
        item: Option<Ref>,
        note: Option<Text>,
        size: Option<Quantity>,
        passed: Option<Passed>,
        measured: Vec<Measured>,
        milestone: Option<Milestone>,
        /// Commands that the plan shows for it
        run: Option<Text>,
    }
}

record! {
    Passed { passed: At<u32>, of: At<u32> }
}

record! {
    Measured { metric: Ref, value: At<Decimal>, unit: Option<Text>, note: Option<Text> }
}

record! {
    Milestone { series: Text, n: At<u32> }
}

record! {
    Work {
        who: Vec<Ref>,
        hours: Option<At<Hours>>,
        standby: Option<At<bool>>,
        half: Option<At<Half>>,
        team: Option<Ref>,
        item: Option<Ref>,
        text: Text,
        details: Vec<Text>,
    }
}

record! {
    Progress {
        item: Option<Ref>,
        part: Option<Ref>,
        percent: At<Percent>,
        tests: Option<At<u32>>,
        scenarios: Option<At<u32>>,
        note: Option<Text>,
    }
}

record! {
    /// What a day's checkpoint says.
    Counts {
        complete: Option<At<u32>>,
        in_progress: Option<At<u32>>,
        remaining: Option<At<u32>>,
        /// Items and parts that are named as complete beside `previous`
        named: Vec<Ref>,
        previous: Option<At<u32>>,
        /// Items and parts that are named as in progress
        active: Vec<Ref>,
        /// Categories that are said to be complete
        complete_categories: Vec<Ref>,
        text: Vec<Text>,
    }
}

record! {
    Slot {
        from: At<Time>,
        to: At<Time>,
        hours: Option<At<Hours>>,
        title: Text,
        work: Vec<Work>,
        produces: Vec<Ref>,
        consumes: Vec<Ref>,
        decides: Option<Text>,
    }
}

record! {
    WeekPlan { days: Vec<At<Weekday>>, week: Option<At<u32>>, tasks: Vec<Task> }
}

record! {
    Metric {
        id: Ref,
        name: Text,
        target: Option<Quantity>,
        current: Option<Quantity>,
        note: Option<Text>,
        /// The task or package that makes it measurable
        instrument: Option<Ref>,
        /// The first day on which it is to be reported
        since_day: Option<At<u32>>,
    }
}

record! {
    Risk {
        id: Option<Ref>,
        name: Text,
        level: Option<Text>,
        risk: Option<Text>,
        mitigation: Option<Text>,
        backup: Option<Text>,
        status: Option<Text>,
        affects: Vec<Ref>,
        note: Option<Text>,
    }
}

record! {
    Blocker { name: Text, text: Option<Text>, blocks: Vec<Ref> }
}

record! {
    Dependency { text: Text, done: Option<At<bool>>, date: Option<At<Date>>, until: Option<At<Date>> }
}

record! {
    PathStep { days: Option<At<DayRange>>, items: Vec<Ref>, blocks: Option<Text> }
}

record! {
    /// A chain of costs, each step from what the one before left.
    Costs {
        unit: Text,
        start: At<Decimal>,
        steps: Vec<CostStep>,
        totals: Vec<CostTotal>,
        /// The same steps as other parts of the plan tell them
        claims: Vec<CostClaim>,
        scale: Vec<Scale>,
    }
}

record! {
    CostStep {
        id: Ref,
        name: Text,
        item: Option<Ref>,
        from: At<Decimal>,
        to: At<Decimal>,
        percent: Option<At<Decimal>>,
        parts: Vec<CostPart>,
        notes: Vec<Text>,
    }
}

record! {
    CostPart { name: Text, amount: At<Decimal> }
}

record! {
    /// A reduction from the start, told as a whole.
    CostTotal { name: Text, to: At<Decimal>, percent: At<Decimal>, after: Option<Ref>, more: Option<At<Decimal>> }
}

record! {
    CostClaim {
        r#where: Text,
        step: Ref,
        /// What the step alone takes off
        percent: Option<At<Decimal>>,
        /// What has been taken off the start once the step is done
        total_percent: Option<At<Decimal>>,
        note: Option<Text>,
    }
}

record! {
    Scale { name: Text, expr: Text, claim: At<Decimal>, unit: Option<Text>, note: Option<Text> }
}

record! {
    Rollout { name: Option<Text>, week_of: Option<At<Date>>, declared_days: Option<At<u32>>, steps: Vec<RolloutStep> }
}

record! {
    RolloutStep { days: At<DayRange>, from: At<Percent>, to: Option<At<Percent>>, text: Option<Text> }
}

record! {
    Approvals { members: Vec<Approver>, average: Option<Score> }
}

record! {
    Approver { who: Ref, role: Text, min: Score, needs: Vec<Ref>, conditions: Vec<Text> }
}

record! {
    Score { value: At<Decimal>, of: At<Decimal> }
}

record! {
    GoNoGo {
        day: At<u32>,
        at: Option<At<Time>>,
        zone: Option<At<Zone>>,
        reviewers: Vec<Support>,
        criteria: Vec<Criterion>,
        text: Vec<Text>,
    }
}

record! {
    /// What success is, and by when.
    Horizon { id: Ref, name: Text, rule: Option<Text>, window: Option<Window>, criteria: Vec<Criterion> }
}

record! {
    Standup { heading: Option<Text>, sections: Vec<Text> }
}

record! {
    /// Things with sizes, and what they are said to add up to.
    Inventory {
        id: Ref,
        title: Text,
        unit: Option<Text>,
        total: Option<At<Decimal>>,
        approx: Option<At<bool>>,
        entries: Vec<Entry>,
    }
}

record! {
    Entry {
        name: Text,
        size: Option<At<Decimal>>,
        approx: Option<At<bool>>,
        change: Option<At<Change>>,
        count: Option<At<u32>>,
        what: Option<Text>,
        note: Option<Text>,
        /// It is the document that this plan was made from
        is_source: Option<At<bool>>,
    }
}

record! {
    Table { id: Ref, title: Option<Text>, columns: Vec<Text>, rows: Vec<Vec<Text>> }
}

record! {
    List { id: Ref, title: Option<Text>, entries: Vec<Task> }
}

record! {
    Section { level: At<u32>, title: Option<Text>, blocks: Vec<Block> }
}

record! {
    /// One of its fields is there.
    Block { field: Option<Pair>, text: Option<Text>, table: Option<Grid>, list: Vec<Task>, code: Option<Code>, rule: Option<At<bool>> }
}

record! {
    Pair { key: Text, value: Text }
}

record! {
    Grid { columns: Vec<Text>, rows: Vec<Vec<Text>> }
}

record! {
    Code { language: Option<Text>, text: Text }
}

record! {
    Prose { after: Option<Text>, text: Text }
}

/// The JSON Schema of one kind of plan.
pub fn json_schema(kind: PlanKind) -> Value {
    let mut book = Book::default();
    Plan::shape(&mut book);
    let others = match kind {
        PlanKind::Roadmap => SPRINT_ONLY,
        PlanKind::Sprint => ROADMAP_ONLY,
    };
    let mut plan = book.definitions.remove("Plan").unwrap_or_default();
    if let Some(properties) = plan["properties"].as_object_mut() {
        properties.retain(|key, _| !others.contains(&key.as_str()));
        properties.insert("bizra".into(), json!({ "const": kind.word() }));
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("bizra:{}", kind.word()),
        "title": kind.word(),
    });
    if let (Some(schema), Some(plan)) = (schema.as_object_mut(), plan.as_object()) {
        schema.extend(plan.clone());
        schema.insert("$defs".into(), Value::Object(book.definitions));
    }
    schema
}
