use indicatif::InMemoryTerm;

use super::*;
use crate::{
    model::{StepId, Verdict},
    report::fixture::{self, Story},
};

fn view(columns: u16) -> (Terminal, InMemoryTerm) {
    let term = InMemoryTerm::new(120, columns);
    (Terminal::new(Box::new(term.clone()), false, Verbs::ALL), term)
}

/// The story up to the moment at which the failing step waits for its verify.
fn waiting_for_a_verify() -> Story {
    let mut story = fixture::failed();
    let failed = story.lines.iter().position(|line| line.kind == "step.failed").unwrap();
    story.lines.truncate(failed);
    story
}

fn after(story: &Story, seconds: i64) -> Timestamp {
    story.lines.last().unwrap().t + jiff::SignedDuration::from_secs(seconds)
}

#[test]
fn the_screen_shows_progress_the_running_step_and_what_its_verify_saw() {
    for columns in [40, 80, 200] {
        let ((mut view, term), story) = (view(columns), waiting_for_a_verify());
        story.lines.iter().for_each(|line| view.line(line));
        view.tick(after(&story, 12));
        let text = term.contents();
        let rollout = text.find("· staging  phase  2 of 2").unwrap();
        insta::assert_snapshot!(format!("live_{columns}"), &text[rollout..]);
        let live = term.contents().lines().rev().take(3).map(str::to_string).collect::<Vec<_>>();
        assert!(live.iter().all(|line| console::measure_text_width(line) < usize::from(columns)), "{live:?}");
    }
}

#[test]
fn nothing_live_is_left_when_the_run_has_ended() {
    for columns in [40, 80, 200] {
        let (mut view, term) = view(columns);
        fixture::failed().lines.iter().for_each(|line| view.line(line));
        view.end();
        let text = term.contents();
        let rollout = text.find("· staging  phase  2 of 2").unwrap();
        insta::assert_snapshot!(format!("ended_{columns}"), &text[rollout..]);
    }
}

#[test]
fn a_finished_step_is_one_line_however_often_it_is_drawn() {
    let (term, story) = (InMemoryTerm::new(200, 80), fixture::failed());
    let mut view = Terminal::new(Box::new(term.clone()), false, Verbs::ALL);
    for line in &story.lines {
        view.line(line);
        (0..3).for_each(|n| view.tick(line.t + jiff::SignedDuration::from_millis(n)));
    }
    view.end();
    let text = term.contents();
    for step in ["✓ staging  rollout/deploy-grafana", "↷ staging  …/create-namespace"] {
        assert_eq!(text.matches(step).count(), 1, "{step}\n{text}");
    }
    assert!(!text.contains("▸") && !text.contains("[3/4]"), "{text}");
}

#[test]
fn many_verifies_take_eight_lines_and_those_that_do_not_hold_stay() {
    let ((mut view, term), mut story) = (view(80), waiting_for_a_verify());
    let step = StepId::of("Rollout", "Publish the route");
    for verify in 0..20 {
        let verdict = if verify == 17 { Verdict::DoesNotHold } else { Verdict::Holds };
        story.then(
            1,
            Event::Observed {
                step: Some(step.clone()),
                verify,
                text: format!("verify {verify}"),
                verdict,
                observations: vec![],
                reason: None,
            },
        );
    }
    story.lines.iter().for_each(|line| view.line(line));
    let text = term.contents();
    let live: Vec<&str> = text.lines().skip_while(|line| !line.contains('▸')).skip(1).collect();
    assert!(live.len() == 8 && live[0].contains("verify 17") && live[7].contains("13 more"), "{text}");
}

#[test]
fn a_prompt_has_the_terminal_to_itself() {
    let ((mut view, term), story) = (view(80), waiting_for_a_verify());
    let (last, lines) = story.lines.split_last().unwrap();
    for line in lines {
        view.line(line);
    }
    assert!(term.contents().contains('▸'));
    let seen = view.suspender().suspend(|| {
        let before = term.contents();
        view.line(last);
        view.tick(last.t);
        assert_eq!(term.contents(), before, "nothing is drawn while a prompt is open");
        term.write_str("go? ").unwrap();
        term.write_line("yes").unwrap();
        before
    });
    assert!(!seen.contains('▸'), "{seen}");
    let text = term.contents();
    let (prompt, live) = (text.find("go? yes").unwrap(), text.find('▸').unwrap());
    assert!(prompt < live, "{text}");
}

#[test]
fn a_cancel_is_seen_at_once() {
    let ((mut view, term), story) = (view(80), waiting_for_a_verify());
    let cancel = Cancel::new();
    view.attach(&cancel);
    story.lines.iter().for_each(|line| view.line(line));
    cancel.cancel("SIGINT");
    assert!(term.contents().contains("cancelled, comes to an end"), "{}", term.contents());
}

