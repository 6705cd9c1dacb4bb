//! The first Ctrl-C starts nothing new, the second ends the process at once; SIGTERM the same. A closed terminal asks for
//! the end as the first Ctrl-C does: nothing is lost, and the run can be resumed.

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level,
};

use super::say;
use crate::{event::Cancel, report::Suspend};

/// Turns signals into `cancel` from here on. `live` is the live view, which says it in its own lines; `people` is
/// whether people read stderr.
pub fn watch(cancel: Cancel, live: Option<Suspend>, people: bool) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    // its end is the process's
    let _ = std::thread::Builder::new().name("runbook-signals".into()).spawn(move || {
        for signal in signals.forever() {
            let (name, code) = match signal {
                SIGTERM => ("SIGTERM", 143),
                SIGHUP => ("SIGHUP", 130),
                _ => ("SIGINT", 130),
            };
            if cancel.is_cancelled() {
                if let Some(live) = &live {
                    live.leave();
                }
                if people {
                    say::tell(&format!("{name}: ended at once; `runbook runs` says how to go on"));
                }
                low_level::exit(code);
            }
            if signal != SIGHUP && people && live.is_none() {
                say::tell(&format!("{name}: nothing new is started; once more ends at once"));
            }
            cancel.cancel(name);
        }
    });
}

/// Takes Ctrl-C, SIGTERM and a closed terminal from here on; what it gives waits for one of them.
pub fn until_ended() -> impl FnOnce() {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]);
    move || match signals {
        Ok(mut signals) => drop(signals.forever().next()),
        // without them it ends as any process does
        Err(_) => loop {
            std::thread::park();
        },
    }
}
