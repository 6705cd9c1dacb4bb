//! One command from start to end: streams read as they come, the group ended at a deadline or when cancelled.

use std::{
    any::Any,
    collections::BTreeMap,
    ffi::OsString,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _, pipe},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    process::{Signal, WaitId, WaitIdOptions, waitid},
};

use super::{
    group::{Started, pid, signal_group},
    output::{Kept, Lines, Strip},
};

/// Called when a run is cancelled.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Registers a [`Wake`] and gives back what keeps it registered. A run that is already cancelled calls it at once.
pub type OnCancel<'a> = &'a dyn Fn(Wake) -> Box<dyn Any>;

/// How long output is waited for once the command has ended and something it left behind still holds its streams.
const LINGER: Duration = Duration::from_millis(100);
/// How long the end is waited for after a kill; a process in an uninterruptible call may not even then end.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// A command as it will be started. It inherits nothing: neither environment nor stdin.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// The tool and its arguments; never a shell's line.
    pub argv: &'a [String],
    /// All of its environment; see [`super::Environment`].
    pub env: &'a BTreeMap<OsString, OsString>,
    /// Where it runs.
    pub cwd: Option<&'a Path>,
    /// What it reads on stdin; nothing where absent.
    pub stdin: Option<&'a [u8]>,
    /// How long it may run. Time in which the machine is suspended does not count.
    pub timeout: Option<Duration>,
    /// How long it has to end by itself once asked to.
    pub grace: Duration,
    /// How many bytes of either end of a stream are kept.
    pub keep: usize,
}

impl<'a> Command<'a> {
    /// A command with nothing on stdin, no deadline, 5 s of grace, and 64 KiB kept of either end of a stream.
    pub fn new(argv: &'a [String], env: &'a BTreeMap<OsString, OsString>) -> Self {
        Self { argv, env, cwd: None, stdin: None, timeout: None, grace: Duration::from_secs(5), keep: 64 * 1024 }
    }
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The result.
    Stdout,
    /// What is meant for people.
    Stderr,
}

/// What a caller wants to know and to decide while a command runs.
pub struct Hooks<'a> {
    /// Called once, as soon as there is a process and before it is waited for. An error ends the command.
    pub on_start: &'a mut dyn FnMut(&Started) -> io::Result<()>,
    /// Called with every line as it comes, without control sequences, already filtered.
    pub on_line: Option<&'a mut dyn FnMut(Stream, &str)>,
    /// Takes secrets out of text.
    pub filter: &'a dyn Fn(&str) -> String,
    /// Registers for cancellation.
    pub on_cancel: Option<OnCancel<'a>>,
}

/// How a command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// Its time was over, and its group was ended.
    Deadline,
    /// The run was cancelled, and its group was ended.
    Cancelled,
}

impl Ended {
    /// Whether it ended by itself with status 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// A command that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How.
    pub ended: Ended,
    /// Its stdout: filtered, without control sequences, invalid UTF-8 replaced.
    pub stdout: String,
    /// Its stderr, likewise.
    pub stderr: String,
    /// Whether the middle of a stream is missing.
    pub truncated: bool,
    /// Whether something that it started still held its streams when it had ended by itself; that was left running.
    pub left_running: bool,
    /// How long it ran.
    pub took: Duration,
}

