//! A server in front of the real one that cuts, delays, doubles and forgets answers, at each request of a run; and a real one
//! that goes away in the middle of a step.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use runbook::{
    event::{Closed, Life},
    journal::OsDisk,
    model::ExitCode,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    apiserver::{self, Cluster},
    badserver::{BadServer, Does},
    matrix::Matrix,
    play::Play,
    story::{Desk, each},
};

/// What is done to one request.
fn deeds() -> [(&'static str, Does); 6] {
    [
        ("cut after 30 bytes", Does::Cuts(30)),
        ("not done", Does::HangsUp),
        ("done twice", Does::Twice),
        ("late", Does::Late(Duration::from_millis(250))),
        ("done and not answered", Does::ActsAndHangsUp),
        ("without a body", Does::Cuts(0)),
    ]
}

fn front(server: &Cluster) -> BadServer {
    BadServer::before(server.url(), server.client().http())
}

#[test]
fn answers_that_are_cut_late_doubled_or_lost_come_to_the_same_end() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let matrix = Matrix::new(Some(server), || Play::objects(server));
    let calm = front(server);
    let desk = matrix.desk().through(&calm.url());
    assert_eq!(desk.start_here(Arc::new(OsDisk)).exit, ExitCode::Done);
    let (requests, writes) = (calm.asked().len(), calm.count("PATCH"));
    // every request one of them, every write three, the one that deletes all
    let all = (0..requests).map(|n| ("", n, n % 6));
    let writing = (0..writes).flat_map(|n| (0..3).map(move |deed| ("PATCH", n, (2 * deed + n) % 6)));
    let deleting = (0..6).map(|deed| ("DELETE", 0, deed));
    let cases: Vec<_> = all.chain(writing).chain(deleting).collect();
    let ends: Mutex<BTreeMap<(&str, u8), usize>> = Mutex::default();
    each(&cases, |&(method, n, deed)| {
        let (words, does) = deeds()[deed].clone();
        let front = front(server);
        let desk = matrix.desk().through(&front.url());
        front.nth(n, method, does);
        let ended = desk.start_here(Arc::new(OsDisk));
        front.heals();
        let asked = front.asked();
        let asked: Vec<_> = asked.iter().filter(|asked| asked.starts_with(method)).collect();
        let case = format!("{method} {n} ({:?}) {words}: {} {}", asked.get(n), ended.exit.code(), ended.message);
        *ends.lock().unwrap().entry((words, ended.exit.code())).or_default() += 1;
        let left = desk.lines();
        let desk = match (&ended.exit, desk.state().life) {
            (ExitCode::Done, _) => desk,
            // nothing had changed: it is started again
            (ExitCode::PreflightFailed, Life::Running | Life::Closed(Closed::Abandoned)) => {
                assert!(left.iter().all(|line| line.kind != "effect"), "{case}");
                let again = Desk::new(desk.play().clone()).through(&front.url());
                assert_eq!(again.start_here(Arc::new(OsDisk)).exit, ExitCode::Done, "{case}");
                again
            }
            (ExitCode::Unknown, Life::Stopped) => {
                assert!(["PATCH", "DELETE"].contains(&method) || asked[n].starts_with(['P', 'D']), "{case}");
                desk
            }
            (_, life) => panic!("{life:?}: {case}: {ended:?}"),
        };
        matrix.goes_on(&desk, &left[..left.len() * usize::from(ended.exit != ExitCode::PreflightFailed)], &case);
    });
    println!("{requests} requests, {writes} of them writes; what runs came to: {:?}", ends.into_inner().unwrap());
    matrix.counts.say("answers of a real API server that are cut, late, doubled or lost");
}

#[test]
fn a_process_that_is_killed_while_its_request_is_on_its_way_comes_to_the_same_end() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let matrix = Matrix::new(Some(server), || Play::objects(server));
    let calm = front(server);
    assert_eq!(matrix.desk().through(&calm.url()).start_here(Arc::new(OsDisk)).exit, ExitCode::Done);
    let patches = (0..calm.count("PATCH")).map(|n| ("PATCH", n));
    let cases: Vec<_> =
        patches.chain([("DELETE", 0)]).flat_map(|(method, n)| [(method, n, true), (method, n, false)]).collect();
    each(&cases, |&(method, n, first)| {
        let front = front(server);
        let desk = matrix.desk().through(&front.url());
        let pid = Arc::new(AtomicUsize::new(0));
        let known = pid.clone();
        let kill = Arc::new(move || {
            let pid = i32::try_from(known.load(Ordering::SeqCst)).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        });
        // the request reaches the server although who sent it is gone, or is answered to nobody
        front.nth(n, method, if first { Does::First(kill) } else { Does::Last(kill) });
        let mut process = desk.begin();
        pid.store(usize::try_from(process.id()).unwrap(), Ordering::SeqCst);
        assert!(!process.wait().unwrap().success());
        matrix.counts.kills.fetch_add(1, Ordering::SeqCst);
        let left = desk.lines();
        assert!(!desk.state().is_closed());
        matrix.goes_on(&desk, &left, &format!("{method} {n}, before it is done: {first}"));
    });
    matrix.counts.say("killed while a request is on its way");
}

#[test]
fn an_api_server_that_is_killed_in_the_middle_of_a_step_and_comes_back_is_waited_for_or_gone_on_with() {
    let Some(server) = Cluster::start("staging") else { return };
    let play = || {
        let mut play = Play::objects(&server);
        play.playbook = Play::named("cluster/many.rhai").playbook;
        play
    };
    let matrix = Matrix::new(Some(&server), play);
    for (after, back) in [(3, Duration::ZERO), (8, Duration::from_secs(1))] {
        let desk = matrix.desk();
        let ended = std::thread::scope(|scope| {
            let run = scope.spawn(|| desk.start_here(Arc::new(OsDisk)));
            let sent = || desk.lines().iter().filter(|line| line.kind == "effect").count() >= after;
            let begun = || desk.folder().join("state/runs").is_dir() && sent();
            apiserver::eventually(Duration::from_mins(1), || begun().then_some(())).unwrap();
            server.stop_api();
            std::thread::sleep(back);
            server.start_api();
            run.join().unwrap()
        });
        let left = desk.lines();
        println!("killed after {after} effects: exit {}, {}", ended.exit.code(), ended.message);
        assert!([ExitCode::Done, ExitCode::Unknown].contains(&ended.exit), "{ended:?}");
        matrix.goes_on(&desk, &left, "the API server was killed");
    }
    matrix.counts.say("an API server that is killed and comes back");
}
