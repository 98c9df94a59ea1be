//! `bizra embed`: vectors of texts, on a model of a few random numbers.

use serde_json::{Value, json};

use crate::harness::{Ran, TestEnv};

const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\ngate\nopens\nword\n";

/// A BERT of one layer over eight words, with numbers that repeat.
fn model(env: &TestEnv, folder: &str, change: impl Fn(&mut Value)) {
    let mut config = json!({ "model_type": "bert", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8, "hidden_act": "gelu",
        "type_vocab_size": 2, "pad_token_id": 0 });
    let layer = "encoder.layer.0";
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for (name, rows) in [("word", 8), ("position", 8), ("token_type", 2)] {
        shapes.push((format!("embeddings.{name}_embeddings.weight"), vec![rows, 8]));
    }
    for (name, to, from) in [
        ("attention.self.query", 8, 8),
        ("attention.self.key", 8, 8),
        ("attention.self.value", 8, 8),
        ("attention.output.dense", 8, 8),
        ("intermediate.dense", 16, 8),
        ("output.dense", 8, 16),
    ] {
        shapes.push((format!("{layer}.{name}.weight"), vec![to, from]));
        shapes.push((format!("{layer}.{name}.bias"), vec![to]));
    }
    for name in ["embeddings", &format!("{layer}.attention.output"), &format!("{layer}.output")] {
        shapes.push((format!("{name}.LayerNorm.weight"), vec![8]));
        shapes.push((format!("{name}.LayerNorm.bias"), vec![8]));
    }
    let (mut header, mut data, mut state) = (serde_json::Map::new(), Vec::<u8>::new(), 1_u32);
    for (name, shape) in shapes {
        let begin = data.len();
        for _ in 0..shape.iter().product() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            data.extend_from_slice(&((state >> 8) as f32 / 2_f32.powi(23) - 1.0).to_le_bytes());
        }
        header.insert(name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    let header = Value::Object(header).to_string();
    change(&mut config);
    env.write(&format!("{folder}/config.json"), config.to_string());
    env.write(&format!("{folder}/vocab.txt"), WORDS);
    env.write(
        &format!("{folder}/model.safetensors"),
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat(),
    );
}

fn env() -> TestEnv {
    let env = TestEnv::new();
    model(&env, "m", |_| {});
    env
}

fn result(ran: &Ran) -> Value {
    serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("one document: {ran}"))["result"].clone()
}

#[test]
fn each_text_is_a_line_of_numbers_with_a_receipt() {
    let env = env();
    let ran = env.run(&["embed", "-m", "m", "the gate opens", "word"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("receipt "), "{ran}");
    let lines: Vec<Vec<f32>> = ran
        .stdout
        .lines()
        .map(|line| line.split(' ').map(|number| number.parse().expect("a number")).collect())
        .collect();
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8]);
    for line in &lines {
        assert!((line.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5, "{ran}");
    }
    let told = env.run_with(&["embed", "-m", "m", "--json"], b"the gate opens\nword\n");
    let told = result(&told);
    let vectors = told["vectors"].as_array().expect("vectors");
    for (vector, line) in vectors.iter().zip(&lines) {
        let same: Vec<f32> =
            vector["vector"].as_array().expect("numbers").iter().map(|x| x.as_f64().expect("one") as f32).collect();
        assert_eq!(&same, line);
    }
    assert_eq!((&told["dimensions"], &told["pooling"], &told["normalised"]), (&8.into(), &"mean".into(), &true.into()));
    assert_eq!((&vectors[0]["tokens"], &vectors[0]["truncated"]), (&5.into(), &false.into()));

    let listed: Value = serde_json::from_str(&env.run(&["receipts", "list", "--json"]).stdout).expect("JSON");
    let id = listed["result"]["receipts"][0]["id"].as_str().expect("an id").to_owned();
    let shown = env.run(&["receipts", "show", &id, "--json"]);
    assert!(shown.stdout.contains("embedding/v0.1"), "{shown}");
    assert!(!shown.stdout.contains("the gate"), "texts are held by a commitment: {shown}");
    let replayed = env.run(&["receipts", "replay", &id]);
    assert!(replayed.code == 4 && replayed.stderr.contains("embed them again"), "{replayed}");
    assert_eq!(env.run(&["receipts", "audit"]).code, 0);
}

