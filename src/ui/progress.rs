//! Progress of long work: one place makes every bar.
//!
//! Nothing shows for the first 250 ms, nor where stderr is no terminal, nor with `--quiet`; what was shown is cleared
//! when the work ends, however it ends.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub const PATIENCE: Duration = Duration::from_millis(250);

/// What the numbers of a bar count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Items,
    Bytes,
}

/// A bar that appears once the work has taken [`PATIENCE`].
pub struct Progress {
    bar: ProgressBar,
    target: Option<ProgressDrawTarget>,
    started: Duration,
}

impl Progress {
    pub(super) fn new(
        what: &str,
        total: Option<u64>,
        unit: Unit,
        target: Option<ProgressDrawTarget>,
        now: Duration,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match (total.is_some(), unit) {
            (true, Unit::Items) => "{msg} {wide_bar} {pos}/{len}, {eta} left",
            (true, Unit::Bytes) => "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
            (false, _) => "{spinner} {msg} {pos}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("invariant: the template is a constant"));
        bar.set_message(super::clean::one_line(what).into_owned());
        Progress { bar, target, started: now }
    }

    /// So much was done before this work began: it counts for the whole, not for the rate.
    #[must_use]
    pub fn after(self, position: u64) -> Self {
        self.bar.set_position(position);
        self.bar.reset_eta();
        self
    }

    /// Tells how far the work is; `now` is the run's monotonic clock.
    pub fn at(&mut self, position: u64, now: Duration) {
        if now.saturating_sub(self.started) >= PATIENCE
            && let Some(target) = self.target.take()
        {
            self.bar.set_draw_target(target);
        }
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    #[test]
    fn a_bar_waits_then_shows_then_clears() {
        let screen = InMemoryTerm::new(4, 50);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut bar = Progress::new("reading\u{1b}[2J", Some(10), Unit::Items, Some(target), Duration::ZERO);
        bar.at(3, Duration::from_millis(249));
        assert_eq!(screen.contents(), "");
        bar.at(5, Duration::from_millis(250));
        bar.bar.force_draw();
        assert!(screen.contents().starts_with("reading ") && screen.contents().contains("5/10"), "{screen:?}");
        drop(bar);
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn without_a_terminal_nothing_shows() {
        let mut bar = Progress::new("reading", None, Unit::Bytes, None, Duration::ZERO);
        bar.at(5, Duration::from_secs(9));
        assert!(bar.bar.is_hidden());
    }
}
