//! `cargo xtask`: what developing bizra needs beyond cargo. What plain `cargo test` does is not here.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool of our own, read by people and CI logs")]

mod bench;
mod ci;
mod conformance;
mod coverage;
mod crash;
mod dist;
mod fixtures;
mod fuzz;
mod guide;
mod models;
mod mutants;
mod outside;
mod own_gate;
mod reference;
mod reproduce;
mod samples;
mod sbom;
mod screen;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What developing bizra needs beyond cargo")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a merge needs; stops at the first failure
    Ci(ci::Args),
    /// Refuse what reads source text and finds: imports across layers, stray clocks, prints, paths
    Tidy,
    /// Rebuild the fixtures from their seeds
    Fixtures(fixtures::Args),
    /// Train the model inside the binary
    Train(guide::TrainArgs),
    /// Examine the model inside the binary with questions that it never saw
    Eval(guide::EvalArgs),
    /// Run the cases of a folder of known answers
    Conformance(conformance::Args),
    /// Write the reference of all commands from the program's definitions
    Reference(reference::Args),
    /// Draw the README's terminal session from one that is played now
    Screen(screen::Args),
    /// Build what a release ships
    Dist(dist::Args),
    /// Build the same commit twice in different folders, and compare the bytes
    Reproduce(reproduce::Args),
    /// Line coverage of the tests
    Coverage(coverage::Args),
    /// Plant faults into the code, one at a time, and see whether the tests notice
    Mutants(mutants::Args),
    /// Check a ledger that was just written with programs that are not ours, as the documentation shows it
    Outside,
    /// Put the project under its own gates, in a clone with a ledger of its own
    OwnGate(own_gate::Args),
    /// Look for input that breaks what reads bytes of strangers
    Fuzz(fuzz::Args),
    /// Run the benchmarks: interleaved with a peer, one table
    Bench(bench::Args),
    /// A process of the ledger's benchmark
    #[command(hide = true)]
    LedgerWork(bench::ledger::child::Args),
    /// A process of the engine's benchmark
    #[command(hide = true)]
    EngineWork(bench::engine::child::Args),
    /// Make model files of real shapes and random weights for benchmarks
    Models(models::Args),
    /// Kill processes that write a ledger, at random points, and look what is left
    Crash(crash::Args),
}

fn main() -> ExitCode {
    if let Some(flag) = tools::variable(tools::COMPILER_FLAG) {
        return exit_code(tools::compile(flag));
    }
    exit_code(match Cli::parse().task {
        Task::Ci(args) => ci::run(&args),
        Task::Tidy => tidy::run(),
        Task::Fixtures(args) => fixtures::run(&args),
        Task::Train(args) => guide::train(&args),
        Task::Eval(args) => guide::eval(&args),
        Task::Conformance(args) => conformance::run(&args),
        Task::Reference(args) => reference::run(&args),
        Task::Screen(args) => screen::run(&args),
        Task::Dist(args) => dist::run(&args),
        Task::Reproduce(args) => reproduce::run(&args),
        Task::Coverage(args) => coverage::run(&args),
        Task::Mutants(args) => mutants::run(&args),
        Task::Outside => outside::run(),
        Task::OwnGate(args) => own_gate::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::LedgerWork(args) => bench::ledger::child::run(&args),
        Task::EngineWork(args) => bench::engine::child::run(&args),
        Task::Models(args) => models::run(&args),
        Task::Crash(args) => crash::run(&args),
    })
}

fn exit_code(outcome: tools::Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
