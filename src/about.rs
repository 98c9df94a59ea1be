//! What this binary was built from and for.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const COMMIT: &str = env!("BIZRA_BUILD_COMMIT");

pub const TARGET: &str = env!("BIZRA_BUILD_TARGET");

/// Optional parts compiled in.
pub const FEATURES: &[&str] = match (cfg!(feature = "embedded-model"), cfg!(feature = "wgpu")) {
    (true, true) => &["embedded-model", "wgpu"],
    (true, false) => &["embedded-model"],
    (false, true) => &["wgpu"],
    (false, false) => &[],
};

/// Instruction sets that the kernels have code for; which of them run is decided at run time.
pub fn instruction_sets() -> Vec<&'static str> {
    if cfg!(target_arch = "x86_64") { vec!["scalar", "avx2", "avx512"] } else { vec!["scalar"] }
}

/// The whole commit id, where this was built from a checkout.
pub fn full_commit() -> Option<&'static str> {
    (matches!(COMMIT.len(), 40 | 64) && COMMIT.bytes().all(|b| b.is_ascii_hexdigit())).then_some(COMMIT)
}

pub fn long_version() -> String {
    let commit = full_commit().map_or("unknown", |c| &c[..12]);
    let features = if FEATURES.is_empty() { "none".to_owned() } else { FEATURES.join(" ") };
    format!(
        "{VERSION}\ncommit:           {commit}\ntarget:           {TARGET}\nfeatures:         {features}\ninstruction sets: {}",
        instruction_sets().join(" ")
    )
}
