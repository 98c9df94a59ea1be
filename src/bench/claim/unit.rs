//! Units of figures: what may be written, and how one is turned into another of its dimension.

/// What a unit is of; factors are to the first named.
const DIMENSIONS: &[&[(&str, f64)]] = &[
    &[("tok/s", 1.0), ("t/s", 1.0), ("token/s", 1.0), ("tokens/s", 1.0), ("ktok/s", 1e3)],
    &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ns", 1e-9), ("min", 60.0)],
    &[
        ("B", 1.0),
        ("KB", 1e3),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
    ],
    &[("J/tok", 1.0), ("J/token", 1.0), ("mJ/tok", 1e-3), ("mJ/token", 1e-3)],
];

fn place(unit: &str) -> Option<(usize, f64)> {
    DIMENSIONS.iter().enumerate().find_map(|(dimension, units)| {
        units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| (dimension, *factor))
    })
}

/// What a value in `unit` must be multiplied with to be one in `own`; none where they measure different things.
pub(super) fn factor(unit: &str, own: &str) -> Option<f64> {
    let ((dimension, factor), (same, of_own)) = (place(unit)?, place(own)?);
    (dimension == same).then_some(factor / of_own)
}

/// The units in which a figure measured in `own` can be written.
pub(super) fn relatives(own: &str) -> Vec<&'static str> {
    place(own).map(|(at, _)| DIMENSIONS[at].iter().map(|(name, _)| *name).collect()).unwrap_or_default()
}