/// Why there is no end to report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing was started: the argument list is empty or holds a NUL byte.
    #[error("{0}")]
    BadArguments(String),
    /// Nothing was started: there is no such tool.
    #[error("`{tool}` was not found in PATH ({path}): install it, or put its folder into PATH")]
    NotFound {
        /// The tool.
        tool: String,
        /// The PATH that was searched.
        path: String,
    },
    /// Nothing was started: the folder to run in is not there.
    #[error("cannot run `{tool}` in {folder}: there is no such folder")]
    NoFolder {
        /// The tool.
        tool: String,
        /// The folder.
        folder: String,
    },
    /// Nothing was started.
    #[error("cannot start `{tool}`: {source}")]
    NotStarted {
        /// The tool.
        tool: String,
        /// Why.
        source: io::Error,
    },
    /// It was started and then ended, because its start could not be noted.
    #[error("`{tool}` was ended again, because its start could not be noted: {source}")]
    NotNoted {
        /// The tool.
        tool: String,
        /// Why.
        source: io::Error,
    },
    /// It was killed and is still there.
    #[error("`{tool}` (process {pid}) is still there {}s after it was killed: look at it with `ps -o stat,wchan -p {pid}`", AFTER_KILL.as_secs())]
    NotEnded {
        /// The tool.
        tool: String,
        /// Its process.
        pid: u32,
    },
    /// It was started; how it went on is not known.
    #[error("lost sight of `{tool}` while it ran: {source}")]
    Lost {
        /// The tool.
        tool: String,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    /// Whether it is certain that the command did nothing.
    pub fn nothing_was_started(&self) -> bool {
        matches!(self, Self::BadArguments(_) | Self::NotFound { .. } | Self::NoFolder { .. } | Self::NotStarted { .. })
    }
}

/// Runs a command to its end and blocks meanwhile.
pub fn run(command: &Command<'_>, hooks: &mut Hooks<'_>) -> Result<Finished, RunError> {
    let Some(tool) = command.argv.first().filter(|tool| !tool.is_empty()).cloned() else {
        return Err(RunError::BadArguments("a command needs a tool: cmd::run([\"kubectl\", \"version\"])".into()));
    };
    if let Some(bad) = command.argv.iter().find(|arg| arg.contains('\0')) {
        return Err(RunError::BadArguments(format!("an argument of `{tool}` holds a NUL byte: {bad:?}")));
    }
    let started_at = Instant::now();
    let mut child = Child::start(command, &tool)?;
    if let Err(source) = (hooks.on_start)(&child.started) {
        child.end_now();
        return Err(RunError::NotNoted { tool, source });
    }
    let _registered = hooks.on_cancel.map(|register| {
        let (cancelled, bell) = (child.cancelled.clone(), child.bell.clone());
        register(Box::new(move || {
            cancelled.store(true, Ordering::SeqCst);
            ring(&bell);
        }))
    });
    let end =
        child.watch(command, hooks, started_at).map_err(|source| RunError::Lost { tool: tool.clone(), source })?;
    let Some((ended, left_running)) = end else {
        return Err(RunError::NotEnded { tool, pid: child.started.pid });
    };
    let took = started_at.elapsed();
    let [(stdout, cut_out), (stderr, cut_err)] = child.streams.map(|stream| stream.kept.finish(hooks.filter));
    Ok(Finished { ended, stdout, stderr, truncated: cut_out || cut_err, left_running, took })
}

fn ring(bell: &PipeWriter) {
    let _ = (&*bell).write(b"!"); // a full pipe wakes just as well
}

/// One of the two output streams.
struct Output {
    /// Gone once it has ended.
    pipe: Option<PipeReader>,
    strip: Strip,
    kept: Kept,
    lines: Lines,
}

