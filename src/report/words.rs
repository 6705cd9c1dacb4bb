//! A line of the journal in words: one or a few short entries, the same for every view.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    follow::{Follow, between, brief, flaps},
    gate, trouble,
};
use crate::{
    event::{Event, Failure, Line, Message, Said, Staged, Undoing, VerifyResult},
    model::{
        Decision, Digest, GateCard, GateClass, Identity, Left, Plan, StepId, Target, UndoItem, UndoWay, Verdict,
        text::{count, cut, elapsed, one_line, value, visible},
    },
};

/// What sort of news an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Worth one line in a log; a terminal that shows the state anyway leaves it out.
    Detail,
    /// Something that everybody wants to see scroll by.
    News,
    /// Done.
    Good,
    /// Not made, as it exists already.
    Skipped,
    /// Something unexpected that stops nothing.
    Odd,
    /// It failed.
    Bad,
    /// A block that belongs to the entry before it.
    Block,
}

/// One entry: what it is about, and what of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub mark: Mark,
    /// A step's id, or `run`, `gate`, `phase` and the like.
    pub about: String,
    pub text: String,
}

pub(super) fn entry(mark: Mark, about: impl Into<String>, text: impl AsRef<str>) -> Entry {
    Entry { mark, about: one_line(&about.into()), text: one_line(text.as_ref()) }
}

pub(super) fn block(about: impl Into<String>, lines: Vec<String>) -> impl Iterator<Item = Entry> {
    let about = about.into();
    lines.into_iter().map(move |text| Entry { mark: Mark::Block, about: about.clone(), text })
}

fn discovered(name: &str, context: Option<&str>, found: &Value, failed: Option<&str>) -> Entry {
    let name = context.map_or_else(|| name.to_string(), |context| format!("{name} on {context}"));
    match failed {
        None => entry(Mark::Detail, "discover", format!("{name}: {}", value(found, 200))),
        Some(why) => entry(Mark::Odd, "discover", format!("{name}: not answered, the sample stands in: {why}")),
    }
}

/// The entries of a line. `before` is what was known before the line.
pub fn entries(before: &Follow, line: &Line, verbs: super::Verbs) -> Vec<Entry> {
    let Some(event) = &line.event else {
        let payload = line.unknown().map(|payload| value(&payload, 200)).unwrap_or_default();
        return vec![entry(Mark::Odd, "journal", format!("a line of kind `{}`, unknown here: {payload}", line.kind))];
    };
    let mut out: Vec<Entry> = trouble::went_on(before, event).into_iter().collect();
    out.extend(of_event(before, line, event, verbs));
    out
}

