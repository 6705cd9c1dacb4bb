//! How a command that failed is told: its status, and enough of what it printed last to understand it.

use crate::model::text::cut;

/// So many lines are told,
const LINES: usize = 12;
/// each of at most so many characters.
const LONG: usize = 400;

/// `` `flux diff ks apps` ended with status 1: … ``: the last lines of its stderr, or of its stdout where it said nothing there.
/// Several lines stand below the first one.
pub(super) fn ended(command: &str, status: i32, stdout: &str, stderr: &str) -> String {
    let how = match status {
        ..0 => format!("was ended by signal {}", status.unsigned_abs()),
        _ => format!("ended with status {status}"),
    };
    let spoken = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).map(tidy).collect::<Vec<_>>();
    let (lines, whence) = match (spoken(stderr), spoken(stdout)) {
        (lines, _) if !lines.is_empty() => (lines, ""),
        (_, lines) => (lines, " on stdout"),
    };
    match &lines[..] {
        [] => format!("`{command}` {how}: it printed nothing"),
        [line] => format!("`{command}` {how}: {}", line.trim_start()),
        lines => {
            let before = lines.len().saturating_sub(LINES);
            let more = if before > 0 { format!("\n  ({before} lines before)") } else { String::new() };
            let told = lines[before..].join("\n  ");
            format!("`{command}` {how} and said{whence}:{more}\n  {told}")
        }
    }
}

fn tidy(line: &str) -> String {
    cut(line.trim_end(), LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_stands_behind_the_status_and_several_below_it() {
        assert_eq!(ended("a b", 1, "out", "\nno space\n"), "`a b` ended with status 1: no space");
        assert_eq!(ended("a", 2, "", "one\n\n  two\n"), "`a` ended with status 2 and said:\n  one\n    two");
        assert_eq!(ended("a", 2, "so\nit is\n", " \n"), "`a` ended with status 2 and said on stdout:\n  so\n  it is");
        assert_eq!(ended("a", -9, "", ""), "`a` was ended by signal 9: it printed nothing");
    }

    #[test]
    fn what_is_long_is_cut_and_its_end_is_kept() {
        let mut said: Vec<String> = (1..=100).map(|n| format!("line {n}")).collect();
        said.push("x".repeat(5000));
        let said = said.join("\n");
        let told = ended("a", 1, "", &said);
        assert!(told.starts_with("`a` ended with status 1 and said:\n  (89 lines before)\n  line 90\n"), "{told}");
        assert!(told.lines().count() == LINES + 2 && told.ends_with("x… (5000 characters)"), "{told}");
    }
}
