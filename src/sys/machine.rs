//! What this machine has: the facts behind `bizra doctor`.
//!
//! Each function looks at one thing and says what it saw; what follows from it is [`crate::doctor`]'s to judge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bizra_kernels::gpu::{Api, Found};
use bizra_kernels::{Level, gpu, os};

use super::ledger::{Ledger, LedgerError};
use super::setup::Setup;
use super::{folders, git};
use crate::bench::result::Machine;
use crate::config::Config;
use crate::doctor::{Check, Fact, State, Subject};
use crate::env::{Env, Vars};
use crate::error::Error;

/// Every check but the bandwidth, which takes its time.
pub fn checks(env: &Env, config: &Config, setup: &Setup) -> Vec<Check> {
    let mut checks = vec![cpu(), cores(), memory()];
    checks.extend(gpu::probe().into_iter().map(|(api, found)| accelerator(api, found)));
    checks.extend([
        git_program(&env.vars),
        repository(setup),
        timezone(env, config),
        configuration(setup),
        data(&env.vars),
        models(&env.vars),
    ]);
    checks
}

/// Threads that work may use.
pub fn threads() -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::new(bizra_kernels::default_threads()).unwrap_or(std::num::NonZeroUsize::MIN)
}

fn cpu() -> Check {
    let levels: Vec<String> = Level::available().iter().map(ToString::to_string).collect();
    let name = os::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    Check::new(Subject::Cpu, State::Ok, format!("{name}; kernels can use {}", levels.join(", ")))
        .fact("name", Fact::Text(name))
        .fact("arch", Fact::Text(std::env::consts::ARCH.into()))
        .fact("levels", Fact::List(levels))
        .fact("best", Fact::Text(Level::best().to_string()))
}

fn cores() -> Check {
    let usable = bizra_kernels::default_threads();
    let present = os::processors();
    let detail = if present > usable {
        format!("{usable} of {present}, the rest is not for this process")
    } else {
        format!("{usable}")
    };
    Check::new(Subject::Cores, State::Ok, detail)
        .fact("usable", Fact::Count(usable as u64))
        .fact("present", Fact::Count(present as u64))
}

