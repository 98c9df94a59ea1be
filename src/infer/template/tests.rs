use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Zoned {
    "2026-03-04T05:06:07+00:00[UTC]".parse().expect("a time")
}

fn render_with(source: &str, messages: &Json, extra: &[(&str, Json)]) -> Result<String, TemplateError> {
    let now = now();
    ChatTemplate::parse(source)?.render(&Conversation {
        messages,
        tools: None,
        add_generation_prompt: true,
        bos_token: "<s>",
        eos_token: "</s>",
        now: &now,
        extra,
    })
}

fn render(source: &str) -> Result<String, TemplateError> {
    render_with(source, &json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho "}]), &[])
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
}

#[test]
fn a_usual_template() {
    check(
        "{{ bos_token }}{% for m in messages %}\n    <{{ m['role'] }}>{{ m.content.strip() }}{{ eos_token }}\n{% endfor %}\n\
         {% if add_generation_prompt %}<assistant>{% endif %}",
        "<s>    <user>Hi</s>\n    <assistant>Ho</s>\n<assistant>",
    );
}

#[test]
fn blocks_are_trimmed_as_the_makers_expect() {
    check("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc");
}

#[test]
fn functions_and_methods_that_templates_call() {
    check("{{ strftime_now('%d %b %Y') }}", "04 Mar 2026");
    check("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}", "user");
    check("{{ messages[0].get('tools', 'none') }}{{ messages[-1].content.rstrip().startswith('Ho') }}", "noneTrue");
    check("{{ none }} {{ true }} {{ missing }}", "None True ");
    check("{%- generation -%} x {%- endgeneration %}", "x");
    check("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "2");
}

#[test]
fn tojson_is_pythons() {
    check(
        "{{ {'a': [1, 2.0, none, true], 'b': 'ü\"\\n<'} | tojson }}",
        "{\"a\": [1, 2.0, null, true], \"b\": \"ü\\\"\\n<\"}",
    );
    check("{{ {'b': [1], 'a': {}} | tojson(indent=2) }}", "{\n  \"b\": [\n    1\n  ],\n  \"a\": {}\n}");
    check(
        "{{ {'b': 1, 'a': 'ü'} | tojson(sort_keys=true, ensure_ascii=true, separators=[',', ':']) }}",
        "{\"a\":\"\\u00fc\",\"b\":1}",
    );
    assert!(matches!(render("{{ missing | tojson }}"), Err(TemplateError::Render { line: 1, .. })));
}

#[test]
fn messages_keep_their_order_and_types() {
    let messages = json!([{"z": 1, "a": [true, null, 1.5], "content": "x"}]);
    assert_eq!(
        render_with("{{ messages | tojson }}", &messages, &[]).as_deref(),
        Ok(r#"[{"z": 1, "a": [true, null, 1.5], "content": "x"}]"#)
    );
    let extra = [("enable_thinking", json!(false))];
    assert_eq!(render_with("{{ enable_thinking }}", &messages, &extra).as_deref(), Ok("False"));
}

#[test]
fn a_template_may_refuse() {
    let error = render("{% if messages[0].role == 'user' %}{{ raise_exception('no <system>') }}{% endif %}");
    assert_eq!(error, Err(TemplateError::Raised { message: "no <system>".to_owned() }));
    let inside = render("{% macro m() %}{{ raise_exception('deep') }}{% endmacro %}{{ m() }}");
    assert_eq!(inside, Err(TemplateError::Raised { message: "deep".to_owned() }));
}

#[test]
fn what_does_not_parse_names_its_line() {
    assert!(matches!(render("a\n{% if %}"), Err(TemplateError::Syntax { line: 2, .. })));
    assert!(matches!(render("\n\n{{ messages.x.y }}"), Err(TemplateError::Render { line: 3, .. })));
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let loops = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    assert!(matches!(render(loops), Err(TemplateError::Steps { .. })), "{:?}", render(loops));
    let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert!(matches!(render(recursive), Err(TemplateError::Render { .. })));
    let wide = "{% for a in range(90000) %}{{ 'x' * 1000 }}{% endfor %}";
    assert_eq!(render(wide), Err(TemplateError::Output));
    let long = "x".repeat(LONGEST_SOURCE + 1);
    assert!(matches!(render(&long), Err(TemplateError::TooLong { .. })));
}

#[test]
fn a_missing_template_says_what_to_do() {
    use crate::infer::gguf::write::{Put, Writer};
    let file = Writer::new().header();
    let missing = source(&Gguf::parse(&file).expect("valid"), None).expect_err("none").to_string();
    assert!(missing.contains("--raw") && missing.contains("--template FILE"));
    let file = Writer::new()
        .key("tokenizer.chat_template", Put::Str("plain"))
        .key("tokenizer.chat_template.tool_use", Put::Str("tools"))
        .header();
    let gguf = Gguf::parse(&file).expect("valid");
    assert_eq!((source(&gguf, None), source(&gguf, Some("tool_use"))), (Ok("plain"), Ok("tools")));
}

proptest! {
    #[test]
    fn random_templates_never_panic(text in "([{}%\\-+ a-z'|.()=\\[\\]0-9\\n]|\\{% |%\\}|\\{\\{|\\}\\}|for |if |in |messages|endfor|endif|generation){0,30}") {
        let _ = render(&text);
    }
}
