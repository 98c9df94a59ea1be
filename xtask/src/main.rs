//! `cargo xtask`: what developing bizra needs beyond cargo.
fn main() {}
