//! git, on the repository it runs in. What it configures can run programs, so configuration is read, never given.

use super::{
    Reach, Refused,
    flags::is_flag,
    table::{
        Found, Row,
        Rule::{Change, Read, Refused as No},
        Tool,
    },
};

const UNATTENDED: &str = "it waits for a person";
const PROGRAMS: &str = "it runs programs that no rule sees";

const ROWS: &[Row] = &[
    ("status", Read),
    ("log", Read),
    ("show", Read),
    ("diff", Read),
    ("rev-parse", Read),
    ("rev-list", Read),
    ("ls-files", Read),
    ("ls-tree", Read),
    ("ls-remote", Read),
    ("describe", Read),
    ("cat-file", Read),
    ("merge-base", Read),
    ("blame", Read),
    ("grep", Read),
    ("shortlog", Read),
    ("for-each-ref", Read),
    ("name-rev", Read),
    ("diff-tree", Read),
    ("show-ref", Read),
    ("check-ignore", Read),
    ("version", Read),
    ("branch", Read),
    ("tag", Read),
    ("config", Read),
    ("remote", Read),
    ("remote show|get-url", Read),
    ("remote add|remove|rm|rename|set-url|update|prune", Change),
    ("stash", Change),
    ("stash list|show", Read),
    ("stash push|pop|apply|drop|clear|branch|create|store", Change),
    ("worktree list", Read),
    ("worktree add|remove|prune|move|lock|unlock|repair", Change),
    ("submodule", Read),
    ("submodule status|summary", Read),
    ("submodule init|update|sync|add|deinit", Change),
    ("submodule foreach", No(PROGRAMS)),
    ("add", Change),
    ("commit", Change),
    ("checkout", Change),
    ("switch", Change),
    ("restore", Change),
    ("merge", Change),
    ("rebase", Change),
    ("reset", Change),
    ("revert", Change),
    ("cherry-pick", Change),
    ("rm", Change),
    ("mv", Change),
    ("clean", Change),
    ("apply", Change),
    ("am", Change),
    ("fetch", Change),
    ("pull", Change),
    ("clone", Change),
    ("init", Change),
    ("push", No("what is pushed is applied by whoever follows the branch; use git::propose")),
    (
        "bisect|filter-branch|difftool|mergetool|hook|daemon|http-backend|maintenance|send-email|credential|instaweb",
        No(PROGRAMS),
    ),
    ("gui|gitk|citool", No(UNATTENDED)),
];

pub(super) static TOOL: Tool = Tool {
    name: "git",
    rows: ROWS,
    reach: Reach::None,
    values: &["-C"],
    switches: &["-P", "--no-pager", "--no-optional-locks", "--literal-pathspecs", "--version", "-h", "--help"],
    kept: &[
        "--git-dir",
        "--work-tree",
        "--exec-path",
        "--config-env",
        "--namespace",
        "--exec",
        "--upload-pack",
        "--receive-pack",
        "--ext-diff",
        "--open-files-in-pager",
    ],
    kept_short: None,
    letters: |_| "ahlrvq",
    abbreviates: true,
    files: &[],
    context_flag: None,
    always: &["--no-pager"],
    check,
};

fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    if found.args.iter().any(|arg| arg.starts_with("--out") && !arg.starts_with("--output-indicator")) {
        return Err(found.refused("--output writes a file").help("leave it out: the result is its stdout"));
    }
    if found.has(&["-i", "--interactive", "-p", "--patch", "-e", "--edit"])
        && matches!(
            found.subcommand.as_str(),
            "add" | "rebase" | "commit" | "checkout" | "restore" | "reset" | "clean" | "stash"
        )
    {
        return Err(found.refused(UNATTENDED));
    }
    let given = |names: &[&str]| found.has(names);
    match found.subcommand.as_str() {
        "branch"
            if !only_lists(found, &["--show-current", "--list", "-l", "--contains", "--merged", "--no-merged"]) =>
        {
            found.rule = Change;
        }
        "tag" if !only_lists(found, &["--list", "-l", "--contains", "--merged", "--points-at"]) => found.rule = Change,
        "config" if !given(&["--get", "--get-all", "--get-regexp", "--list", "-l"]) && !reads_config(found) => {
            return Err(found.refused("a setting decides what git runs").help("`git config --get NAME` reads one"));
        }
        "clone" if given(&["-c", "--config", "-u", "--template"]) => {
            return Err(found.refused("a setting decides what git runs"));
        }
        "fetch" | "ls-remote" | "pull" if found.args.iter().any(|arg| arg.contains("::")) => {
            return Err(found.refused("this address names a program to run"));
        }
        "rebase" if given(&["-x"]) => return Err(found.refused(PROGRAMS)),
        "grep" if found.args.iter().any(|arg| arg.starts_with("-O")) => return Err(found.refused(PROGRAMS)),
        _ => {}
    }
    Ok(())
}

/// Whether a `branch` or `tag` lists: without arguments, or with a flag that says so and none that changes.
fn only_lists(found: &Found<'_>, lists: &[&str]) -> bool {
    let harmless = [
        "-a",
        "-r",
        "-v",
        "-vv",
        "--all",
        "--remotes",
        "--verbose",
        "--format",
        "--sort",
        "--column",
        "--no-color",
        "-n",
    ];
    let flags = found.args.iter().filter(|arg| is_flag(arg)).map(|arg| arg.split('=').next().unwrap_or(arg));
    let all_known = flags.clone().all(|flag| lists.contains(&flag) || harmless.contains(&flag));
    let says_so = flags.clone().any(|flag| lists.contains(&flag));
    all_known && (says_so || found.args.iter().all(|arg| is_flag(arg)))
}

fn reads_config(found: &Found<'_>) -> bool {
    found.args.first().is_some_and(|arg| arg == "get" || arg == "list")
}
