//! bizra runs AI models on your own machine and turns every claim into a signed receipt that can be checked.
//!
//! # Code map
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@env`] | clock, chance, variables, folder, streams, signals: all that could differ between two runs |
//! | [`error`] | the exit codes, and the error that carries a refusal to the user |
//! | [`config`] | the settings in force, and where each came from |
//! | [`ui`] | the only code that prints: pages, colours, widths, progress; text that is not ours made safe |
//! | [`cli`] | the command line: a file per command with its arguments and its run |
//! | `view` | a file per command with the look of its report: page and JSON |
//! | [`receipts`] | statements, envelopes, keys, trust, logs, proofs, audit: what a signed claim is, and whether it holds |
//! | [`model`] | models by name: what a hub lists, which files are meant, which bytes were reviewed |
//! | [`infer`] | model files, tokenizers, templates, the forward pass, sampling, generation |
//! | [`embed`] | texts to vectors, with encoders of BERT's kind |
//! | [`plan`] | what plans share: tree with spans, schema, evidence, calendar, exact decimals, findings |
//! | [`roadmap`] | lint rules of roadmaps, import from Markdown, render |
//! | [`sprint`] | where a sprint stands by what is proven, its go/no-go; lint rules about days, people, progress, sizes |
//! | [`mod@bench`] | interleaved measurement and rank statistics |
//! | [`claims`] | what claims of speed are written with, of runs and of kernels: reader, refusals, signs, verdicts |
//! | [`starter`] | what a new project begins with |
//! | [`kernel`] | what kernels promise, the truth in f64, probes, bounds, gates: whether a kernel is right |
//! | [`doctor`] | what a machine can do, and what follows |
//! | [`sys`] | the world outside, one thing a file |
//!
//! One claim's way: a command makes a [`receipts::statement::Draft`]; the ledger ([`sys::ledger`]) fixes its place, and
//! under its lock the draft is stamped and signed, appended to the write-ahead log with one sync, and then taken into
//! git. [`receipts::audit`] reads it all back and believes nothing.
//!
//! # Invariants
//!
//! - Directions: `main → cli → {domains, sys, view, ui, error}` and `view → {domains, ui}`. Domains know nothing of
//!   terminals, network, git or clocks, nor of each other; what they need of the outside they are handed. `cargo xtask
//!   tidy` refuses imports that cross these.
//! - stdout carries the answer only, and one exit table holds for all commands.
//! - A claim's receipt is durable before its answer is shown; a streaming answer has room for its receipt first.
//! - Only [`mod@env`] reads the clock, the variables and randomness; only [`ui`] prints; only `bizra-kernels` holds
//!   `unsafe`.
//! - Deliberately absent: a service to start, a network in core work, a hidden test mode.

pub mod about;
pub mod bench;
pub mod claims;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod embed;
pub mod entropy;
pub mod env;
pub mod error;
pub mod infer;
pub mod kernel;
pub mod model;
pub mod plan;
pub mod receipts;
pub mod roadmap;
pub mod sprint;
pub mod starter;
pub mod sys;
pub mod ui;
mod view;
