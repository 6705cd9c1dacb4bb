use super::*;
use std::sync::mpsc;

struct Sh {
    argv: Vec<String>,
    env: BTreeMap<OsString, OsString>,
}

impl Sh {
    fn new(script: &str) -> Self {
        let env = [("PATH".into(), std::env::var_os("PATH").unwrap_or_default())].into();
        Self { argv: ["sh", "-c", script].map(String::from).to_vec(), env }
    }

    fn command(&self) -> Command<'_> {
        Command { timeout: Some(Duration::from_mins(1)), ..Command::new(&self.argv, &self.env) }
    }
}

fn run_it(command: &Command<'_>) -> (Result<Finished, RunError>, Option<Started>) {
    let mut started = None;
    let on_start = &mut |s: &Started| {
        started = Some(s.clone());
        Ok(())
    };
    let result = run(command, &mut Hooks { on_start, on_line: None, filter: &str::to_owned, on_cancel: None });
    (result, started)
}

fn finished(command: &Command<'_>) -> Finished {
    run_it(command).0.expect("the command ends")
}

#[test]
fn both_streams_are_read_at_once_and_whole() {
    let sh = Sh::new(
        "head -c 1048576 /dev/zero | tr '\\0' o; head -c 1048576 /dev/zero | tr '\\0' e >&2; echo; echo last; exit 3",
    );
    let end = finished(&Command { keep: 1 << 20, ..sh.command() });
    assert_eq!((end.ended, end.truncated, end.left_running), (Ended::Exited(3), false, false));
    assert_eq!((end.stdout.len(), end.stderr.len()), ((1 << 20) + 6, 1 << 20));
    assert!(end.stdout.ends_with("o\nlast\n") && end.stderr.bytes().all(|b| b == b'e'));
}

#[test]
fn a_hundred_megabytes_keep_only_their_ends() {
    let sh = Sh::new("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last");
    let end = finished(&sh.command());
    assert!(end.truncated && end.stdout.len() < 140 * 1024, "{}", end.stdout.len());
    assert!(end.stdout.starts_with("first\n") && end.stdout.ends_with("x\nlast\n"));
    assert!(end.stdout.contains("KiB not kept]"));
}

#[test]
fn something_left_behind_with_the_streams_does_not_hang_the_run() {
    let sh = Sh::new("sleep 60 & echo done");
    let (end, started) = run_it(&sh.command());
    let (end, started) = (end.expect("it ends"), started.expect("it was started"));
    assert_eq!((end.stdout.as_str(), end.ended, end.left_running), ("done\n", Ended::Exited(0), true));
    assert!(end.took < Duration::from_secs(30));
    assert!(started.is_alive(), "what was left behind belongs to its group");
    assert!(started.end(Duration::from_secs(5)) && !started.is_alive());
}

#[test]
fn a_deadline_ends_the_whole_group_also_those_who_do_not_want_to() {
    // The grandchild ignores SIGTERM; the child says what it was told.
    let sh = Sh::new("(trap '' TERM; while :; do sleep 1; done) & trap 'echo told; exit 1' TERM; echo up; wait");
    let command =
        Command { timeout: Some(Duration::from_millis(300)), grace: Duration::from_millis(300), ..sh.command() };
    let (end, started) = run_it(&command);
    let (end, started) = (end.expect("it ends"), started.expect("it was started"));
    assert_eq!((end.ended, end.stdout.as_str(), end.left_running), (Ended::Deadline, "up\ntold\n", false));
    assert!(started.end(Duration::from_secs(5)), "killed processes vanish once they are waited for");
}

#[test]
fn a_cancelled_run_ends_its_command_at_once() {
    let sh = Sh::new("echo up; exec sleep 60");
    let command = sh.command();
    let (sender, wakes) = mpsc::channel::<Wake>();
    let (up, is_up) = mpsc::channel();
    let cancel = thread::spawn(move || {
        let wake = wakes.recv().expect("registered");
        is_up.recv().expect("a line");
        wake();
    });
    let end = run(
        &command,
        &mut Hooks {
            on_start: &mut |_| Ok(()),
            on_line: Some(&mut |stream, line| up.send((stream, line.to_owned())).expect("somebody listens")),
            filter: &str::to_owned,
            on_cancel: Some(&|wake| {
                sender.send(wake).expect("somebody listens");
                Box::new(())
            }),
        },
    )
    .expect("it ends");
    cancel.join().expect("cancelled");
    assert_eq!((end.ended, end.stdout.as_str()), (Ended::Cancelled, "up\n"));
    assert!(end.took < Duration::from_secs(5));
}

