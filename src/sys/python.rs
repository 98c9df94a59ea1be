//! The Python that has Triton: found, and given kernels to compile. It runs them as a process for kernels does
//! ([`super::kernel_worker`]).

use std::fs;
use std::path::Path;
use std::time::Duration;

use bizra_kernels::gpu::Source;
use bizra_kernels::gpu::triton::{COMPILE, HELPER, JOB, MADE, TARGETS};
use serde::Deserialize;
use serde_json::json;

use super::cxx::{Failed, temporary};
use super::process::{Around, Conditions, Finished, Said, finish};
use crate::kernel::gpu::{Artefact, Compiled};

/// For all targets of one kernel, which takes some seconds.
const COMPILES: Duration = Duration::from_secs(300);
/// No code of a kernel is larger.
const MOST_CODE: u64 = 64 << 20;

/// How a Python is started with the helper.
pub fn arguments(what: &str) -> [&str; 4] {
    ["-B", "-c", HELPER, what]
}

/// What the helper leaves in its folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    triton: Option<String>,
    /// What, and the file that holds it.
    made: Vec<(String, String)>,
    missing: Vec<String>,
    wrong: Option<String>,
    /// Whether the source could write to its own folder only.
    held: bool,
}

/// Has a kernel compiled for everything that Triton compiles for. `named` is the Python that the user wants.
pub fn compile(
    named: Option<&Path>,
    source: &Source,
    entry: &str,
    signature: &[String],
    block: u32,
    around: &Around<'_>,
) -> Result<Compiled, Failed> {
    let python = named.map_or_else(|| "python3".to_owned(), |path| path.display().to_string());
    let machine = |error: std::io::Error| Failed::Machine(format!("no folder for Triton's compiler: {error}"));
    let folder = tempfile::Builder::new().prefix("bizra-").tempdir_in(temporary(around.vars)).map_err(machine)?;
    let targets: Vec<_> = TARGETS.iter().map(|t| json!([t.backend, t.architecture, t.warp, t.code])).collect();
    let job = json!({
        "name": source.name,
        "text": source.text,
        "entry": entry,
        "signature": signature,
        "block": block,
        "targets": targets,
    });
    fs::write(folder.path().join(JOB), job.to_string()).map_err(machine)?;
    let place = folder.path().display().to_string();
    let argv: Vec<&str> = [python.as_str()].into_iter().chain(arguments(COMPILE)).chain([place.as_str()]).collect();
    let Around { vars, clock, interrupt, .. } = *around;
    let stop = || interrupt.requested();
    let conditions = Conditions { folder: folder.path(), vars, clock, limit: COMPILES, stop: &stop };
    let said = match finish(&argv, &conditions) {
        Finished::CannotStart(why) => return Err(Failed::Machine(format!("there is no Python: `{python}`: {why}"))),
        Finished::Ended { code: Some(0), said } => said,
        Finished::Ended { code, said } => {
            let how = code.map_or("was ended by a signal".to_owned(), |code| format!("ended with {code}"));
            return Err(Failed::Machine(format!("`{python}` {how}{}", last_words(&said))));
        }
        Finished::TimedOut(_) => {
            let seconds = COMPILES.as_secs();
            return Err(Failed::Kernel(format!("{}: Triton compiled for more than {seconds} seconds", source.name)));
        }
        Finished::Stopped => return Err(Failed::Machine("interrupted".into())),
    };
    let found = super::files::read_at_most(&folder.path().join(MADE), 1 << 20).ok();
    let Some(made) = found.and_then(|bytes| serde_json::from_slice::<Made>(&bytes).ok()) else {
        let why = format!("`{python}` doesn't say what came of the kernel{}", last_words(&said));
        return Err(Failed::Machine(why));
    };
    if let Some(wrong) = made.wrong {
        return Err(Failed::Kernel(wrong));
    }
    let Some(version) = made.triton else {
        return Err(Failed::Machine(format!("`{python}`: {}", made.missing.join("; "))));
    };
    let mut artefacts = Vec::new();
    for (what, file) in made.made {
        // The name is the helper's, but the folder was a stranger's to write to.
        let plain = Path::new(&file).file_name().is_some_and(|name| *name == *file.as_str());
        let path = folder.path().join(&file);
        let whole = plain && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= MOST_CODE);
        let Some(bytes) = whole.then(|| fs::read(&path).ok()).flatten().filter(|bytes| !bytes.is_empty()) else {
            return Err(Failed::Machine(format!("`{python}` tells of {what} and leaves none")));
        };
        artefacts.push(Artefact { what, by: format!("Triton {version}"), bytes });
    }
    let mut left_out: Vec<String> = made.missing.into_iter().map(|what| format!("not compiled: {what}")).collect();
    if !made.held {
        left_out.push("not held while it was compiled: without Landlock a source may write files".into());
    }
    Ok(Compiled { python, artefacts, left_out })
}

fn last_words(said: &Said) -> String {
    let words = String::from_utf8_lossy(&said.stderr);
    words.lines().map(str::trim).rfind(|line| !line.is_empty()).map_or(String::new(), |line| format!(": {line}"))
}
