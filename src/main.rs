//! The binary: build the real environment, run the command line, answer with its exit code.

use std::process::ExitCode;

use bizra::env::Env;

fn main() -> ExitCode {
    bizra::cli::run(Env::real(), std::env::args_os()).into()
}
