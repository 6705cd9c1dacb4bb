//! Whole processes: how long they take, how much they hold, how often they sync.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The program, with its state in a folder.
pub fn runbook(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(arguments).env("RUNBOOK_STATE_DIR", state);
    command
}

/// The command that runs a playbook of a folder on its context `staging` and says nothing.
pub fn run(folder: &Path, playbook: &str) -> Command {
    let playbook = folder.join(playbook);
    let path = playbook.to_str().expect("the build's folder is text");
    runbook(&folder.join("state"), &["run", path, "--context", "staging", "--progress", "quiet"])
}

fn silent(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// From before its start to its end.
pub fn wall(command: &mut Command) -> Duration {
    let begun = Instant::now();
    // what a quiet program says fits into the pipe
    let mut child = silent(command).stderr(Stdio::piped()).spawn().expect("it starts");
    let status = child.wait().expect("it can be waited for");
    let took = begun.elapsed();
    let mut said = || child.stderr.take().and_then(|pipe| std::io::read_to_string(pipe).ok()).unwrap_or_default();
    assert!(status.success(), "{command:?} ended with {status}\n{}", said());
    took
}

/// From before its start to its end, and the most memory that it held, as far as its last look at `/proc` tells.
pub fn wall_and_peak(command: &mut Command) -> (Duration, Option<f64>) {
    let begun = Instant::now();
    let mut child = silent(command).spawn().expect("it starts");
    let path = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        peak = std::fs::read_to_string(&path).ok().and_then(|text| high_water(&text)).or(peak);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            assert!(status.success(), "{command:?} ended with {status}");
            return (begun.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// How often a command syncs, files and folders, as `strace` counts it; none where there is no `strace`.
pub fn syncs(command: &Command, folder: &Path) -> Option<u32> {
    let trace = folder.join("syncs.trace");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync,syncfs,msync", "-e", "signal=none", "-o"]);
    traced.arg(&trace).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    let status = silent(&mut traced).status().ok()?;
    assert!(status.success(), "{traced:?} ended with {status}");
    let text = std::fs::read_to_string(trace).ok()?;
    // a call that another thread interrupts is written as two lines
    let begun = text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed>")).count();
    u32::try_from(begun).ok()
}
