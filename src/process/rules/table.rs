//! A tool's subcommands as a table, and how arguments are looked up in it.

use super::{
    Class, Kind, Reach, Refused,
    flags::{in_group, is_flag, is_remote, long_name, nearest, own, values},
    secrets,
};

/// What a subcommand is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    Read,
    /// Can say beforehand what it would change, with this flag.
    Dry(&'static str),
    Change,
    /// May not run; the text says what to use.
    Refused(&'static str),
}

impl Rule {
    /// What it may do, where it may run at all.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Read => Some(Kind::Read),
            Self::Dry(_) => Some(Kind::DryRunnable),
            Self::Change => Some(Kind::Change),
            Self::Refused(_) => None,
        }
    }
}

/// Words of a subcommand, `a|b` where a word has other names, and what it is.
pub(super) type Row = (&'static str, Rule);

pub(super) struct Tool {
    pub name: &'static str,
    pub rows: &'static [Row],
    pub reach: Reach,
    /// Flags with a value that may stand before the subcommand.
    pub values: &'static [&'static str],
    /// Flags without a value that may stand before the subcommand.
    pub switches: &'static [&'static str],
    /// Long flags that choose the cluster or who is asking: not for a script.
    pub kept: &'static [&'static str],
    /// The same as one letter, where the tool has it.
    pub kept_short: Option<char>,
    /// Letters of flags without a value for a subcommand; others take the rest of the argument as theirs.
    pub letters: fn(&str) -> &'static str,
    /// Whether the tool takes the beginning of a long flag for the flag.
    pub abbreviates: bool,
    /// Flags whose values are files.
    pub files: &'static [(&'static str, Option<char>)],
    pub context_flag: Option<&'static str>,
    pub always: &'static [&'static str],
    /// What the table cannot say; may change the class.
    pub check: fn(&mut Found<'_>) -> Result<(), Refused>,
}

/// A subcommand that was found in the table.
pub(super) struct Found<'a> {
    pub tool: &'static Tool,
    pub rule: Rule,
    /// Its words, by their names in the table's rows.
    pub subcommand: String,
    /// What follows the subcommand, up to `--`.
    pub args: &'a [String],
    /// What follows `--`.
    pub inner: Option<&'a [String]>,
    words_end: usize,
    pub files: Vec<String>,
    pub charts: Vec<String>,
    pub writes: bool,
    pub nodes: Vec<String>,
    pub reads_stdin: bool,
}

impl Found<'_> {
    /// Whether one of these flags is given, with or without a value.
    pub fn has(&self, names: &[&str]) -> bool {
        self.args
            .iter()
            .any(|arg| names.iter().any(|name| arg == name || (name.starts_with("--") && long_name(arg) == Some(name))))
    }

    /// The values that are given to one flag.
    pub fn values(&self, long: &str, short: Option<char>) -> Vec<&str> {
        values(self.args, long, short, (self.tool.letters)(&self.subcommand))
    }

    pub fn refused(&self, why: &str) -> Refused {
        Refused::new(format!("`{} {}` is refused: {why}", self.tool.name, self.subcommand))
    }
}

/// Flags whose values are nodes or endpoints.
const NODES: &[(&str, Option<char>)] = &[
    ("--nodes", Some('n')),
    ("--endpoints", Some('e')),
    ("--control-plane-nodes", None),
    ("--worker-nodes", None),
    ("--init-node", None),
];

impl Tool {
    pub fn classify(&'static self, argv: &[String]) -> Result<Class, Refused> {
        let mut found = self.find(argv)?;
        self.refuse_kept(argv, &found.subcommand)?;
        self.collect_files(&mut found)?;
        if self.reach == Reach::Talosconfig {
            let letters = (self.letters)(&found.subcommand);
            let given = NODES.iter().flat_map(|(long, short)| values(&argv[1..], long, *short, letters));
            found.nodes = given.flat_map(|value| value.split(',')).map(ToOwned::to_owned).collect();
        }
        (self.check)(&mut found)?;
        let (kind, dry_run) = match found.rule {
            Rule::Read => (Kind::Read, None),
            Rule::Dry(flag) => {
                (if asks_for_dry_run(&found, flag)? { Kind::Read } else { Kind::DryRunnable }, Some(flag))
            }
            Rule::Change => (Kind::Change, None),
            Rule::Refused(why) => return Err(found.refused(why)),
        };
        Ok(Class {
            kind,
            secret: secrets::prints(self.name, &found.subcommand, found.args),
            tool: self.name.to_owned(),
            held_to_context: true,
            reach: self.reach,
            context_flag: self.context_flag,
            always: self.always,
            dry_run,
            words_end: found.words_end,
            subcommand: found.subcommand,
            files: found.files,
            charts: found.charts,
            writes: found.writes,
            nodes: found.nodes,
            reads_stdin: found.reads_stdin,
        })
    }