fn memory() -> Check {
    let Some(memory) = os::Memory::read() else {
        return Check::new(Subject::Memory, State::Missing, "this platform doesn't tell")
            .hint("models are loaded without a check that they fit");
    };
    let mut detail = format!("{} of {} available", gib(memory.available), gib(memory.total));
    if let Some(limit) = memory.group_limit {
        detail += &format!(", limited to {} by the control group", gib(limit));
    }
    let check = Check::new(Subject::Memory, State::Ok, detail)
        .fact("total_bytes", Fact::Count(memory.total))
        .fact("available_bytes", Fact::Count(memory.available));
    match memory.group_limit {
        Some(limit) => check.fact("group_limit_bytes", Fact::Count(limit)),
        None => check,
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// How often memory is read for [`bandwidth`]: half with one thread, half with all.
pub const BANDWIDTH_ROUNDS: u64 = 10;
const BANDWIDTH_BYTES: u64 = 512 << 20;

/// The best of several rounds: what memory can do, not what else the machine was doing.
pub fn bandwidth(clock: &(dyn Fn() -> Duration + Sync), round_done: &mut dyn FnMut(u64)) -> Check {
    let room = os::Memory::read().map_or(BANDWIDTH_BYTES, |m| m.available / 4);
    let bytes = BANDWIDTH_BYTES.min(room);
    if bytes < 64 << 20 {
        return Check::new(Subject::Bandwidth, State::Missing, "too little memory is free to measure it");
    }
    let words: Vec<u64> = (0..bytes / 8).collect();
    let threads = bizra_kernels::default_threads();
    let mut best = [0f64; 2];
    for round in 0..BANDWIDTH_ROUNDS {
        let (slot, threads) = if round % 2 == 0 { (0, 1) } else { (1, threads) };
        best[slot] = best[slot].max(os::read_bandwidth(&words, threads, clock) / 1e9);
        round_done(round + 1);
    }
    let [one, all] = best;
    Check::new(
        Subject::Bandwidth,
        State::Ok,
        format!("reads {one:.1} GB/s with 1 thread, {all:.1} GB/s with {threads}"),
    )
    .fact("one_core_gb_s", Fact::Measure(one))
    .fact("all_cores_gb_s", Fact::Measure(all))
    .fact("buffer_bytes", Fact::Count(bytes))
}

fn accelerator(api: Api, found: Found) -> Check {
    let (subject, wanted) = match api {
        Api::Cuda => (Subject::Cuda, "NVIDIA's driver (libcuda)"),
        Api::Hip => (Subject::Hip, "AMD's runtime (libamdhip64)"),
        Api::Vulkan => (Subject::Vulkan, "the Vulkan loader (libvulkan)"),
    };
    match found {
        Found::Devices(names) => Check::new(subject, State::Ok, names.join(", ")).fact("devices", Fact::List(names)),
        Found::NoDevice(why) => Check::new(subject, State::Broken, why)
            .hint("the driver is installed: check that the device is visible to this user or container"),
        Found::NoDriver => Check::new(subject, State::Missing, format!("{wanted} is not installed")),
    }
}

fn git_program(vars: &Vars) -> Check {
    match git::program(vars) {
        Ok(version) => {
            Check::new(Subject::Git, State::Ok, format!("git {version}")).fact("version", Fact::Text(version))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Check::new(Subject::Git, State::Missing, "there is no `git` on the PATH")
                .hint("receipts stay on this machine: install git to push and fetch them")
        }
        Err(e) => Check::new(Subject::Git, State::Broken, format!("`git` can't be run: {e}")),
    }
}

fn repository(setup: &Setup) -> Check {
    match &setup.repository {
        Ok(Some(place)) => {
            let (detail, root) = match &place.work_dir {
                Some(root) => (root.display().to_string(), root),
                None => (format!("bare, {}", place.common_dir.display()), &place.common_dir),
            };
            let detail = if place.linked { format!("{detail}, a linked work tree") } else { detail };
            let detail = if place.shallow { format!("{detail}, a shallow clone") } else { detail };
            let check = Check::new(Subject::Repository, State::Ok, detail)
                .fact("path", Fact::Text(root.display().to_string()))
                .fact("git_dir", Fact::Text(place.common_dir.display().to_string()));
            if place.shallow {
                check.hint("the whole history is needed for some answers: git fetch --unshallow")
            } else {
                check
            }
        }
        Ok(None) => Check::new(Subject::Repository, State::Missing, "none around the current folder")
            .hint("git init, or --repo PATH: plans and gates are about a repository"),
        Err(error) => {
            let check = Check::new(Subject::Repository, State::Broken, error.to_string());
            match error.hints.first() {
                Some(hint) => check.hint(hint.clone()),
                None => check,
            }
        }
    }
}

fn timezone(env: &Env, config: &Config) -> Check {
    let (machine, named) = env.machine_zone();
    let zone = config.zone(machine);
    let name = zone.iana_name().unwrap_or("an unnamed zone").to_owned();
    let now = config.now(&zone).unwrap_or_else(|| env.clock.wall()).to_zoned(zone);
    let local = now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let asked = config.get("tz").is_some();
    let check = if asked || named {
        Check::new(Subject::Timezone, State::Ok, format!("{name}, where it is {local}"))
    } else {
        Check::new(Subject::Timezone, State::Missing, format!("the machine names none, so days are counted in {name}"))
            .hint("set tz in bizra.toml, BIZRA_TZ or --tz")
    };
    check.fact("zone", Fact::Text(name)).fact("local_time", Fact::Text(local))
}

fn configuration(setup: &Setup) -> Check {
    let files: Vec<String> = setup.sources().into_iter().filter_map(|(path, there)| there.then_some(path)).collect();
    let check = match &setup.config_fault {
        Some(fault) => {
            let check = Check::new(Subject::Config, State::Broken, fault.to_string());
            match fault.hints.first() {
                Some(hint) => check.hint(hint.clone()),
                None => check,
            }
        }
        None if files.is_empty() => Check::new(Subject::Config, State::Ok, "no file, defaults are in force"),
        None => Check::new(Subject::Config, State::Ok, files.join(", ")),
    };
    check.fact("files", Fact::List(files))
}

fn data(vars: &Vars) -> Check {
    let Some(folder) = folders::data(vars) else {
        return Check::new(Subject::Data, State::Missing, "no home folder is known, so keys have no place")
            .hint("set HOME or XDG_DATA_HOME; in CI a key can come from BIZRA_KEY");
    };
    let shown = folder.display().to_string();
    let check = match writable(&folder) {
        Ok(true) => Check::new(Subject::Data, State::Ok, shown.clone()),
        Ok(false) => Check::new(Subject::Data, State::Ok, format!("{shown}, made when it is needed")),
        Err(why) => Check::new(Subject::Data, State::Broken, format!("{shown} {why}"))
            .hint("mend its permissions, or set XDG_DATA_HOME to a folder that can be written"),
    };
    check.fact("path", Fact::Text(shown))
}

/// Whether the folder is there; an error where it, or the nearest folder above it, can't be written.
fn writable(folder: &Path) -> Result<bool, &'static str> {
    let there = folder.exists();
    let nearest = folder.ancestors().find(|f| f.exists()).ok_or("lies nowhere")?;
    let metadata = nearest.metadata().map_err(|_| "can't be looked at")?;
    if !metadata.is_dir() {
        return Err("is behind a file that is no folder");
    }
    if os::may_write(nearest) { Ok(there) } else { Err("can't be written") }
}

/// The ledger that receipts would go to.
pub fn ledger(place: Result<PathBuf, Error>) -> Check {
    let broken = |path: &Path, why: String| {
        Check::new(Subject::Ledger, State::Broken, format!("{}: {why}", path.display()))
            .fact("path", Fact::Text(path.display().to_string()))
    };
    let path = match place {
        Ok(path) => path,
        // No home, or a repository that can't be opened: its own line says so.
        Err(error) => {
            let check = Check::new(Subject::Ledger, State::Missing, error.message.clone());
            return match error.hints.first() {
                Some(hint) => check.hint(hint.clone()),
                None => check,
            };
        }
    };
    let shown = path.display().to_string();
    if !path.exists() {
        return match writable(&path) {
            Ok(_) => Check::new(Subject::Ledger, State::Missing, format!("none yet; the first receipt makes {shown}"))
                .fact("path", Fact::Text(shown)),
            Err(why) => broken(&path, format!("it can't be made, since its place {why}"))
                .hint("mend the permissions, or name another place with --ledger PATH"),
        };
    }
    match counted(&path) {
        Ok((logs, receipts)) if os::may_write(&path) => {
            let of = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let detail = format!("{shown}, {}, {}", of(logs, "log"), of(receipts, "receipt"));
            Check::new(Subject::Ledger, State::Ok, detail)
                .fact("path", Fact::Text(shown))
                .fact("logs", Fact::Count(logs))
                .fact("receipts", Fact::Count(receipts))
        }
        Ok(_) => broken(&path, "it can't be written, so no receipt can be left".into())
            .hint("mend its permissions, or name another place with --ledger PATH"),
        Err(error) => broken(&path, error.to_string())
            .hint("`bizra receipts repair` mends what a crash left; --ledger PATH names another place"),
    }
}

/// How many logs, and how many receipts in all of them, the newest ones that git lacks counted in.
fn counted(path: &Path) -> Result<(u64, u64), LedgerError> {
    let ledger = Ledger::open(path, false)?;
    let logs = ledger.logs()?;
    let mut receipts = 0;
    for id in &logs {
        let log = ledger.log(id)?;
        log.header()?;
        receipts += log.size()? + log.wal()?.pending.len() as u64;
    }
    Ok((logs.len() as u64, receipts))
}

fn models(vars: &Vars) -> Check {
    let Some(folder) = folders::model_cache(vars) else {
        return Check::new(Subject::Models, State::Missing, "no home folder is known, so there is no cache")
            .hint("set HF_HOME or HOME");
    };
    let shown = folder.display().to_string();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Check::new(Subject::Models, State::Missing, format!("{shown} is not there yet"))
            .hint("bizra model pull REPO:QUANT")
            .fact("path", Fact::Text(shown));
    };
    let count = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("models--")).count();
    Check::new(Subject::Models, State::Ok, format!("{shown}, {count} model{}", if count == 1 { "" } else { "s" }))
        .fact("path", Fact::Text(shown))
        .fact("models", Fact::Count(count as u64))
}

