//! Which process it was: pid, start time and boot together, so that a pid used anew is never taken for it.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

use super::environment;

/// A child as it was started; what `resume` needs to find it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its process id, which is its process group's too.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`); absent where the system has no `/proc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// The boot in which it ran; empty where the system does not say.
    #[serde(default)]
    pub boot_id: String,
}

/// One process as `/proc/PID/stat` shows it.
struct Stat {
    state: char,
    group: u32,
    start_time: u64,
}

impl Started {
    /// Describes a process that is running, or that ended and was not waited for yet.
    pub fn of(pid: u32) -> Self {
        Self { pid, start_time: stat(pid).map(|s| s.start_time), boot_id: boot_id() }
    }

    /// Whether the process or another one of its group still runs.
    pub fn is_alive(&self) -> bool {
        if self.boot_id != boot_id() {
            return false;
        }
        let Some(start_time) = self.start_time else {
            return pid(self.pid).is_some_and(|pid| test_kill_process_group(pid).is_ok());
        };
        match stat(self.pid) {
            Some(leader) if leader.start_time != start_time => false, // the number belongs to another process by now
            Some(leader) if leader.running() => true,
            _ => members(self.pid).any(|member| member.running() && member.start_time >= start_time),
        }
    }

    /// Ends the group: asks it to end, waits for at most `grace`, then kills it. True when nothing of it is left.
    pub fn end(&self, grace: Duration) -> bool {
        for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(5))] {
            if !self.is_alive() {
                return true;
            }
            signal_group(self.pid, signal);
            let end = Instant::now() + patience;
            while self.is_alive() && Instant::now() < end {
                thread::sleep(Duration::from_millis(20)); // not our child: there is nothing to wait on
            }
        }
        !self.is_alive()
    }
}

/// The groups of processes that [`super::Environment::marked`] marked so and that still run. Only those of this user are
/// seen, and none where the system has no `/proc`.
pub fn of_effect(run: &str, effect: &str) -> Vec<Started> {
    let marks = [(environment::RUN, run), (environment::EFFECT, effect)].map(|(name, value)| format!("{name}={value}"));
    let is_marked = |pid: u32| {
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        marks.iter().all(|mark| variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
    };
    let mut groups: Vec<u32> =
        pids().filter(|pid| is_marked(*pid)).filter_map(stat).filter(Stat::running).map(|found| found.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.into_iter().map(Started::of).collect()
}

/// Sends a signal to a whole group; a group that is gone is no error.
pub(super) fn signal_group(group: u32, signal: Signal) {
    if let Some(group) = pid(group) {
        let _ = kill_process_group(group, signal);
    }
}

/// The process id in rustix's type. 0 and 1 are never a child's: a signal to them would reach more than the child.
pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().filter(|n| *n > 1).and_then(Pid::from_raw)
}

/// What tells one boot of this machine from another; empty where the system does not say.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

impl Stat {
    fn running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// Reads a line of `/proc/PID/stat`. The name in it may hold spaces and parentheses: fields count from the last `)`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let start_time = fields.nth(16)?.parse().ok()?;
        Some(Self { state, group, start_time })
    }
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn members(group: u32) -> impl Iterator<Item = Stat> {
    pids().filter_map(stat).filter(move |member| member.group == group)
}

fn pids() -> impl Iterator<Item = u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 1 77 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10";
        let stat = Stat::parse(line).expect("a line of /proc/PID/stat");
        assert_eq!((stat.state, stat.group, stat.start_time), ('S', 77, 987_654));
    }

    #[test]
    fn a_pid_of_another_start_or_another_boot_is_not_the_process() {
        let me = Started::of(std::process::id());
        let other_start = Started { start_time: me.start_time.map(|t| t + 1), ..me.clone() };
        let other_boot = Started { boot_id: "another".into(), ..me.clone() };
        assert!(me.is_alive());
        assert!(!other_start.is_alive());
        assert!(!other_boot.is_alive());
    }
}