#[test]
fn a_run_that_is_already_cancelled_ends_what_it_starts() {
    let sh = Sh::new("exec sleep 60");
    let on_cancel: OnCancel<'_> = &|wake| {
        wake();
        Box::new(())
    };
    let mut on_start = |_: &Started| Ok(());
    let mut hooks =
        Hooks { on_start: &mut on_start, on_line: None, filter: &str::to_owned, on_cancel: Some(on_cancel) };
    assert_eq!(run(&sh.command(), &mut hooks).expect("it ends").ended, Ended::Cancelled);
}

#[test]
fn a_start_that_cannot_be_noted_is_ended_again() {
    let sh = Sh::new("exec sleep 60");
    let mut seen = None;
    let result = run(
        &sh.command(),
        &mut Hooks {
            on_start: &mut |started| {
                seen = Some(started.clone());
                Err(io::Error::other("disk full"))
            },
            on_line: None,
            filter: &str::to_owned,
            on_cancel: None,
        },
    );
    assert!(matches!(result, Err(RunError::NotNoted { .. })));
    assert!(!seen.expect("it was started").is_alive());
}

#[test]
fn stdin_is_given_or_empty_and_never_ours() {
    let sh = Sh::new("cat");
    let big = vec![b'i'; 300_000];
    let end = finished(&Command { stdin: Some(&big), keep: 300_000, ..sh.command() });
    assert_eq!(end.stdout.len(), 300_000);
    assert_eq!(finished(&sh.command()).stdout, "");
    let sh = Sh::new("exec true");
    assert_eq!(finished(&Command { stdin: Some(&big), ..sh.command() }).ended, Ended::Exited(0));
}

#[test]
fn lines_and_texts_are_filtered_and_control_sequences_are_gone() {
    let sh = Sh::new("printf '\\033[31mtoken hunter2\\033[0m\\n'; printf 'bad \\377 byte\\n' >&2; kill -9 $$");
    let mut lines = Vec::new();
    let end = run(
        &sh.command(),
        &mut Hooks {
            on_start: &mut |_| Ok(()),
            on_line: Some(&mut |_, line| lines.push(line.to_owned())),
            filter: &|text| text.replace("hunter2", "***"),
            on_cancel: None,
        },
    )
    .expect("it ends");
    lines.sort();
    assert_eq!(lines, ["bad \u{fffd} byte", "token ***"]);
    assert_eq!((end.stdout.as_str(), end.ended), ("token ***\n", Ended::Signalled(9)));
}

#[test]
fn nothing_but_the_given_environment_and_folder_is_seen() {
    let mut sh = Sh::new("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort; pwd");
    sh.env.insert("ONLY".into(), "this".into());
    let path = sh.env[&OsString::from("PATH")].to_string_lossy().into_owned();
    let end = finished(&Command { cwd: Some(Path::new("/")), ..sh.command() });
    assert_eq!(end.stdout, format!("ONLY=this\nPATH={path}\n/\n"));
}

#[test]
fn what_cannot_start_says_so_and_that_nothing_was_started() {
    let env = BTreeMap::from([(OsString::from("PATH"), OsString::from("/bin"))]);
    let start = |argv: &[&str], cwd: Option<&Path>| {
        let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
        let error = run_it(&Command { cwd, ..Command::new(&argv, &env) }).0.expect_err("it cannot start");
        assert!(error.nothing_was_started(), "{error}");
        error.to_string()
    };
    assert!(start(&["kubectl-of-nobody"], None).contains("`kubectl-of-nobody` was not found in PATH (/bin)"));
    assert!(start(&["sh"], Some(Path::new("/no/such"))).contains("/no/such: there is no such folder"));
    assert!(start(&[], None).contains("a command needs a tool"));
    assert!(start(&["sh", "a\0b"], None).contains("NUL"));
}