#[test]
fn pooling_and_length_are_the_users_or_the_folders() {
    let env = env();
    let vector =
        |args: &[&str]| result(&env.run(&[&["embed", "--json", "the gate"], args].concat()))["vectors"][0].clone();
    let (mean, cls) = (vector(&["-m", "m"]), vector(&["-m", "m", "--pooling", "cls"]));
    assert_ne!(mean, cls);
    let long = vector(&["-m", "m", "--no-normalize"])["vector"].as_array().expect("numbers").clone();
    let norm: f64 = long.iter().map(|x| x.as_f64().expect("a number").powi(2)).sum();
    assert!((norm - 1.0).abs() > 1e-3, "{norm}");
    env.write("m/1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#);
    assert_eq!(vector(&["-m", "m"]), cls);
    assert_eq!(vector(&["-m", "m", "--pooling", "mean"]), mean);
}

#[test]
fn texts_that_are_too_long_are_said_and_never_cut_unasked() {
    let env = env();
    let texts = format!("the\n{}\ngate\n", "word ".repeat(30));
    let refused = env.run_with(&["embed", "-m", "m"], texts.as_bytes());
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{refused}");
    assert!(refused.stderr.contains("text 2 has 32 tokens, and the model reads 8"), "{refused}");
    assert!(refused.stderr.contains("--truncate"), "{refused}");
    let cut = env.run_with(&["embed", "-m", "m", "--truncate", "--json"], texts.as_bytes());
    assert_eq!(cut.code, 0, "{cut}");
    assert!(cut.stderr.contains("1 of 3 texts were cut to 8 tokens"), "{cut}");
    assert_eq!(result(&cut)["vectors"][1]["truncated"], true);
}

#[test]
fn what_can_not_be_embedded_is_refused() {
    let mut env = env();
    let refused = |args: &[&str], code: i32, word: &str| {
        let ran = env.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {ran}");
        assert!(ran.stderr.contains(word), "{args:?}: {ran}");
    };
    refused(&["embed", "a"], 2, "--model");
    refused(&["embed", "-m", "nowhere", "a"], 3, "nowhere");
    refused(&["embed", "-m", "m/vocab.txt", "a"], 3, "no folder");
    refused(&["embed", "-m", "m", "--pooling", "max", "a"], 2, "mean");
    refused(&["embed", "-m", "m", "--batch", "0", "a"], 2, "batch");
    refused(&["embed", "-m", "m"], 2, "standard input is empty");
    model(&env, "roberta", |config| config["model_type"] = "roberta".into());
    refused(&["embed", "-m", "roberta", "a"], 3, "`roberta`");
    model(&env, "wide", |config| config["hidden_size"] = 16.into());
    refused(&["embed", "-m", "wide", "a"], 3, "model.safetensors");
    std::fs::remove_file(env.work().join("wide/model.safetensors")).expect("it was there");
    refused(&["embed", "-m", "wide", "a"], 3, "has no model.safetensors");
    env.stdin(b"good\nbad \xff\n".as_slice());
    let ran = env.run(&["embed", "-m", "m"]);
    assert!(ran.code == 3 && ran.stderr.contains("line 2"), "{ran}");
}

#[cfg(unix)]
#[test]
fn readers_that_go_and_disks_that_are_full_are_told_apart() {
    let env = env();
    assert_eq!(env.shell("embed -m m word --no-receipt", ">/dev/full").code, 6);
    assert_eq!(env.process_unread(&["embed", "-m", "m", "word", "--no-receipt"]).code, 141);
}
