//! What a download and a check show while they run: one bar a file, and a line for what goes otherwise than planned.

use crate::env::Clock;
use crate::sys::hub::Event;
use crate::ui::{Progress, Ui, Unit};

pub(super) struct Watch<'a> {
    pub(super) ui: &'a mut Ui,
    pub(super) clock: &'a dyn Clock,
    bar: Option<Progress>,
    waiting: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(ui: &'a mut Ui, clock: &'a dyn Clock) -> Self {
        Watch { ui, clock, bar: None, waiting: false }
    }

    pub(super) fn tell(&mut self, event: Event<'_>) {
        let now = self.clock.monotonic();
        let short = |file: &str| file.rsplit('/').next().unwrap_or(file).to_owned();
        match event {
            Event::At(position) => {
                if let Some(bar) = &mut self.bar {
                    bar.at(position, now);
                }
            }
            Event::Check { file, total } => {
                let what = format!("checking {}", short(file));
                self.bar = Some(self.ui.progress(&what, Some(total), Unit::Bytes, now));
            }
            Event::Begin { file, have, total } => {
                self.waiting = false;
                self.bar = Some(self.ui.progress(&short(file), total, Unit::Bytes, now).after(have));
                if have > 0 {
                    self.ui.detail(format!("{file}: goes on after {have} bytes"));
                }
            }
            // Said once: how far the other one is, is on its own screen.
            Event::Waiting { file, have } => {
                if !std::mem::replace(&mut self.waiting, true) {
                    self.bar = None;
                    self.ui.note(format!("another process is downloading {file}, {have} bytes so far: waiting for it"));
                }
            }
            Event::Retry { reason, pause } => {
                self.bar = None;
                let because: String = reason.causes.iter().map(|cause| format!(": {cause}")).collect();
                let seconds = pause.as_secs_f64();
                self.ui.warn(format!("{reason}{because}; trying again in {seconds} s"));
            }
            Event::Afresh { file, reason } => {
                self.bar = None;
                self.ui.warn(format!("{file}: {reason}; it is downloaded from the beginning"));
            }
        }
    }

    /// The work is done: what was shown of it goes.
    pub(super) fn end(&mut self) {
        self.bar = None;
        self.waiting = false;
    }
}
