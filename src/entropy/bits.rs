//! From evidence to bits: what each kind of evidence is worth, and what uncertainty it leaves.

/// How sure evidence of each kind makes of what it shows. Probabilities in thousandths, so that a signed table has one
/// spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The signed word of someone who owns the work.
    pub owner: u16,
    /// The signed word of someone else.
    pub independent: u16,
    /// A receipt that a machine made, or a fact that was looked up again just now.
    pub machine: u16,
    /// The same by a second key.
    pub reproduced: u16,
}

impl Default for Table {
    fn default() -> Self {
        Table { owner: 850, independent: 950, machine: 980, reproduced: 990 }
    }
}

impl Table {
    /// Each kind is worth more than none, less than certainty, and no less than the one before it.
    pub fn fault(&self) -> Option<&'static str> {
        let ordered = [500, self.owner, self.independent, self.machine, self.reproduced, 1000];
        (!ordered.windows(2).all(|pair| pair[0] <= pair[1]) || self.owner == 500 || self.reproduced == 1000)
            .then_some("evidence is worth between 500 and 1000 thousandths, and better evidence not less")
    }

    pub fn worth(&self, standing: Standing) -> f64 {
        let thousandths = match standing {
            Standing::Nothing => 500,
            Standing::Owner => self.owner,
            Standing::Independent => self.independent,
            Standing::Machine => self.machine,
            Standing::Reproduced => self.reproduced,
        };
        f64::from(thousandths) / 1000.0
    }
}

/// The kinds of evidence, from the weakest. A tick, and evidence that is expired, stale or foreign, is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Nothing,
    Owner,
    Independent,
    Machine,
    Reproduced,
}

impl Standing {
    pub fn words(self) -> &'static str {
        match self {
            Standing::Nothing => "no admissible evidence",
            Standing::Owner => "the owner's signed word",
            Standing::Independent => "an independent signed word",
            Standing::Machine => "a machine's receipt",
            Standing::Reproduced => "receipts of two keys",
        }
    }
}

/// The uncertainty that is left, in bits: 1 for what is unknown or disproved, towards 0 for what is verified.
pub fn uncertainty(p: f64) -> f64 {
    let p = p.max(0.5);
    if p >= 1.0 {
        return 0.0;
    }
    -(p * p.log2() + (1.0 - p) * (1.0 - p).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(uncertainty(0.5), 1.0);
        assert_eq!(uncertainty(0.1), 1.0, "disproved is as open as unknown");
        assert_eq!(uncertainty(1.0), 0.0);
        for (p, bits) in [(0.85, 0.609_840), (0.95, 0.286_397), (0.98, 0.141_441), (0.99, 0.080_793)] {
            assert!((uncertainty(p) - bits).abs() < 1e-6, "{p}: {}", uncertainty(p));
        }
    }

    #[test]
    fn better_evidence_leaves_less() {
        let all = [Standing::Nothing, Standing::Owner, Standing::Independent, Standing::Machine, Standing::Reproduced];
        let left = all.map(|s| uncertainty(Table::default().worth(s)));
        assert!(left.windows(2).all(|pair| pair[0] > pair[1]), "{left:?}");
        assert_eq!(Table::default().fault(), None);
        assert!(Table { owner: 990, ..Table::default() }.fault().is_some());
        assert!(Table { reproduced: 1000, ..Table::default() }.fault().is_some());
        assert!(Table { owner: 400, ..Table::default() }.fault().is_some());
    }
}