fn of_event(before: &Follow, line: &Line, event: &Event, verbs: super::Verbs) -> Vec<Entry> {
    match event {
        Event::Opened { run, playbook, title, target, .. } => opened(run.as_str(), playbook, title, target),
        Event::Discovered { name, context, value, failed, .. } => {
            vec![discovered(name, context.as_deref(), value, failed.as_deref())]
        }
        Event::Bound { identity, plan, digest, staged } => bound(identity.as_ref(), plan, digest, staged),
        Event::Probed { text, verdict, observations, .. } => {
            vec![probed(text, *verdict, &brief_of(*verdict, observations))]
        }
        Event::Preflight { findings, .. } => trouble::preflight(findings),
        Event::Resumed { skip, redo, ask, .. } => {
            let mut text = format!("goes on; {} done before", count(skip.len(), "step"));
            if !redo.is_empty() {
                let _ = write!(text, ", again: {}", ids(redo));
            }
            let mut out = vec![entry(Mark::News, "run", text)];
            out.extend(ask.iter().map(|ask| entry(Mark::News, "run", format!("to decide: {ask}"))));
            out
        }
        Event::GateOpened { card, digest } => asked(card, digest, verbs),
        Event::GateDecided { gate, decision, via, .. } => vec![decided(gate.as_str(), decision, via)],
        Event::Received { message } => vec![received(message)],
        Event::PhaseStarted { index, title } => {
            let phase = before.plan.as_ref().and_then(|plan| plan.phases.get(*index));
            let of = before.plan.as_ref().map(|plan| format!(" of {}", plan.phases.len())).unwrap_or_default();
            let goal = phase.and_then(|phase| phase.goal.as_ref()).map(|goal| format!(": {goal}")).unwrap_or_default();
            vec![entry(Mark::News, "phase", format!("{}{of} {title}{goal}", index + 1))]
        }
        Event::PhaseEnded { title, .. } => vec![entry(Mark::Detail, "phase", format!("{title} ends"))],
        Event::UndoStarted { what, to, steps, on_failure, reason, .. } => {
            let what = match what {
                Undoing::Changes => count(steps.len(), "step"),
                Undoing::Holds => count(steps.len(), "hold"),
            };
            let to = to.as_ref().map(|to| format!(", back to {to}")).unwrap_or_default();
            let why = if *on_failure { ", by itself, because of the failure" } else { "" };
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![entry(Mark::News, "undo", format!("takes back {what}{to}{why}{reason}"))]
        }
        Event::UndoEnded { complete } => {
            let text = if *complete { "all of it is taken back" } else { "not all of it is taken back" };
            vec![entry(if *complete { Mark::Good } else { Mark::Odd }, "undo", text)]
        }
        Event::OutcomeVerified { verifies } => {
            vec![entry(Mark::Good, "outcome", format!("verified{}", remarks(verifies)))]
        }
        Event::Failed { failure } => trouble::of_run(before, failure),
        Event::Evidence { about, sort, source, value } => trouble::evidence(about, sort, source, value),
        Event::ChildStarted { command, .. } => {
            vec![entry(Mark::Detail, "command", cut(&one_line(&command.join(" ")), 200))]
        }
        Event::ChildEnded { pid, status, stderr, .. } => {
            let command = before.children.get(pid).map_or("a command", String::as_str);
            // whether that is a failure, the step says
            let how = match status {
                0.. => format!(" ended with status {status}"),
                _ if stderr == Event::UNSEEN_END => format!(": {stderr}"),
                _ => format!(" was ended by signal {}", status.unsigned_abs()),
            };
            vec![entry(Mark::Detail, "command", format!("{}{how}", cut(command, 120)))]
        }
        Event::Noted { text, step, via } => {
            let during = step.as_ref().map(|step| format!(" (during {step})")).unwrap_or_default();
            vec![entry(Mark::Odd, via, format!("{text}{during}"))]
        }
        Event::Cancelled { reason } => {
            vec![entry(Mark::Odd, "run", format!("cancelled by {reason}: nothing new starts"))]
        }
        // the last words say so, and where the record is
        Event::Waiting { .. } | Event::Stopped { .. } | Event::Closed { .. } | Event::IncidentWritten { .. } => vec![],
        Event::StepSettled { .. }
        | Event::Waived { .. }
        | Event::Parked { .. }
        | Event::PlaybookChanged { .. }
        | Event::RouteAccepted { .. } => stated(event),
        Event::LockBroken { holder, reason } => {
            let (run, place) = (&holder.run, holder.place());
            vec![entry(Mark::Odd, "lock", format!("taken by force from run {run} ({place}): {reason}"))]
        }
        _ => of_step(before, line, event),
    }
}

/// What was said about the run while no process worked on it, and what goes on waiting then.
fn stated(event: &Event) -> Vec<Entry> {
    match event {
        Event::StepSettled { step, outcome, reason, .. } => {
            vec![entry(Mark::Odd, step.as_str(), format!("stated by hand as {}: {reason}", outcome.word()))]
        }
        Event::Waived { step, text, reason, .. } => {
            let about = step.as_ref().map_or("outcome", StepId::as_str);
            vec![entry(Mark::Odd, about, format!("verify \"{text}\" is waived: {reason}"))]
        }
        Event::Parked { step, text, until, held, .. } => {
            let about = step.as_ref().map_or("outcome", StepId::as_str);
            let word = if held.is_some() { "has to stay true" } else { "is waited for" };
            vec![entry(Mark::News, about, format!("\"{text}\" {word} without a process until {until:.0}"))]
        }
        Event::PlaybookChanged { bundle, digest, changes, .. } => {
            let text = format!("changed: bundle {}, plan {}", bundle.short(), digest.short());
            let mut out = vec![entry(Mark::Odd, "playbook", text)];
            out.extend(block("playbook", changes.iter().map(|change| format!("  {}", one_line(change))).collect()));
            out
        }
        Event::RouteAccepted { identity, reason, .. } => {
            let ca = identity.ca.as_ref().map(|ca| format!(", CA {}", ca.short())).unwrap_or_default();
            vec![entry(Mark::Odd, "route", format!("goes on by {}{ca}: {reason}", identity.server))]
        }
        _ => vec![],
    }
}