/// The machine as benchmarks tell of it.
pub fn facts(level: Level) -> Machine {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = format!("{} {} {}", std::env::consts::OS, std::env::consts::ARCH, kernel.trim());
    Machine {
        fingerprint: fingerprint(),
        cpu: os::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        system: system.trim().to_owned(),
        level: level.to_string(),
        processors: os::processors() as u64,
        usable: bizra_kernels::default_threads() as u64,
        memory_bytes: os::Memory::read().map_or(0, |memory| memory.total),
        governor: super::meter::governor(),
    }
}

/// Which machine this is, as far as measurements depend on it: two runs can be compared where it is the same.
///
/// A digest, so that a receipt tells neither the machine's own id nor its parts.
pub fn fingerprint() -> String {
    use sha2::{Digest as _, Sha256};
    let memory = os::Memory::read().map_or(0, |m| m.total >> 30);
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let parts = [
        "bizra host, version 1".to_owned(),
        std::env::consts::ARCH.to_owned(),
        os::cpu_name().unwrap_or_default(),
        Level::best().to_string(),
        os::processors().to_string(),
        memory.to_string(),
        machine.trim().to_owned(),
    ];
    let digest: [u8; 32] = Sha256::digest(parts.join("\n")).into();
    let short: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{short}", std::env::consts::OS, std::env::consts::ARCH)
}
