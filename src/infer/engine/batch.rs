//! Many prompts, several at a time: as one answer ends, the next prompt joins, and all share each pass over the weights.
//!
//! A row's bits depend on its own sequence alone, so an answer is the one that its prompt gets alone. Leaves out where
//! prompts come from, the order of answers, and receipts.

use std::time::Duration;

use super::{Cell, Engine, Kv, Machine, Model, Segment, Session, Work, forward};
use crate::infer::fault::InferError;
use crate::infer::forward::Wanted;
use crate::infer::generate::{Control, Event, Generation, Limits, Request, Room, Writer};
use crate::infer::sampler::Sampling;
use crate::infer::tokenizer::Tokenizer;

/// One prompt, and how it is to be answered.
#[derive(Clone, Debug)]
pub struct Job {
    /// What its answer is told by.
    pub number: usize,
    pub prompt: Vec<u32>,
    pub sampling: Sampling,
    pub limits: Limits,
}

/// Where prompts come from and answers go.
pub trait Desk {
    /// The next prompt; none when there are no more.
    fn next(&mut self, tokenizer: &Tokenizer) -> Option<Job>;
    /// An answer, in the order in which they end.
    fn done(&mut self, number: usize, answer: Result<Generation, InferError>) -> Control;
    /// Asked before each pass.
    fn go_on(&mut self) -> Control;
    /// The time since any start.
    fn now(&self) -> Duration;
}

struct Slot<'t> {
    number: usize,
    session: Session,
    writer: Writer<'t>,
    /// Tokens of the next pass.
    fed: usize,
    fault: Option<InferError>,
}

impl Engine<'_> {
    /// Answers what the desk hands out, at most `most` prompts at a time. Told to stop, it drops what has not ended.
    pub fn answer_all(&mut self, most: usize, desk: &mut dyn Desk) -> Result<(), InferError> {
        let new_session = Session { kv: Kv::new(&self.model.config, self.cell, self.context)?, tokens: Vec::new() };
        let mut table = Table {
            model: &self.model,
            tokenizer: &self.tokenizer,
            machine: Machine { pool: &self.pool, level: self.level },
            work: &mut self.work,
            chunk: self.chunk,
            cell: self.cell,
            slots: Vec::new(),
            idle: vec![new_session],
        };
        let mut more = true;
        loop {
            while more && table.slots.len() < most.max(1) {
                let Some(job) = desk.next(table.tokenizer) else {
                    more = false;
                    break;
                };
                let number = job.number;
                if let Err(refused) = table.seat(&job, self.context, desk.now())
                    && desk.done(number, Err(refused)) == Control::Stop
                {
                    return Ok(());
                }
            }
            if table.slots.is_empty() || desk.go_on() == Control::Stop {
                return Ok(());
            }
            table.plan();
            let ended = table.pass(&|| desk.now());
            for (number, answer) in ended {
                if desk.done(number, answer) == Control::Stop {
                    return Ok(());
                }
            }
        }
    }
}

/// The answers in the making.
struct Table<'e, 'a> {
    model: &'e Model<'a>,
    tokenizer: &'e Tokenizer,
    machine: Machine<'e>,
    work: &'e mut Work,
    chunk: usize,
    cell: Cell,
    slots: Vec<Slot<'e>>,
    /// Sessions whose answers have ended: what they know may begin another prompt too.
    idle: Vec<Session>,
}

type Ended = (usize, Result<Generation, InferError>);

