use std::{
    io::Read,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Outcome;

/// How long a command may take: far more than any does, so that a busy machine fails no test.
const TIME: Duration = Duration::from_secs(90);

/// A process that works; ended when it is dropped.
pub struct Live {
    child: Child,
    out: Stream,
    err: Stream,
    line: String,
    root: PathBuf,
}

struct Stream {
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(vec![]));
        let into = seen.clone();
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(n) = from.read(&mut part)
                && n > 0
            {
                into.lock().unwrap().extend_from_slice(&part[..n]);
            }
        });
        Self { seen, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn end(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.seen.lock().unwrap().clone()
    }
}

/// Waits until `found` finds something; fails where it never does.
#[track_caller]
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(it) = found() {
            return it;
        }
        assert!(begun.elapsed() < TIME, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Live {
    pub fn spawn(mut command: Command, root: &Path) -> Self {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let line = format!("runbook {}", words.join(" "));
        Self { child, out: Stream::read(out), err: Stream::read(err), line, root: root.into() }
    }

    /// Waits until stderr has these words.
    #[track_caller]
    pub fn waits_for(&mut self, words: &str) -> &mut Self {
        eventually(words, || {
            let text = self.err.text();
            if text.contains(words) {
                return Some(());
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended without \"{words}\" ({ended:?}):\n{text}");
            None
        });
        self
    }

    /// Its input, where the command has a pipe for it.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > TIME {
                let _ = self.child.kill();
                panic!("{} does not end; it said:\n{}", self.line, self.err.text());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap();
        let (out, err) = (self.out.end(), self.err.end());
        Outcome::new(self.line.clone(), code, &out, &err, &self.root)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
