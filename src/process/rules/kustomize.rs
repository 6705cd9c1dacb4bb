//! kustomize: reaches no cluster; what it reads is the bundle, what its plugins would run is refused.

use super::{
    Reach, Refused,
    kubectl::kustomize_target,
    table::{
        Found, Row,
        Rule::{Change, Read, Refused as No},
        Tool,
    },
};

const ROWS: &[Row] = &[
    ("build", Read),
    ("version", Read),
    ("help", Read),
    ("cfg cat|count|grep|tree", Read),
    ("openapi fetch|info", Read),
    ("create", Change),
    ("localize", Change),
    ("edit add|alpha-list-builtin-plugin|fix|remove|set", Change),
    ("fn", No("it runs programs in containers")),
    ("completion", No("it is for shells")),
];

pub(super) static TOOL: Tool = Tool {
    name: "kustomize",
    rows: ROWS,
    reach: Reach::None,
    values: &["--stack-trace"],
    switches: &["-h", "--help"],
    kept: &[],
    kept_short: None,
    letters: |_| "h",
    abbreviates: false,
    files: &[],
    context_flag: None,
    always: &[],
    check: |found: &mut Found<'_>| -> Result<(), Refused> {
        if found.subcommand == "build" { kustomize_target(found) } else { Ok(()) }
    },
};