#[test]
fn colours_follow_what_the_environment_says() {
    let env = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string())
    };
    assert!(colors(true, env(&[])) && !colors(false, env(&[])));
    assert!(!colors(true, env(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")])));
    assert!(colors(false, env(&[("CLICOLOR_FORCE", "1")])) && colors(true, env(&[("NO_COLOR", "")])));
    assert!(!colors(true, env(&[("CLICOLOR", "0")])) && !colors(true, env(&[("TERM", "dumb")])));
}

#[test]
fn colours_add_nothing_that_words_do_not_say() {
    let story = fixture::failed();
    let shown = |colors| {
        let term = InMemoryTerm::new(100, 80);
        let mut view = Terminal::new(Box::new(term.clone()), colors, Verbs::ALL);
        story.lines.iter().for_each(|line| view.line(line));
        view.end();
        (term.contents(), String::from_utf8(term.contents_formatted()).unwrap())
    };
    let ((plain, bare), (same, coloured)) = (shown(false), shown(true));
    assert_eq!(plain, same);
    assert!(coloured.contains("\u{1b}[31") && !bare.contains("\u{1b}[31"), "{bare}");
}

/// A terminal whose width changes and that keeps all that was written.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<(u16, String)>>);

impl TermLike for Tape {
    fn width(&self) -> u16 {
        self.0.lock().unwrap().0
    }

    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().1.push_str(text);
        Ok(())
    }

    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(text)
    }

    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_narrower_terminal_wrapped_is_taken_away_whole() {
    let tape = Tape::default();
    tape.0.lock().unwrap().0 = 100;
    let mut region = Region::default();
    region.draw(&tape, &[], &["x".repeat(90), "y".repeat(10)]).unwrap();
    *tape.0.lock().unwrap() = (40, String::new());
    region.draw(&tape, &[], &["z".into()]).unwrap();
    // 90 columns are three rows of 40, 10 are one
    assert_eq!(tape.0.lock().unwrap().1, "\r\u{1b}[4A\u{1b}[Jz\r\n");
}

#[test]
fn the_title_carries_the_context_and_is_put_back() {
    let tape = Tape::default();
    tape.0.lock().unwrap().0 = 80;
    let mut view = Terminal::new(Box::new(tape.clone()), false, Verbs::ALL);
    fixture::done().lines.iter().for_each(|line| view.line(line));
    view.end();
    let text = tape.0.lock().unwrap().1.clone();
    assert!(text.contains("\u{1b}]2;staging: Deploy Grafana [3/4]\u{7}"), "{text:?}");
    assert!(text.starts_with("\u{1b}[22;0t") && text.ends_with("\u{1b}[23;0t"), "{text:?}");
}

#[test]
fn an_attack_by_text_reaches_the_terminal_as_text() {
    let tape = Tape::default();
    tape.0.lock().unwrap().0 = 80;
    let mut view = Terminal::new(Box::new(tape.clone()), false, Verbs::ALL);
    let mut story = fixture::waiting();
    let nasty = "\u{1b}]0;main\u{7}\u{1b}[2J\u{9b}31m";
    if let Some(Event::Opened { title, target, .. }) = &mut story.lines[0].event {
        *title = nasty.into();
        target.name = nasty.into();
    }
    story.then(1, Event::Noted { text: nasty.into(), step: None, via: "note".into() });
    story.lines.iter().for_each(|line| view.line(line));
    let text = tape.0.lock().unwrap().1.clone();
    assert!(!text.contains("\u{1b}]0;") && !text.contains("\u{1b}[2J") && !text.contains('\u{9b}'), "{text:?}");
}

#[test]
fn words_are_not_broken_and_a_command_stays_on_its_line() {
    assert_eq!(look::wrap("one two three", 4, 2, 12), ["one two", "  three"]);
    assert_eq!(look::wrap("incidents/a-long-path", 20, 2, 24), ["", "  incidents/a-long-path"]);
    assert_eq!(look::wrap("runbook resume deploy-app-7f3a2c", 4, 2, 12), ["runbook resume deploy-app-7f3a2c"]);
    assert_eq!(look::wrap("", 4, 2, 3), [""]);
}

#[test]
fn leaving_at_once_takes_the_live_lines_away_and_gives_the_title_back() {
    let ((mut view, term), story) = (view(80), waiting_for_a_verify());
    story.lines.iter().for_each(|line| view.line(line));
    view.tick(after(&story, 12));
    assert!(term.contents().contains("▸ rollout/publish-the-route"));
    view.suspender().leave();
    view.tick(after(&story, 13));
    assert!(!term.contents().contains('▸'), "{}", term.contents());
    assert!(!lock(&view.screen).titled);
}
