//! A benchmark from beginning to end: limits, loading, rounds, limits again.

use std::time::Duration;

use bizra_kernels::Level;

use super::MeasureArgs;
use super::against::Peer;
use super::command::Program;
use super::model::{Candidate, Found, loading, settle};
use super::peaks;
use super::rounds::{self, Ready, Watch};
use super::settings::{Case, cases};
use crate::bench::measure::Schedule;
use crate::bench::noise;
use crate::bench::result::{Machine, Noise, Plan, Run, Subject};
use crate::cli::Session;
use crate::cli::infer::answer::digest_memory;
use crate::cli::infer::model::{level_of, open};
use crate::error::Result;
use crate::sys::machine;
use crate::sys::meter::Energy;

pub(super) struct Job<'p> {
    models: Vec<(Candidate, Vec<Case>)>,
    asked: usize,
    program: Option<&'p Program>,
    level: Level,
    schedule: Schedule,
    precision: f64,
    seed: u64,
    load: bool,
    budget: Option<Duration>,
}

/// Every subject's run: the models in their order, the model that they are compared with last, then the program.
pub(super) struct Measured {
    pub(super) runs: Vec<Run>,
    /// How many of the runs are of models that were asked about, not of what they are compared with.
    pub(super) asked: usize,
    pub(super) noise: Noise,
}

/// Few windows, since a round of a large model takes its time.
fn schedule(rounds: u64, seed: u64) -> Schedule {
    Schedule { rounds: rounds as usize, window: 2, tolerance: 0.05, warm_up_limit: 12, seed }
}

impl<'p> Job<'p> {
    pub(super) fn of(args: &MeasureArgs, session: &Session, peer: Option<&'p Peer>) -> Result<Self> {
        let mut names = args.models.clone();
        let mut program = None;
        match peer {
            Some(Peer::Model(name)) => names.push(name.clone()),
            Some(Peer::Program(found)) => program = Some(found),
            _ => {}
        }
        let memory = digest_memory(&session.env);
        let mut models = Vec::new();
        for name in &names {
            let candidate = Candidate::of(open(session, name)?, memory.as_deref())?;
            let cases = cases(args, candidate.config.context, candidate.own_cell);
            models.push((candidate, cases));
        }
        Ok(Job {
            models,
            asked: args.models.len(),
            program,
            level: level_of(args.isa.as_deref())?,
            schedule: schedule(args.rounds, args.seed),
            precision: args.precision / 100.0,
            seed: args.seed,
            load: !args.no_load,
            budget: args.budget,
        })
    }

    /// The benchmark of a receipt again, for a model that is at hand.
    pub(super) fn again(candidate: Candidate, cases: Vec<Case>, level: Level, plan: &Plan, load: bool) -> Job<'static> {
        let schedule = Schedule {
            rounds: plan.rounds as usize,
            window: plan.window as usize,
            tolerance: plan.tolerance,
            warm_up_limit: plan.warm_up_limit as usize,
            seed: plan.seed,
        };
        let models = vec![(candidate, cases)];
        let (precision, seed) = (plan.precision, plan.seed);
        Job { models, asked: 1, program: None, level, schedule, precision, seed, load, budget: None }
    }

    pub(super) fn measure(&self, session: &Session) -> Result<Measured> {
        let clock = || session.env.clock.monotonic();
        let mut watch = Watch::new(session, self.budget);
        let mut settings = Vec::new();
        for (candidate, cases) in &self.models {
            settings.push((candidate, candidate.loading(cases, self.level)?));
        }
        let mut threads: Vec<usize> =
            self.models.iter().flat_map(|(_, cases)| cases.iter().map(|case| case.threads)).collect();
        threads.sort_unstable();
        threads.dedup();
        let before = peaks::measure(self.level, &threads, &clock);
        // A program that fails is not found out after minutes.
        if let Some(program) = self.program {
            program.call(session)?;
        }
        let mut found: Vec<Found> = match self.load {
            true => loading(&settings, &clock, &mut watch)?,
            false => settings.iter().map(|_| Found::default()).collect(),
        };
        let mut ready = Vec::new();
        for (((candidate, setting), found), (_, cases)) in settings.iter().zip(&mut found).zip(&self.models) {
            let loaded = settle(candidate, *setting, cases, self.seed, &clock, found)?;
            ready.push(Ready { candidate, loaded, cases });
        }
        watch.next_phase();
        watch.looks.clear();
        let energy = Energy::find();
        let began = clock();
        let brought = rounds::run(&ready, self.program, &self.schedule, energy.as_ref(), &mut watch)?;
        watch.looks.push(crate::sys::meter::look());
        let noise = noise::between(&watch.looks, clock().saturating_sub(began));
        drop(watch);
        for model in &ready {
            model.candidate.unchanged()?;
        }
        let shapes: Vec<_> = ready.into_iter().map(|ready| (ready.candidate, ready.cases)).collect();
        let peaks = peaks::better(before, &peaks::measure(self.level, &threads, &clock));
        let machine = machine::facts(self.level);
        let mut runs = Vec::new();
        let parts = shapes.iter().zip(found).zip(brought.models).zip(brought.outputs);
        for ((((candidate, cases), found), mut measurements), outputs) in parts {
            rounds::limit(&mut measurements, candidate, cases, &peaks);
            let mut remarks = found.remarks;
            if measurements.iter().all(|one| one.id != "energy.j_tok") {
                let why = match energy {
                    Some(_) => "the counters did not move within a sample: measure more tokens",
                    None => "this machine has no energy counters that this user can read",
                };
                remarks.push(format!("energy.j_tok: {why}"));
            }
            measurements.extend(found.measurements);
            let subject = Subject::Model(candidate.subject.clone());
            runs.push(Run {
                remarks,
                outputs,
                peaks: peaks.clone(),
                ..self.run(subject, &machine, &noise, measurements)
            });
        }
        if let Some(program) = self.program {
            runs.push(self.run(Subject::Command(program.subject.clone()), &machine, &noise, brought.program));
        }
        Ok(Measured { asked: self.asked, runs, noise })
    }

    fn run(
        &self,
        subject: Subject,
        machine: &Machine,
        noise: &Noise,
        measurements: Vec<crate::bench::result::Measurement>,
    ) -> Run {
        let taken =
            measurements.iter().filter(|one| one.setting != Default::default()).map(|one| one.samples.len()).max();
        let plan = Plan {
            rounds: taken.unwrap_or(self.schedule.rounds) as u64,
            window: self.schedule.window as u64,
            tolerance: self.schedule.tolerance,
            warm_up_limit: self.schedule.warm_up_limit as u64,
            precision: self.precision,
            seed: self.seed,
        };
        let (machine, noise) = (machine.clone(), noise.clone());
        Run { subject, machine, plan, peaks: vec![], noise, outputs: vec![], measurements, remarks: vec![] }
    }
}
