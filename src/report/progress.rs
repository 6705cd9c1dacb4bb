use std::{fmt, str::FromStr};

/// How progress is shown: `--progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Progress {
    /// `tty` where stderr is a terminal that can do it, else `plain`.
    #[default]
    Auto,
    /// One line per transition, and a heartbeat.
    Plain,
    /// A live view at the end of the terminal.
    Tty,
    /// The journal's lines.
    Json,
    /// Nothing.
    Quiet,
}

const NAMES: [(&str, Progress); 5] = [
    ("auto", Progress::Auto),
    ("plain", Progress::Plain),
    ("tty", Progress::Tty),
    ("json", Progress::Json),
    ("quiet", Progress::Quiet),
];

impl Progress {
    /// All names, in the order in which help shows them.
    pub const NAMES: [&'static str; 5] = ["auto", "plain", "tty", "json", "quiet"];

    /// What `auto` means here. `terminal` says whether stderr is one; `env` answers environment variables. A live view needs
    /// a terminal: without one even `tty` is `plain`.
    #[must_use]
    pub fn choose(self, terminal: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| env(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false");
        match self {
            Self::Auto if terminal && !set("CI") && env("TERM").as_deref() != Some("dumb") => Self::Tty,
            Self::Tty if terminal => Self::Tty,
            Self::Auto | Self::Tty => Self::Plain,
            chosen => chosen,
        }
    }
}

impl FromStr for Progress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, progress)| *progress).ok_or_else(|| {
            let near = Self::NAMES
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)));
            let near = near.filter(|name| strsim::jaro_winkler(name, text) > 0.7);
            let hint = near.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
            format!("`{text}` is not a kind of progress: write {}{hint}", Self::NAMES.join(", "))
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(_, progress)| progress == self).map_or("auto", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_view_needs_a_terminal_that_can_do_it() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string())
        };
        assert_eq!(Progress::Auto.choose(true, env(&[])), Progress::Tty);
        assert_eq!(Progress::Auto.choose(true, env(&[("CI", "false")])), Progress::Tty);
        for (terminal, vars) in [(false, env(&[])), (true, env(&[("CI", "true")])), (true, env(&[("TERM", "dumb")]))] {
            assert_eq!(Progress::Auto.choose(terminal, vars), Progress::Plain);
        }
        assert_eq!(Progress::Tty.choose(false, env(&[])), Progress::Plain);
        assert_eq!(Progress::Json.choose(true, env(&[])), Progress::Json);
    }

    #[test]
    fn a_name_is_read_and_a_near_one_suggested() {
        for name in Progress::NAMES {
            assert_eq!(name.parse::<Progress>().unwrap().to_string(), name);
        }
        assert!("plan".parse::<Progress>().unwrap_err().contains("did you mean \"plain\"?"));
        assert!(!"xyz".parse::<Progress>().unwrap_err().contains("did you mean"));
    }
}
