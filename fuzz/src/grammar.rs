//! A JSON Schema or a grammar is made ready or refused; what is ready allows a token at each step until it is over.

use bizra::infer::grammar::{Form, Grammar};

use super::tokenizer::TINY;

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let form = if text.trim_start().starts_with(['{', 't', 'f']) { Form::Schema(text) } else { Form::Lark(text) };
    let grammar = match Grammar::new(&TINY, form) {
        Ok(grammar) => grammar,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    let mut answer = grammar.begin();
    for step in 0..16 {
        if answer.is_over() {
            return;
        }
        let Ok(allowed) = answer.allowed() else { return };
        let ids: Vec<u32> =
            (0..TINY.len() as u32).filter(|id| allowed[*id as usize / 32] >> (id % 32) & 1 == 1).collect();
        assert!(!ids.is_empty(), "nothing may come next, and the answer isn't over");
        let _ = answer.is_whole();
        answer.take(ids[(step * 7) % ids.len()]).expect("an allowed token is taken");
    }
}
