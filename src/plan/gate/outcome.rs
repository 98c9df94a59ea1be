//! How evidence ends, and how the ends of several pieces make one: three-valued logic, with distrust as a fourth value.
//!
//! A node is untrusted only where trust would decide it: a failed part closes `all` whatever the others are worth.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pending {
    /// Nothing says anything yet.
    Missing,
    /// It is older than the plan allows.
    Expired,
    /// It is about bytes that have changed since.
    Stale,
    /// It is about another ledger or repository.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Met,
    Failed,
    Pending(Pending),
    /// There is evidence, and nobody who is trusted stands behind it.
    Untrusted,
}

impl Outcome {
    /// One word for all but `Pending`'s kinds.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Met => "met",
            Outcome::Failed => "failed",
            Outcome::Pending(_) => "pending",
            Outcome::Untrusted => "untrusted",
        }
    }

    /// The word, and for pending evidence its kind.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Pending(Pending::Missing) => "pending: missing",
            Outcome::Pending(Pending::Expired) => "pending: expired",
            Outcome::Pending(Pending::Stale) => "pending: stale",
            Outcome::Pending(Pending::Foreign) => "pending: foreign",
            other => other.word(),
        }
    }

    #[must_use]
    pub fn negated(self) -> Outcome {
        match self {
            Outcome::Met => Outcome::Failed,
            Outcome::Failed => Outcome::Met,
            other => other,
        }
    }

    /// At least `n` of `parts`. Asking for all or for one are the two ends of it.
    pub fn at_least(n: usize, parts: &[Outcome]) -> Outcome {
        let count = |wanted: Outcome| parts.iter().filter(|p| **p == wanted).count();
        if n == 0 || parts.is_empty() {
            return Outcome::Pending(Pending::Missing);
        }
        if count(Outcome::Met) >= n {
            return Outcome::Met;
        }
        if parts.len() - count(Outcome::Failed) < n {
            return Outcome::Failed;
        }
        let open = |p: &&Outcome| matches!(p, Outcome::Pending(_));
        match parts.iter().find(open) {
            Some(pending) if count(Outcome::Untrusted) == 0 => *pending,
            _ => Outcome::Untrusted,
        }
    }

    pub fn all(parts: &[Outcome]) -> Outcome {
        Outcome::at_least(parts.len(), parts)
    }

    pub fn any(parts: &[Outcome]) -> Outcome {
        Outcome::at_least(1, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Failed, Met, Untrusted};
    use super::*;
    use proptest::prelude::*;

    const MISSING: Outcome = Outcome::Pending(Pending::Missing);
    const STALE: Outcome = Outcome::Pending(Pending::Stale);

    #[test]
    fn the_tables() {
        for (parts, all, any) in [
            (vec![Met, Met], Met, Met),
            (vec![Met, Failed], Failed, Met),
            (vec![Met, STALE], STALE, Met),
            (vec![Met, Untrusted], Untrusted, Met),
            (vec![Failed, Failed], Failed, Failed),
            (vec![Failed, STALE], Failed, STALE),
            (vec![Failed, Untrusted], Failed, Untrusted),
            (vec![STALE, MISSING], STALE, STALE),
            (vec![STALE, Untrusted], Untrusted, Untrusted),
            (vec![], MISSING, MISSING),
        ] {
            assert_eq!(Outcome::all(&parts), all, "all {parts:?}");
            assert_eq!(Outcome::any(&parts), any, "any {parts:?}");
        }
        assert_eq!(Outcome::at_least(2, &[Met, Failed, MISSING]), MISSING);
        assert_eq!(Outcome::at_least(2, &[Met, Met, Untrusted]), Met);
        assert_eq!(Outcome::at_least(2, &[Met, Failed, Failed]), Failed);
        assert_eq!(Outcome::at_least(0, &[Met]), MISSING, "to ask for nothing is never a yes");
        assert_eq!([Met, Failed, STALE, Untrusted].map(Outcome::negated), [Failed, Met, STALE, Untrusted]);
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Met), Just(Failed), Just(MISSING), Just(STALE), Just(Untrusted)]
    }

    proptest! {
        /// Whatever undecided parts turn out to be, a decided whole stays what it is.
        #[test]
        fn a_decision_stands_whatever_the_rest_turns_out_to_be(
            parts in prop::collection::vec(any_outcome(), 1..6),
            n in 1usize..6,
            turns in prop::collection::vec(any::<bool>(), 6),
        ) {
            let whole = Outcome::at_least(n, &parts);
            let settled: Vec<Outcome> = parts
                .iter()
                .zip(&turns)
                .map(|(p, met)| match p {
                    Met | Failed => *p,
                    _ if *met => Met,
                    _ => Failed,
                })
                .collect();
            let after = Outcome::at_least(n, &settled);
            prop_assert!(matches!(after, Met | Failed));
            if matches!(whole, Met | Failed) {
                prop_assert_eq!(whole, after);
            } else {
                let bounds = [true, false].map(|met| {
                    let end = |p: &Outcome| if matches!(p, Met | Failed) { *p } else if met { Met } else { Failed };
                    Outcome::at_least(n, &parts.iter().map(end).collect::<Vec<_>>())
                });
                prop_assert_eq!(bounds, [Met, Failed], "undecided only where the rest decides");
            }
            prop_assert_eq!(whole == Untrusted, parts.contains(&Untrusted) && !matches!(whole, Met | Failed));
        }
    }
}
