//! The way of a token's bytes to the listener: characters whole, thinking apart, stop strings found.

use super::{Control, Event, Finish, Limits};
use crate::infer::fault::InferError;
use crate::infer::text::{Part, Split, Stops, Thinking};
use crate::infer::tokenizer::{TextStream, Tokenizer};

pub(super) type Listener<'l> = &'l mut dyn FnMut(Event) -> Control;

pub(super) struct Speech<'t> {
    tokenizer: &'t Tokenizer,
    markers: [Option<u32>; 2],
    stream: TextStream,
    split: Split,
    stops: Stops,
    text: String,
    thinking: String,
}

impl<'t> Speech<'t> {
    pub(super) fn new(tokenizer: &'t Tokenizer, limits: &Limits) -> Self {
        let marker = |text: fn(&Thinking) -> &String| limits.thinking.as_ref().and_then(|t| tokenizer.id(text(t)));
        Speech {
            tokenizer,
            markers: [marker(|t| &t.begin), marker(|t| &t.end)],
            stream: TextStream::new(),
            split: Split::new(limits.thinking.clone()),
            stops: Stops::new(&limits.stops),
            text: String::new(),
            thinking: String::new(),
        }
    }

    /// Shows what a token adds; tells why the generation ends with it, if it does.
    pub(super) fn say(&mut self, id: u32, on: Listener) -> Result<Option<Finish>, InferError> {
        // Markers of thinking may be control tokens, which have no text otherwise.
        let spelled = self.markers.contains(&Some(id));
        let piece = self.tokenizer.piece(id, spelled).ok_or(InferError::TokenId { id, vocab: self.tokenizer.len() })?;
        let text = self.stream.push(&piece);
        Ok(self.parts(on, |split, out| split.push(&text, out)))
    }

    /// Whether the model is thinking still, before its answer.
    pub(super) fn thinks(&self) -> bool {
        self.split.thinks()
    }

    pub(super) fn answered(&self) -> &str {
        &self.text
    }

    fn parts(&mut self, on: Listener, run: impl FnOnce(&mut Split, &mut dyn FnMut(Part, &str))) -> Option<Finish> {
        let Speech { split, stops, text: answer, thinking, .. } = self;
        let mut finish = None;
        run(split, &mut |part, text| {
            if matches!(finish, Some(Finish::Stop(_))) {
                return;
            }
            let (text, stop) = match part {
                Part::Thinking => (text.to_owned(), None),
                Part::Answer => stops.push(text),
            };
            let stop = stop.map(str::to_owned);
            if show(on, part, &text, answer, thinking) == Control::Stop {
                finish = Some(Finish::Interrupted);
            }
            if let Some(stop) = stop {
                finish = Some(Finish::Stop(stop));
            }
        });
        finish
    }

    /// Shows what was held back, unless a stop string ended it, and hands over all text.
    pub(super) fn end(mut self, finish: &Finish, on: Listener) -> (String, String) {
        if !matches!(finish, Finish::Stop(_)) {
            let text = self.stream.finish();
            self.parts(on, |split, out| {
                split.push(&text, &mut *out);
                split.finish(out);
            });
            let rest = self.stops.finish();
            show(on, Part::Answer, &rest, &mut self.text, &mut self.thinking);
        }
        (self.text, self.thinking)
    }
}

fn show(on: Listener, part: Part, text: &str, answer: &mut String, thinking: &mut String) -> Control {
    if text.is_empty() {
        return Control::Continue;
    }
    match part {
        Part::Answer => answer.push_str(text),
        Part::Thinking => thinking.push_str(text),
    }
    on(Event::Text { part, text })
}