fn of_step(before: &Follow, line: &Line, event: &Event) -> Vec<Entry> {
    match event {
        Event::StepStarted { step, attempt } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            vec![entry(Mark::Detail, step.as_str(), format!("started{again}"))]
        }
        Event::StepSkipped { step, text, .. } => {
            vec![entry(Mark::Skipped, step.as_str(), format!("change skipped: {text}"))]
        }
        Event::StepBefore { step, verdicts } if verdicts.iter().any(|verdict| verdict.holds()) => {
            let held = verdicts.iter().filter(|verdict| verdict.holds()).count();
            let text = format!("{held} of {} held before the change: evidence of nothing", verifies(verdicts.len()));
            vec![entry(Mark::Detail, step.as_str(), text)]
        }
        Event::Effected { step, seq, results, error, .. } => {
            let native = before.running.as_ref().and_then(|running| running.sent.get(seq));
            let native = native.map_or("effect", String::as_str);
            vec![trouble::effected(step, native, results, error.as_deref())]
        }
        Event::RepairStarted { step, text } => vec![entry(Mark::News, step.as_str(), format!("repairs: {text}"))],
        Event::RepairEnded { step, failure } => {
            let text = failure.as_ref().map_or_else(
                || "repaired; its verifies run again".into(),
                |failure| format!("the repair did not come to its end: {}", failure.gist()),
            );
            vec![entry(if failure.is_some() { Mark::Odd } else { Mark::News }, step.as_str(), text)]
        }
        Event::UndoStepStarted { step, way, hold } => {
            let what = if *hold { "is given back" } else { "is taken back" };
            let how = match way {
                UndoWay::Closure => " by its .undo",
                UndoWay::ByHand(_) => " by hand",
                _ => "",
            };
            let mut out = vec![entry(Mark::Detail, step.as_str(), format!("{what}{how}"))];
            if let UndoWay::ByHand(text) = way {
                out.extend(block(step.as_str(), visible(text).lines().map(|line| format!("  {line}")).collect()));
            }
            out
        }
        Event::UndoStepEnded { step, items, verifies, left, failure, by_hand } => {
            back(step, items, verifies, left, failure.as_ref(), by_hand.as_deref())
        }
        Event::StepManual { step, instructions } => {
            let mut out = vec![entry(Mark::News, step.as_str(), "to do by hand:")];
            out.extend(block(step.as_str(), visible(instructions).lines().map(|line| format!("  {line}")).collect()));
            out
        }
        Event::StepDoneByHand { step, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![entry(Mark::News, step.as_str(), format!("done by hand{reason}"))]
        }
        Event::Observed { step, verify, text, verdict, observations, reason } => {
            let running = before.running.as_ref().filter(|running| step.as_ref() == Some(&running.step));
            let old = running.and_then(|running| running.seen.get(verify)).map(|seen| seen.verdict);
            if old == Some(*verdict) {
                return vec![];
            }
            let brief = brief(*verdict, observations, reason.as_deref());
            let brief = if brief.is_empty() { brief } else { format!(" ({brief})") };
            // what could not be seen did not turn false
            let flap = old == Some(Verdict::Holds) && *verdict != Verdict::Unknown;
            let (mark, flap) = if flap { (Mark::Odd, "flap: ") } else { (Mark::Detail, "") };
            let about = step.as_ref().map_or("outcome", StepId::as_str);
            vec![entry(mark, about, format!("{flap}{text}: {}{brief}", verdict.words()))]
        }
        Event::StepVerified { step, verifies } => {
            let started =
                before.running.as_ref().filter(|running| running.step == *step).map(|running| running.started);
            let took = started.map(|at| format!(" in {}", elapsed(between(at, line.t)))).unwrap_or_default();
            vec![entry(Mark::Good, step.as_str(), format!("verified{took}{}", remarks(verifies)))]
        }
        Event::StepFailed { step, failure } => trouble::failed(step.as_str(), failure),
        _ => vec![],
    }
}

fn opened(run: &str, playbook: &str, title: &str, target: &Target) -> Vec<Entry> {
    let tier = if target.tier == target.name { String::new() } else { format!(" (tier {})", target.tier) };
    let mut out =
        vec![entry(Mark::News, "run", format!("{run}: \"{title}\" from {playbook} on {}{tier}", target.name))];
    if target.sandbox {
        out.push(entry(Mark::News, "sandbox", "an in-memory Kubernetes API: no real cluster is touched"));
    }
    out
}

fn asked(card: &GateCard, digest: &Digest, verbs: super::Verbs) -> Vec<Entry> {
    if card.class == GateClass::Auto && card.all_hold() && !card.needs_acknowledgement() {
        return vec![entry(Mark::Detail, "gate", format!("{} (opens by itself: every verify holds)", card.question))];
    }
    let mut out = vec![entry(Mark::News, "gate", &card.question)];
    out.extend(block("gate", gate::card(card, digest, verbs)));
    out
}

fn bound(identity: Option<&Identity>, plan: &Plan, digest: &Digest, staged: &Staged) -> Vec<Entry> {
    let cluster = identity
        .map(|id| match id.version.as_str() {
            // a project or repository: no cluster
            "" => format!("{}; ", id.uid),
            version => format!("{} {version}, kube-system {}; ", id.server, id.uid),
        })
        .unwrap_or_default();
    let (steps, phases) = (count(plan.steps().count(), "step"), count(plan.phases.len(), "phase"));
    let mut out = vec![entry(Mark::Detail, "bound", format!("{cluster}plan {}: {steps} in {phases}", digest.short()))];
    out.extend(staging(staged));
    out
}

