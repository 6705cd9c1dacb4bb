//! What runs would stand on, for people: a line for each thing, what to do below it.

use std::fmt::Write as _;

use crate::model::{Checkup, Diagnosis, Health, text::one_line};

/// The diagnosis as text.
pub fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut out = String::from("this machine\n");
    let all = || diagnosis.contexts.iter().flat_map(|context| &context.checkups).chain(&diagnosis.machine);
    let width = all().map(|checkup| checkup.name.chars().count()).max().unwrap_or_default();
    lines(&diagnosis.machine, width, &mut out);
    for context in &diagnosis.contexts {
        let _ = write!(out, "\ncontext {}\n", one_line(&context.name));
        lines(&context.checkups, width, &mut out);
    }
    let count = |health: Health| all().filter(|checkup| checkup.health == health).count();
    let _ = match (count(Health::Failed), count(Health::Warning)) {
        (0, 0) => writeln!(out, "\nnothing stands in the way of a run"),
        (0, warnings) => writeln!(out, "\nnothing stands in the way of a run; {warnings} to look at"),
        (failed, warnings) => writeln!(out, "\n{failed} in the way of a run; {warnings} more to look at"),
    };
    out
}

fn lines(checkups: &[Checkup], width: usize, out: &mut String) {
    for checkup in checkups {
        let mark = match checkup.health {
            Health::Ok => "ok",
            Health::Absent => "-",
            Health::Warning => "look",
            Health::Failed => "FAIL",
        };
        let _ = writeln!(out, "  {mark:<5}{:<width$}  {}", one_line(&checkup.name), one_line(&checkup.text));
        for help in &checkup.help {
            let _ = writeln!(out, "       {:<width$}  help: {}", "", one_line(help));
        }
    }
}