struct Child {
    handle: duct::Handle,
    started: Started,
    stdin: Option<PipeWriter>,
    streams: [Output; 2],
    /// Rung when the child has ended and when the run is cancelled.
    bell: Arc<PipeWriter>,
    ears: PipeReader,
    exited: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

/// What is being done about a command that has to end.
#[derive(Clone, Copy)]
enum Ending {
    No,
    Asked { why: Ended, kill_at: Instant },
    Killed { why: Ended, give_up_at: Instant },
}

impl Child {
    fn start(command: &Command<'_>, tool: &str) -> Result<Self, RunError> {
        let not_started = |source: io::Error| RunError::NotStarted { tool: tool.to_owned(), source };
        if let Some(folder) = command.cwd.filter(|folder| !folder.is_dir()) {
            return Err(RunError::NoFolder { tool: tool.to_owned(), folder: folder.display().to_string() });
        }
        let (ears, bell) = quiet_pipe(true, true).map_err(not_started)?;
        let bell = Arc::new(bell);
        let (out_reader, out_writer) = quiet_pipe(true, false).map_err(not_started)?;
        let (err_reader, err_writer) = quiet_pipe(true, false).map_err(not_started)?;
        let mut expression = duct::cmd(tool, &command.argv[1..])
            .full_env(command.env)
            .stdout_file(out_writer)
            .stderr_file(err_writer)
            .unchecked()
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            });
        let stdin = if command.stdin.is_some() {
            let (reader, writer) = quiet_pipe(false, true).map_err(not_started)?;
            expression = expression.stdin_file(reader);
            Some(writer)
        } else {
            expression = expression.stdin_null();
            None
        };
        if let Some(folder) = command.cwd {
            expression = expression.dir(folder);
        }
        let handle = expression.start().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                let path = command.env.get(&OsString::from("PATH")).map(|p| p.to_string_lossy().into_owned());
                RunError::NotFound { tool: tool.to_owned(), path: path.unwrap_or_else(|| "not set".into()) }
            }
            _ => not_started(source),
        })?;
        drop(expression); // it holds our copies of the child's ends of the pipes
        let started = Started::of(handle.pids().first().copied().unwrap_or_default());
        let exited = Arc::new(AtomicBool::new(false));
        wait_in_background(started.pid, exited.clone(), bell.clone());
        let stream = |pipe| Output {
            pipe: Some(pipe),
            strip: Strip::default(),
            kept: Kept::new(command.keep),
            lines: Lines::default(),
        };
        Ok(Self {
            handle,
            started,
            stdin,
            streams: [stream(out_reader), stream(err_reader)],
            bell,
            ears,
            exited,
            cancelled: Arc::default(),
        })
    }

    /// Reads until the end; nothing when it did not even end after a kill. The second value: something still runs.
    fn watch(
        &mut self,
        command: &Command<'_>,
        hooks: &mut Hooks<'_>,
        started_at: Instant,
    ) -> io::Result<Option<(Ended, bool)>> {
        let deadline = command.timeout.and_then(|timeout| started_at.checked_add(timeout));
        let mut unsent = command.stdin.unwrap_or_default();
        let mut ending = Ending::No;
        let mut exited_at = None;
        loop {
            let now = Instant::now();
            if exited_at.is_none() && self.exited.load(Ordering::SeqCst) {
                exited_at = Some(now);
            }
            ending = self.advance(ending, deadline, exited_at, command.grace, now);
            let quiet = self.streams.iter().all(|stream| stream.pipe.is_none());
            let patience_over = match (exited_at, ending) {
                (Some(at), Ending::No | Ending::Killed { .. }) => quiet || now >= at + LINGER,
                (Some(_), Ending::Asked { .. }) => quiet,
                (None, Ending::Killed { give_up_at, .. }) if now >= give_up_at => return Ok(None),
                (None, _) => false,
            };
            if patience_over {
                break;
            }
            let wake_at = match (exited_at, ending) {
                (_, Ending::Asked { kill_at, .. }) => Some(kill_at),
                (Some(at), _) => Some(at + LINGER),
                (None, Ending::Killed { give_up_at, .. }) => Some(give_up_at),
                (None, Ending::No) => deadline,
            };
            self.turn(&mut unsent, wake_at.map(|at| at.saturating_duration_since(now)), hooks)?;
        }
        self.finish(ending, hooks).map(Some)
    }

    /// Asks or kills, where it is time to.
    fn advance(
        &self,
        ending: Ending,
        deadline: Option<Instant>,
        exited_at: Option<Instant>,
        grace: Duration,
        now: Instant,
    ) -> Ending {
        match ending {
            Ending::No if exited_at.is_some() => Ending::No,
            Ending::No => {
                let why = if self.cancelled.load(Ordering::SeqCst) {
                    Ended::Cancelled
                } else if deadline.is_some_and(|deadline| now >= deadline) {
                    Ended::Deadline
                } else {
                    return Ending::No;
                };
                signal_group(self.started.pid, Signal::TERM);
                Ending::Asked { why, kill_at: now + grace }
            }
            Ending::Asked { why, kill_at } if now >= kill_at => {
                signal_group(self.started.pid, Signal::KILL);
                Ending::Killed { why, give_up_at: now + AFTER_KILL }
            }
            other => other,
        }
    }

    /// Waits until something can be read or written, and does it.
    fn turn(&mut self, unsent: &mut &[u8], timeout: Option<Duration>, hooks: &mut Hooks<'_>) -> io::Result<()> {
        if unsent.is_empty() {
            self.stdin = None;
        }
        let mut fds = vec![PollFd::new(&self.ears, PollFlags::IN)];
        fds.extend(self.streams.iter().filter_map(|s| s.pipe.as_ref()).map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        let mut rings = [0; 64];
        let _ = self.ears.read(&mut rings);
        if let Some(pipe) = &mut self.stdin {
            match pipe.write(unsent) {
                Ok(sent) => *unsent = &unsent[sent..],
                Err(error) if is_later(&error) => {}
                Err(_) => *unsent = &[], // it does not want to read more
            }
        }
        for (which, stream) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut self.streams) {
            stream.read(which, hooks)?;
        }
        Ok(())
    }

    fn finish(&mut self, ending: Ending, hooks: &mut Hooks<'_>) -> io::Result<(Ended, bool)> {
        let left_running = self.streams.iter().any(|stream| stream.pipe.is_some());
        if !matches!(ending, Ending::No) {
            // Not waited for yet, so the group's number still belongs to it: this reaches no other process.
            signal_group(self.started.pid, Signal::KILL);
        }
        for (which, stream) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut self.streams) {
            stream.lines.flush(|line| hand_on(which, line, hooks));
        }
        let status = self.handle.wait()?.status;
        Ok(match ending {
            Ending::No => (how(status), left_running),
            Ending::Asked { why, .. } | Ending::Killed { why, .. } => (why, false),
        })
    }

    fn end_now(&mut self) {
        signal_group(self.started.pid, Signal::KILL);
        let _ = self.handle.wait_timeout(AFTER_KILL);
    }
}