fn staging(staged: &Staged) -> Option<Entry> {
    match staged {
        Staged::NotRequired => None,
        Staged::By { run, context, at, differences, again } => {
            let differ = match differences.len() {
                0 => "nothing differs".into(),
                _ => format!("differs in {}", differences.join(", ")),
            };
            let soaked = if again.is_empty() { "" } else { "; its outcome still holds there" };
            Some(entry(
                Mark::News,
                "staging",
                format!("verified by run {run} on {context} at {at:.0}{soaked}; {differ}"),
            ))
        }
        Staged::Skipped { reason } => Some(entry(Mark::Odd, "staging", format!("skipped: {reason}"))),
    }
}

fn brief_of(verdict: Option<Verdict>, observations: &[crate::model::Observation]) -> String {
    verdict.map(|verdict| brief(verdict, observations, None)).unwrap_or_default()
}

fn probed(text: &str, verdict: Option<Verdict>, brief: &str) -> Entry {
    let Some(verdict) = verdict else {
        return entry(Mark::Detail, "assume", format!("{text}: no probe, taken as it is"));
    };
    if !verdict.holds() {
        // what is so instead is told by preflight, together with all else
        return entry(Mark::Odd, "assume", format!("{text}: {}", verdict.words()));
    }
    let why = if brief.is_empty() { String::new() } else { format!(" ({brief})") };
    entry(Mark::Detail, "assume", format!("{text}: {}{why}", verdict.words()))
}

fn decided(gate: &str, decision: &Decision, via: &str) -> Entry {
    let because = |reason: &Option<String>| reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    match decision {
        Decision::Go { reason } => {
            entry(Mark::Good, "gate", format!("go, through {via}, at {gate}{}", because(reason)))
        }
        Decision::NoGo { reason } => {
            entry(Mark::Bad, "gate", format!("no-go, through {via}, at {gate}{}", because(reason)))
        }
        Decision::NotNow => entry(Mark::Detail, "gate", format!("not decided here, at {gate}")),
    }
}

fn received(message: &Message) -> Entry {
    let words = |reason: &Option<String>| reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    match &message.said {
        Said::Approve { gate, reason, .. } => {
            entry(Mark::News, "message", format!("an approval of {gate}{}", words(reason)))
        }
        Said::Reject { gate, reason, .. } => {
            entry(Mark::News, "message", format!("a rejection of {gate}{}", words(reason)))
        }
        Said::Done { step, reason } => {
            entry(Mark::News, "message", format!("{step} was done by hand{}", words(reason)))
        }
        Said::Note { text, .. } => entry(Mark::Odd, "note", text),
    }
}

fn remarks(results: &[VerifyResult]) -> String {
    let mut text = String::new();
    match flaps(results) {
        0 => {}
        n => {
            let _ = write!(text, ", {} on the way", count(n as usize, "flap"));
        }
    }
    // a step is only verified with one that does not hold where that was waived
    let waived = results.iter().filter(|result| !result.verdict.holds()).count();
    if waived > 0 {
        let _ = write!(text, ", {waived} of {} waived", verifies(results.len()));
    }
    let before = results.iter().filter(|result| result.held_before).count();
    if before > 0 {
        let _ = write!(text, ", {before} of {} held before", verifies(results.len()));
    }
    text
}

/// A step that was taken back: what went back, what stays.
fn back(
    step: &StepId,
    items: &[UndoItem],
    verifies: &[VerifyResult],
    left: &[Left],
    failure: Option<&Failure>,
    by_hand: Option<&str>,
) -> Vec<Entry> {
    let about = step.as_str();
    let changes = items.iter().flat_map(|item| item.back.iter().map(move |words| format!("{} {words}", item.what)));
    let mut out: Vec<Entry> = changes.map(|text| entry(Mark::Detail, about, text)).collect();
    out.extend(left.iter().map(|left| entry(Mark::Odd, about, format!("stays: {left}"))));
    if let Some(failure) = failure {
        out.extend(trouble::failed(about, failure));
    } else if left.is_empty() {
        let seen = verifies.iter().filter(|verify| verify.verdict.holds()).count();
        let seen = if seen > 0 { format!(", {seen} verified") } else { String::new() };
        let hand = by_hand.map(|words| format!(" by hand: {words}")).unwrap_or_default();
        out.push(entry(Mark::Good, about, format!("taken back{hand}{seen}")));
    }
    out
}

fn verifies(n: usize) -> String {
    if n == 1 { "1 verify".into() } else { format!("{n} verifies") }
}

fn ids(ids: &[StepId]) -> String {
    ids.iter().map(StepId::as_str).collect::<Vec<_>>().join(", ")
}

/// Where a value may be anything that a script computed.
pub fn shown(shown: &Value) -> String {
    value(shown, 400)
}