    /// Follows the words of the subcommand through the table.
    fn find<'a>(&'static self, argv: &'a [String]) -> Result<Found<'a>, Refused> {
        let mut alive: Vec<(Vec<&str>, Rule)> =
            self.rows.iter().map(|(words, rule)| (words.split(' ').collect(), *rule)).collect();
        let mut words: Vec<&str> = Vec::new();
        let mut words_end = 1;
        let mut index = 1;
        while let Some(arg) = argv.get(index) {
            let depth = words.len();
            let has_more = alive.iter().any(|(row, _)| row.len() > depth);
            let complete = alive.iter().any(|(row, _)| row.len() == depth);
            if !has_more || arg == "--" {
                break;
            }
            if is_flag(arg) {
                match self.width_of(arg) {
                    Some(width) => index += width,
                    None if complete => break,
                    None => return Err(self.flag_first(arg)),
                }
                continue;
            }
            let next: Vec<_> =
                alive.iter().filter(|(row, _)| row.get(depth).is_some_and(|w| is_one_of(w, arg))).cloned().collect();
            if next.is_empty() {
                return Err(self.unknown(&words, arg, &alive));
            }
            words.push(arg);
            alive = next;
            index += 1;
            words_end = index;
        }
        let depth = words.len();
        let Some((_, rule)) = alive.iter().find(|(row, _)| row.len() == depth) else {
            return Err(self.unknown(&words, "", &alive));
        };
        // A deeper subcommand may hide behind a flag whose width is not known here.
        if let Some(deeper) = argv[words_end..]
            .iter()
            .find(|arg| alive.iter().any(|(row, _)| row.get(depth).is_some_and(|word| is_one_of(word, arg))))
        {
            return Err(Refused::new(format!(
                "`{deeper}` in `{}` may be a subcommand of `{} {}`",
                argv.join(" "),
                self.name,
                words.join(" ")
            ))
            .help(format!(
                "write `{} {} {deeper}` first and its flags after it",
                self.name,
                words.join(" ")
            )));
        }
        let rest = &argv[words_end..];
        let subcommand = words.join(" ");
        let letters = (self.letters)(&subcommand);
        let args = own(rest, |flag| self.is_switch(flag, letters));
        let inner = (args.len() < rest.len()).then(|| &rest[args.len() + 1..]);
        Ok(Found {
            tool: self,
            rule: *rule,
            args,
            inner,
            words_end,
            subcommand,
            files: Vec::new(),
            charts: Vec::new(),
            writes: false,
            nodes: Vec::new(),
            reads_stdin: false,
        })
    }

    /// How many arguments a flag before the subcommand takes up; nothing when it is not known.
    fn width_of(&self, arg: &str) -> Option<usize> {
        let (name, attached) = match long_name(arg) {
            Some(name) => (name, name.len() < arg.len()),
            None => (arg.get(..2)?, arg.len() > 2),
        };
        if self.switches.contains(&arg) {
            return Some(1);
        }
        if self.values.contains(&name) || self.is_kept(name) {
            return Some(if attached { 1 } else { 2 });
        }
        None
    }