impl<'e> Table<'e, '_> {
    fn seat(&mut self, job: &Job, context: usize, now: Duration) -> Result<(), InferError> {
        let best = (0..self.idle.len()).max_by_key(|at| self.idle[*at].known_of(&job.prompt));
        let mut session = match best {
            Some(at) => self.idle.swap_remove(at),
            None => Session { kv: Kv::new(&self.model.config, self.cell, context)?, tokens: Vec::new() },
        };
        session.keep_for(&job.prompt);
        let room =
            Room { vocab: self.model.config.vocab, capacity: session.kv.capacity(), known: session.tokens.len() };
        let Job { number, prompt, sampling, limits } = job;
        let request = Request { prompt, sampling, limits, tokenizer: self.tokenizer };
        match Writer::new(&request, room, now) {
            Ok(writer) => {
                self.slots.push(Slot { number: *number, session, writer, fed: 0, fault: None });
                Ok(())
            }
            Err(refused) => {
                self.idle.push(session);
                Err(refused)
            }
        }
    }

    /// Who is fed how much in the next pass: those who write first, and prompts in what room is left.
    fn plan(&mut self) {
        let mut room = self.chunk;
        for writes in [true, false] {
            for slot in self.slots.iter_mut().filter(|slot| slot.writer.writes() == writes) {
                // Whoever writes must not wait for the prompts of others.
                let most = if writes { self.chunk } else { room };
                slot.fed = slot.writer.next(most).map_or(0, |(tokens, _)| tokens.len());
                room = room.saturating_sub(slot.fed);
            }
        }
    }

    /// One pass of all, and who has ended with it. Where it fails, each goes on alone: one sequence can't end another.
    fn pass(&mut self, clock: &dyn Fn() -> Duration) -> Vec<Ended> {
        let (mut fed, waiting): (Vec<_>, Vec<_>) = self.slots.drain(..).partition(|slot| slot.fed > 0);
        if self.run(&mut fed, clock).is_err() {
            for slot in &mut fed {
                if let Err(fault) = self.run(std::slice::from_mut(slot), clock) {
                    slot.fault = Some(fault);
                }
            }
        }
        let mut ended = Vec::new();
        for Slot { number, session, writer, fed, fault } in fed.into_iter().chain(waiting) {
            let answer = match fault {
                Some(fault) => Err(fault),
                None if writer.next(1).is_none() => Ok(writer.end(&mut silent, clock())),
                None => {
                    self.slots.push(Slot { number, session, writer, fed, fault: None });
                    continue;
                }
            };
            ended.push((number, answer));
            self.idle.push(session);
        }
        ended
    }

    fn run(&mut self, slots: &mut [Slot<'e>], clock: &dyn Fn() -> Duration) -> Result<(), InferError> {
        let before = clock();
        let mut segments: Vec<Segment> = Vec::with_capacity(slots.len());
        for Slot { session, writer, fed, .. } in slots.iter_mut() {
            if let Some((tokens, wanted)) = writer.next(*fed) {
                segments.push(Segment { kv: &mut session.kv, tokens, wanted });
            }
        }
        forward(self.model, self.machine, self.work, &mut segments)?;
        let took = clock().saturating_sub(before);
        let mut rows = self.work.logits();
        for Slot { session, writer, fed, fault, .. } in slots {
            let Some((tokens, wanted)) = writer.next(*fed) else { continue };
            session.tokens.extend_from_slice(tokens);
            let wanted = match wanted {
                Wanted::None => 0,
                Wanted::Last => 1,
                Wanted::All => tokens.len(),
            };
            let own: Vec<&[f32]> = rows.by_ref().take(wanted).collect();
            match writer.take(*fed, took, own.into_iter(), &mut silent, clock) {
                Ok(kept) => session.forget_after(session.tokens.len() - (*fed - kept)),
                Err(found) => *fault = Some(found),
            }
        }
        Ok(())
    }
}

