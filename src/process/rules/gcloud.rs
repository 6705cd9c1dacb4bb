//! gcloud: `GROUP… VERB`. Groups and verbs that are not known are refused, so that a resource's name is never the verb.

use super::{
    Reach, Refused,
    flags::is_flag,
    table::{
        Found, Row,
        Rule::{Change, Read, Refused as No},
        Tool,
    },
};

const CREDENTIALS: &str = "it prints or keeps credentials";

const ROWS: &[Row] = &[
    ("version|info|help", Read),
    ("projects describe|list|get-iam-policy|get-ancestors", Read),
    (
        "compute instances|disks|snapshots|images|networks|addresses|firewall-rules|forwarding-rules|routers|routes describe|list",
        Read,
    ),
    ("compute regions|zones|machine-types|instance-groups|instance-templates|target-pools describe|list", Read),
    ("compute backend-services|health-checks|url-maps|ssl-certificates|target-https-proxies describe|list", Read),
    ("compute networks subnets describe|list|get-iam-policy", Read),
    ("container clusters|node-pools|operations|images describe|list", Read),
    (
        "container clusters get-credentials",
        No("it writes a kubeconfig and switches its context; runbook has the private one"),
    ),
    ("container clusters|node-pools create|update|upgrade|resize|delete|rollback", Change),
    (
        "compute instances start|stop|reset|create|delete|suspend|resume|add-labels|remove-labels|add-tags|remove-tags",
        Change,
    ),
    ("compute disks create|delete|resize|snapshot|add-labels|remove-labels", Change),
    ("compute addresses|firewall-rules|forwarding-rules|routes create|delete|update", Change),
    ("dns managed-zones|record-sets describe|list", Read),
    ("dns managed-zones|record-sets create|update|delete", Change),
    ("iam service-accounts|roles describe|list|get-iam-policy", Read),
    ("iam service-accounts keys list", Read),
    ("iam service-accounts keys create", No(CREDENTIALS)),
    (
        "iam service-accounts create|delete|disable|enable|update|add-iam-policy-binding|remove-iam-policy-binding",
        Change,
    ),
    ("storage buckets|objects describe|list", Read),
    ("storage buckets get-iam-policy", Read),
    ("storage buckets create|delete|update|add-iam-policy-binding|remove-iam-policy-binding", Change),
    ("storage ls|du", Read),
    ("sql instances|databases|backups|operations describe|list", Read),
    ("sql instances create|patch|restart|delete", Change),
    ("sql backups create|delete", Change),
    ("secrets describe|list|get-iam-policy", Read),
    ("secrets versions describe|list", Read),
    ("secrets versions access", No("it prints the secret; declare it: secret(name, #{ cmd: [\"gcloud\", …] })")),
    ("secrets create|delete|update", Change),
    ("secrets versions add|enable|disable|destroy", Change),
    ("artifacts repositories|packages|versions|tags describe|list", Read),
    ("artifacts docker images|tags list|describe", Read),
    ("run services|revisions|jobs describe|list|get-iam-policy", Read),
    ("run services|jobs update|delete|replace", Change),
    ("run deploy", Change),
    ("services list", Read),
    ("services enable|disable", Change),
    ("logging read", Read),
    ("logging logs|sinks|metrics list|describe", Read),
    ("config list|get|get-value", Read),
    ("config set|unset|configurations", No("the context's project is given to every command")),
    ("auth", No(CREDENTIALS)),
    ("init", No("it waits for a person")),
];

pub(super) static TOOL: Tool = Tool {
    name: "gcloud",
    rows: ROWS,
    reach: Reach::Project,
    values: &["--format", "--verbosity"],
    switches: &["-q", "--quiet", "-h", "--help"],
    kept: &[
        "--project",
        "--configuration",
        "--account",
        "--impersonate-service-account",
        "--access-token-file",
        "--billing-project",
        "--flags-file",
    ],
    kept_short: None,
    letters: |_| "hq",
    abbreviates: true,
    files: &[],
    context_flag: Some("--project"),
    always: &["--quiet"], // it would ask, and nobody answers
    check,
};

/// A name with its project in it, or a link, wins over `--project`.
fn check(found: &mut Found<'_>) -> Result<(), Refused> {
    let names_project = |arg: &&String| {
        let value = arg.split_once('=').filter(|_| is_flag(arg)).map_or(arg.as_str(), |(_, value)| value);
        value.split('/').collect::<Vec<_>>().windows(2).any(|pair| pair[0] == "projects" && !pair[1].is_empty())
    };
    match found.args.iter().find(names_project) {
        Some(named) => Err(found
            .refused(&format!("`{named}` names its project itself, which need not be the context's"))
            .help("write the name alone: the context's project is given with it")),
        None => Ok(()),
    }
}
