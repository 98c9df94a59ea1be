//! A chat template is rendered or refused, in bounded time and space.

use bizra::infer::template::{ChatTemplate, Conversation};

pub fn look(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let template = match ChatTemplate::parse(source) {
        Ok(template) => template,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    let messages = serde_json::json!([
        { "role": "system", "content": "be brief" },
        { "role": "user", "content": "name three primes" },
    ]);
    let now = "2026-02-01T09:00:00[UTC]".parse().expect("a time in a zone");
    let rendered = template.render(&Conversation {
        messages: &messages,
        tools: None,
        add_generation_prompt: true,
        bos_token: "<s>",
        eos_token: "</s>",
        now: &now,
        extra: &[],
    });
    if let Err(error) = rendered {
        assert_ne!(error.to_string(), "");
    }
}
