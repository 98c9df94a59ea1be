//! Tells the compiler which commit and target it builds.
#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through variables")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BIZRA_BUILD_COMMIT");
    let commit = std::env::var("BIZRA_BUILD_COMMIT").ok().or_else(commit_of_checkout);
    println!("cargo::rustc-env=BIZRA_BUILD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=BIZRA_BUILD_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}

/// The commit that is checked out here, not that of some repository further up.
fn commit_of_checkout() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let root = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&root).canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}
