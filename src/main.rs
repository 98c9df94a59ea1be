//! The binary: build the real environment, dispatch, exit.
fn main() {}