    fn is_switch(&self, flag: &str, letters: &str) -> bool {
        self.switches.contains(&flag)
            || flag.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| letters.contains(c)))
    }

    fn is_kept(&self, name: &str) -> bool {
        let name = name.replace('_', "-");
        self.kept.iter().any(|kept| *kept == name || (self.abbreviates && name.len() > 2 && kept.starts_with(&name)))
    }

    /// Refuses the flags that choose the cluster or who is asking, in every way to write them.
    fn refuse_kept(&self, argv: &[String], subcommand: &str) -> Result<(), Refused> {
        let letters = (self.letters)(subcommand);
        let own = own(&argv[1..], |flag| self.is_switch(flag, letters));
        // what is meant for a command in a container is not this tool's
        let rest = if INNER.contains(&subcommand) { &[] } else { &argv[1 + own.len()..] };
        for arg in own.iter().chain(rest) {
            let given = match long_name(arg) {
                Some(name) => self.is_kept(name).then(|| name.to_owned()),
                None => self
                    .kept_short
                    .filter(|kept| in_group(arg, *kept, letters).is_some())
                    .map(|kept| format!("-{kept}")),
            };
            if let Some(flag) = given {
                return Err(Refused::new(format!(
                    "`{flag}` may not be given to {}: it would choose another cluster, or who is asking",
                    self.name
                ))
                .help("leave it out: the context given with --context is used")
                .help("a change on another context is another run: runbook run PLAYBOOK --context OTHER"));
            }
        }
        Ok(())
    }

    fn collect_files(&self, found: &mut Found<'_>) -> Result<(), Refused> {
        let letters = (self.letters)(&found.subcommand);
        for (long, short) in self.files {
            // The letter may be a switch of this subcommand: `logs -f`.
            let short = short.filter(|short| !letters.contains(*short));
            let given = values(found.args, long, short, letters);
            // a patch may stand there itself
            let patch = matches!(*long, "--patch" | "--config-patch");
            let given = given.into_iter().filter(|value| !patch || value.starts_with('@'));
            for value in given.flat_map(|value| value.split(',')) {
                let file =
                    if *long == "--from-file" { value.split_once('=').map_or(value, |(_, file)| file) } else { value };
                if is_remote(file) {
                    return Err(Refused::new(format!(
                        "`{file}` would be fetched while the playbook runs, so nobody could have seen what it holds"
                    ))
                    .help("put the file beside the playbook and name it by its path there"));
                }
                if file == "-" {
                    found.reads_stdin = true;
                } else {
                    found.files.push(file.to_owned());
                }
            }
        }
        Ok(())
    }

    fn flag_first(&self, flag: &str) -> Refused {
        Refused::new(format!("`{flag}` stands before the subcommand of {}, where it is not known", self.name))
            .help(format!("write the subcommand first: {} SUBCOMMAND {flag}", self.name))
    }

    fn unknown(&self, words: &[&str], arg: &str, alive: &[(Vec<&str>, Rule)]) -> Refused {
        let group = [&[self.name], words].concat().join(" ");
        let mut known: Vec<&str> =
            alive.iter().filter_map(|(row, _)| row.get(words.len())).flat_map(|word| word.split('|')).collect();
        known.sort_unstable();
        known.dedup();
        let list = format!("{group} has: {}", known.join(", "));
        if arg.is_empty() {
            return Refused::new(format!("`{group}` needs a subcommand")).help(list);
        }
        let refused =
            Refused::new(format!("no rule knows `{group} {arg}`: plugins and unknown subcommands are refused"));
        match nearest(arg, known.iter().copied()) {
            Some(near) => refused.help(format!("did you mean `{group} {near}`?")),
            None => refused.help(list),
        }
    }
}

fn is_one_of(word: &str, arg: &str) -> bool {
    word.split('|').any(|name| name == arg)
}

/// Subcommands that take a command for a container after `--`.
const INNER: &[&str] =
    &["exec", "run", "create job", "create cronjob", "create cj", "create deployment", "create deploy"];

/// Whether the script asked for the dry run itself; any other form of the flag is refused.
fn asks_for_dry_run(found: &Found<'_>, flag: &'static str) -> Result<bool, Refused> {
    let name = long_name(flag).unwrap_or(flag);
    let mut asked = false;
    for arg in found.args {
        let same = long_name(arg).map(|given| given.replace('_', "-")).is_some_and(|given| given == name);
        if !same {
            continue;
        }
        let given = arg.split_once('=').map(|(_, value)| value);
        let wanted = flag.split_once('=').map(|(_, value)| value);
        if given == wanted || (wanted.is_none() && given == Some("true")) {
            asked = true;
        } else {
            return Err(Refused::new(format!(
                "`{arg}` of `{} {}` does not do what a rehearsal needs",
                found.tool.name, found.subcommand
            ))
            .help(format!("write {flag} for a dry run, or leave it out")));
        }
    }
    Ok(asked)
}
