//! What git's own checks cost here: signatures of SSH-signed commits, and objects without any signature.

use std::path::Path;
use std::process::Command;

use bizra::bench::measure::Clock;

use super::Figure;
use crate::tools::{self, Outcome, Stopwatch};

const COMMITS: usize = 100;

fn git(folder: &Path) -> Command {
    let mut command = tools::command("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "bench").env(format!("GIT_{role}_EMAIL"), "bench@bizra.invalid");
    }
    command
}

pub(super) fn run(clock: &Stopwatch, home: &Path, ledger: &Path) -> Outcome<Vec<Figure>> {
    let signed = home.join("signed-commits");
    if !signed.join("done").exists() {
        build(&signed)?;
    }
    let start = clock.elapsed();
    let said = tools::read(git(&signed).args(["log", "--format=%G?"]))?;
    let seconds = clock.elapsed().saturating_sub(start).as_secs_f64();
    let good = said.lines().filter(|line| *line == "G").count();
    if good != COMMITS {
        return Err(format!("git found {good} good signatures of {COMMITS}"));
    }
    let what = format!("peer: git log --format=%G? over {COMMITS} SSH-signed commits");
    let rate = format!("{:.2} ms each, {:.0} /s", seconds * 1e3 / COMMITS as f64, COMMITS as f64 / seconds);
    let mut figures = vec![Figure::new(&what, rate, "the peer".into(), None)];

    let counted = tools::read(git(ledger).args(["count-objects", "-v"]))?;
    let count = |name: &str| {
        let line = counted.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let objects = count("count") + count("in-pack");
    let start = clock.elapsed();
    tools::read(git(ledger).args(["fsck", "--full", "--no-dangling", "--no-progress"]))?;
    let seconds = clock.elapsed().saturating_sub(start).as_secs_f64();
    let what = format!("peer: git fsck over the {objects:.0} objects of {}, no signatures", name(ledger));
    let rate = format!("{:.3} ms each, {seconds:.2} s", seconds * 1e3 / objects);
    figures.push(Figure::new(&what, rate, "the peer".into(), None));
    Ok(figures)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn build(folder: &Path) -> Outcome {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|cause| format!("cannot remove {}: {cause}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).map_err(|cause| format!("cannot create {}: {cause}", folder.display()))?;
    tools::read(git(folder).args(["init", "--quiet"]))?;
    let key = folder.join(".git/key");
    tools::read(tools::command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
    let public = String::from_utf8_lossy(&tools::read_file(&key.with_extension("pub"))?).into_owned();
    let signers = folder.join(".git/signers");
    tools::write_file(&signers, format!("bench@bizra.invalid {public}").as_bytes())?;
    let settings = [
        ("gpg.format", "ssh".to_owned()),
        ("user.signingkey", key.to_string_lossy().into_owned()),
        ("gpg.ssh.allowedSignersFile", signers.to_string_lossy().into_owned()),
        ("commit.gpgsign", "true".to_owned()),
    ];
    for (name, value) in settings {
        tools::read(git(folder).args(["config", name, &value]))?;
    }
    for number in 0..COMMITS {
        tools::read(git(folder).args(["commit", "--quiet", "--allow-empty", "-m", &format!("receipt {number}")]))?;
    }
    tools::write_file(&folder.join("done"), b"")
}