fn silent(_: Event) -> Control {
    Control::Continue
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::infer::engine::Options;
    use crate::infer::tokenizer::EncodeOpts;

    const TINY: &[u8] = include_bytes!("../../../fixtures/tiny.gguf");

    /// Hands out jobs, and keeps what comes back.
    #[derive(Default)]
    struct Pile {
        jobs: Vec<Job>,
        answers: BTreeMap<usize, Result<Generation, InferError>>,
        order: Vec<usize>,
        passes: usize,
        stop_after: Option<usize>,
    }

    impl Desk for Pile {
        fn next(&mut self, _: &Tokenizer) -> Option<Job> {
            if self.jobs.is_empty() { None } else { Some(self.jobs.remove(0)) }
        }
        fn done(&mut self, number: usize, answer: Result<Generation, InferError>) -> Control {
            self.order.push(number);
            assert!(self.answers.insert(number, answer).is_none(), "{number} ended twice");
            Control::Continue
        }
        fn go_on(&mut self) -> Control {
            self.passes += 1;
            if self.stop_after.is_some_and(|most| self.passes > most) { Control::Stop } else { Control::Continue }
        }
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }

    const TEXTS: [&str; 7] = [
        "the gate opens",
        "a",
        "the gate opens when evidence is there, and the gate opens when evidence is there, and the gate",
        "one two three one two three one two",
        "the gate opens",
        "numbers that nobody can repeat are stories",
        "x y x y x y",
    ];

    fn jobs(engine: &Engine, lookup: bool) -> Vec<Job> {
        let encode =
            |text: &str| engine.tokenizer().encode(text, EncodeOpts { add_special: true, parse_special: false });
        TEXTS
            .iter()
            .enumerate()
            .map(|(number, text)| Job {
                number,
                prompt: encode(text).unwrap(),
                sampling: Sampling {
                    temperature: if number % 2 == 0 { 0.0 } else { 0.8 },
                    repetition: if number == 5 { 1.3 } else { 1.0 },
                    seed: number as u64,
                    ..Sampling::default()
                },
                limits: Limits { tokens: Some(3 + 7 * number), ignore_end: true, lookup, ..Limits::default() },
            })
            .collect()
    }

    fn engine(chunk: Option<usize>) -> Engine<'static> {
        Engine::load(TINY, &Options { threads: 2, context: Some(256), chunk, ..Options::default() }).unwrap()
    }

    fn said(answers: &BTreeMap<usize, Result<Generation, InferError>>) -> Vec<(Vec<u32>, String)> {
        let said = |answer: &Result<Generation, InferError>| {
            let answer = answer.as_ref().unwrap();
            (answer.token_ids.clone(), answer.text.clone())
        };
        answers.values().map(said).collect()
    }

    fn alone(engine: &mut Engine, job: &Job) -> (Vec<u32>, String) {
        let Job { prompt, sampling, limits, .. } = job;
        let done = engine.generate(prompt, sampling, limits, &mut silent, &|| Duration::ZERO).unwrap();
        (done.token_ids, done.text)
    }

    #[test]
    fn company_chunks_and_guesses_change_no_answer() {
        let mut one = engine(None);
        let expected: Vec<_> = jobs(&one, false).iter().map(|job| alone(&mut one, job)).collect();
        for (most, chunk, lookup) in
            [(1, None, false), (3, None, false), (8, Some(1), false), (8, Some(5), true), (8, None, true)]
        {
            let mut engine = engine(chunk);
            let mut pile = Pile { jobs: jobs(&engine, lookup), ..Pile::default() };
            engine.answer_all(most, &mut pile).unwrap();
            assert_eq!(said(&pile.answers), expected, "{most} at a time, {chunk:?}, {lookup}");
            if most == 1 {
                assert_eq!(pile.order, [0, 1, 2, 3, 4, 5, 6]);
            } else if chunk.is_none() {
                assert!(pile.passes < 200, "passes are shared: {}", pile.passes);
            }
        }
        let guessing: Vec<_> = jobs(&one, true).iter().map(|job| alone(&mut one, job)).collect();
        assert_eq!(guessing, expected);
    }

    #[test]
    fn what_an_earlier_prompt_had_in_common_is_not_read_again() {
        let mut engine = engine(None);
        let mut all = jobs(&engine, false);
        all.remove(1);
        let mut pile = Pile { jobs: all, ..Pile::default() };
        engine.answer_all(1, &mut pile).unwrap();
        let reused = |number: usize| pile.answers[&number].as_ref().unwrap().usage.reused;
        assert_eq!(reused(0), 0);
        assert!(reused(2) > 3, "the first prompt begins the third");
    }

    #[test]
    fn a_job_that_can_not_be_done_ends_alone() {
        let mut engine = engine(None);
        let mut all = jobs(&engine, false);
        all[1].prompt.clear();
        all[2].prompt = vec![1; 400];
        all[3].prompt = vec![1, 999_999];
        let vocab = engine.config().vocab as u32;
        all[4].sampling.bias = (0..vocab).map(|id| (id, f32::NEG_INFINITY)).collect();
        let mut pile = Pile { jobs: all, ..Pile::default() };
        engine.answer_all(4, &mut pile).unwrap();
        let mut one = self::engine(None);
        for (number, answer) in &pile.answers {
            let refused = answer.as_ref().err();
            match number {
                1 => assert_eq!(refused, Some(&InferError::EmptyPrompt)),
                2 => assert_eq!(refused, Some(&InferError::Context { tokens: 400, context: 256 })),
                3 => assert!(matches!(refused, Some(InferError::TokenId { id: 999_999, .. }))),
                4 => assert!(matches!(refused, Some(InferError::NothingToPick { .. }))),
                _ => {
                    let job = jobs(&one, false).swap_remove(*number);
                    let expected = alone(&mut one, &job);
                    assert_eq!(answer.as_ref().unwrap().token_ids, expected.0);
                }
            }
        }
        assert_eq!(pile.answers.len(), 7);
    }

    #[test]
    fn told_to_stop_it_drops_what_has_not_ended() {
        let mut engine = engine(None);
        let mut pile = Pile { jobs: jobs(&engine, false), stop_after: Some(5), ..Pile::default() };
        engine.answer_all(2, &mut pile).unwrap();
        assert_eq!(pile.order, [0]);
    }
}