impl Output {
    /// Reads what is there; forgets the pipe once it has ended.
    fn read(&mut self, which: Stream, hooks: &mut Hooks<'_>) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let mut text = Vec::new();
        // A bounded number of reads per turn: an endless stream must not keep the deadline from being seen.
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    text.clear();
                    self.strip.strip(&buffer[..count], &mut text);
                    self.kept.push(&text);
                    if hooks.on_line.is_some() {
                        self.lines.push(&text, |line| hand_on(which, line, hooks));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn hand_on(which: Stream, line: &str, hooks: &mut Hooks<'_>) {
    let line = (hooks.filter)(line);
    if let Some(on_line) = &mut hooks.on_line {
        on_line(which, &line);
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
    }
}

/// A pipe; the ends that are ours do not block.
fn quiet_pipe(reader_is_ours: bool, writer_is_ours: bool) -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = pipe()?;
    let quiet = |fd: BorrowedFd<'_>| ioctl_fionbio(fd, true);
    if reader_is_ours {
        quiet(reader.as_fd())?;
    }
    if writer_is_ours {
        quiet(writer.as_fd())?;
    }
    Ok((reader, writer))
}

/// Tells when a child has ended, without taking its status: until that is taken, its number belongs to nobody else.
fn wait_in_background(child: u32, exited: Arc<AtomicBool>, bell: Arc<PipeWriter>) {
    let wait = move || {
        if let Some(child) = pid(child) {
            let wait = || waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while matches!(wait(), Err(Errno::INTR)) {}
        }
        exited.store(true, Ordering::SeqCst);
        ring(&bell);
    };
    thread::spawn(wait);
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
