use std::collections::BTreeSet;

/// Verbs that build something, where a phrase begins with one.
const BUILD: [&str; 9] = ["add", "use", "install", "deploy", "migrate", "replace", "create", "enable", "switch"];
const BUILDING: [&str; 9] =
    ["adding", "using", "installing", "deploying", "migrating", "replacing", "creating", "enabling", "switching"];

/// What may stand before such a verb without being what the phrase begins with.
const OPENINGS: [&[&str]; 17] = [
    &["please"],
    &["let's"],
    &["lets"],
    &["let", "us"],
    &["we", "should"],
    &["we", "must"],
    &["we", "could"],
    &["we", "will"],
    &["we", "need", "to"],
    &["we", "have", "to"],
    &["we", "want", "to"],
    &["i", "want", "to"],
    &["need", "to"],
    &["want", "to"],
    &["just"],
    &["simply"],
    &["to"],
];

/// Things that something is done with, never what it is done for.
const MECHANISMS: [&str; 93] = [
    "admission",
    "ansible",
    "argo",
    "argocd",
    "autoscaler",
    "cache",
    "ceph",
    "cert-manager",
    "chart",
    "cilium",
    "clustersecretstore",
    "configmap",
    "controller",
    "crd",
    "cron",
    "cronjob",
    "csi",
    "daemonset",
    "deployment",
    "descheduler",
    "envoy",
    "external-dns",
    "external-secrets",
    "externalsecret",
    "flux",
    "gateway",
    "grpcroute",
    "haproxy",
    "helm",
    "helmfile",
    "helmrelease",
    "hpa",
    "httproute",
    "ingress",
    "ingress-nginx",
    "initcontainer",
    "istio",
    "job",
    "kafka",
    "karpenter",
    "keda",
    "kopia",
    "kustomization",
    "kustomize",
    "kyverno",
    "linkerd",
    "loadbalancer",
    "loki",
    "longhorn",
    "memcached",
    "mesh",
    "metallb",
    "minio",
    "mutatingadmissionpolicy",
    "networkpolicy",
    "nginx",
    "openebs",
    "operator",
    "pdb",
    "poddisruptionbudget",
    "priorityclass",
    "prometheus",
    "proxy",
    "pv",
    "pvc",
    "persistentvolume",
    "persistentvolumeclaim",
    "queue",
    "rabbitmq",
    "redis",
    "restic",
    "rook",
    "rook-ceph",
    "runtimeclass",
    "script",
    "sealed-secrets",
    "secret",
    "secretstore",
    "sidecar",
    "sops",
    "statefulset",
    "storageclass",
    "tailscale",
    "terraform",
    "traefik",
    "tunnel",
    "vault",
    "velero",
    "volsync",
    "vpa",
    "vpn",
    "webhook",
    "wireguard",
];
const MECHANISM_PAIRS: [(&str, &str); 12] = [
    ("admission", "policy"),
    ("cron", "job"),
    ("disruption", "budget"),
    ("feature", "gate"),
    ("init", "container"),
    ("load", "balancer"),
    ("network", "policy"),
    ("node", "pool"),
    ("persistent", "volume"),
    ("secret", "store"),
    ("storage", "class"),
    ("volume", "claim"),
];

/// What is seen when something is wrong.
const SYMPTOMS: [&str; 92] = [
    "4xx",
    "5xx",
    "blocked",
    "breaks",
    "broke",
    "broken",
    "complain",
    "complains",
    "corrupt",
    "corrupted",
    "corruption",
    "crash",
    "crashed",
    "crashes",
    "crashing",
    "crashloopbackoff",
    "degraded",
    "denied",
    "deprecated",
    "disconnected",
    "disconnects",
    "downtime",
    "drops",
    "dropped",
    "duplicated",
    "duplicates",
    "eol",
    "evicted",
    "exceeded",
    "exceeds",
    "exhaust",
    "exhausted",
    "exhausts",
    "expire",
    "expired",
    "expires",
    "exposed",
    "flapping",
    "flaps",
    "hang",
    "hangs",
    "hung",
    "insecure",
    "interrupted",
    "lags",
    "leak",
    "leaked",
    "leaks",
    "lose",
    "loses",
    "losing",
    "loss",
    "lost",
    "manually",
    "noisy",
    "oom",
    "oomkilled",
    "outage",
    "outages",
    "outdated",
    "overloaded",
    "paged",
    "pending",
    "refused",
    "rejected",
    "restarting",
    "restarts",
    "slow",
    "slower",
    "slowly",
    "spikes",
    "stale",
    "starves",
    "stuck",
    "throttled",
    "throttles",
    "throttling",
    "timeouts",
    "unavailable",
    "unencrypted",
    "unpatched",
    "unprotected",
    "unreachable",
    "unsupported",
    "vulnerabilities",
    "vulnerability",
    "vulnerable",
    "waiting",
    "waits",
    "wakes",
    "woken",
    "wrong",
];
const SYMPTOM_PAIRS: [(&str, &str); 13] = [
    ("by", "hand"),
    ("no", "longer"),
    ("older", "than"),
    ("out", "of"),
    ("end", "of-life"),
    ("time", "out"),
    ("timed", "out"),
    ("times", "out"),
    ("timing", "out"),
    ("run", "out"),
    ("runs", "out"),
    ("ran", "out"),
    ("too", "late"),
];
const DOWN_IS_WANTED: [&str; 9] = ["scale", "scaled", "scales", "scaling", "tear", "drill", "shut", "cool", "count"];
const ERROR_IS_A_NAME: [&str; 7] = ["budget", "budgets", "handler", "handling", "page", "pages", "tracking"];

const INABILITY: [&str; 12] = [
    "cannot", "fail", "failed", "failing", "fails", "failure", "failures", "never", "nobody", "none", "nothing",
    "unable",
];
const ARTICLES: [&str; 6] = ["a", "an", "the", "any", "another", "some"];
const DURATIONS: [&str; 18] = [
    "ms", "s", "sec", "second", "seconds", "min", "minute", "minutes", "h", "hour", "hours", "day", "days", "week",
    "weeks", "month", "months", "long",
];
const LIMITS: [&str; 11] = ["after", "at", "below", "in", "least", "less", "most", "over", "than", "under", "within"];
const NUMBERS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "ten", "twelve", "half", "several"];

/// A phrase, word by word in lower case.
#[derive(Debug)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let text = text.to_lowercase().replace('\u{2019}', "'");
        let words = text.split(|c: char| c.is_whitespace() || "\"`()[]{},;!?–—…".contains(c));
        let words = words.map(|word| word.trim_matches(|c: char| ".:'*_".contains(c)));
        Self(words.filter(|word| !word.is_empty()).map(Into::into).collect())
    }

    /// The same without the names of what the plan is about: they stand in its phrase whatever it proposes.
    pub(super) fn without(self, own: &BTreeSet<String>) -> Self {
        let names: Vec<Vec<&str>> = own.iter().map(|name| name.split_whitespace().collect()).collect();
        let mut kept = vec![];
        let mut rest = self.0.as_slice();
        while let Some(first) = rest.first() {
            let longest = names.iter().filter(|name| starts(rest, name)).map(Vec::len).max();
            kept.push(if longest.is_some() { String::from("it") } else { first.clone() });
            rest = &rest[longest.unwrap_or(1)..];
        }
        Self(kept)
    }

    pub(super) fn leads_with_a_build_verb(&self) -> bool {
        let mut rest = self.0.as_slice();
        while let Some(opening) = OPENINGS.iter().find(|opening| starts(rest, opening)) {
            rest = &rest[opening.len()..];
        }
        rest.first().is_some_and(|first| BUILD.contains(&first.as_str()) || BUILDING.contains(&first.as_str()))
    }

    pub(super) fn mechanism(&self) -> bool {
        (0..self.0.len()).any(|at| self.mechanism_at(at))
    }

    fn mechanism_at(&self, at: usize) -> bool {
        let Some(word) = self.0.get(at) else { return false };
        let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
        MECHANISM_PAIRS.iter().any(|(first, second)| word == first && singular(next).any(|next| next == *second))
            || is_mechanism(word)
            // a name such as photo-cache is what its last part says
            || word.rsplit_once('-').is_some_and(|(_, last)| is_mechanism(last))
    }

    /// Whether a mechanism stands within the next three words, with no other thought between.
    fn mechanism_after(&self, at: usize) -> bool {
        let near = (at + 1..=at + 3).take_while(|n| self.0.get(*n).is_some_and(|word| !is_joint(word)));
        near.into_iter().any(|n| self.mechanism_at(n))
    }

    /// `by doing`, `by a mechanism`, `using`, `via`.
    pub(super) fn means(&self) -> bool {
        self.0.iter().enumerate().skip(1).any(|(at, word)| match word.as_str() {
            "via" => true,
            "using" => {
                !self.0[..at].iter().all(|before| OPENINGS.iter().any(|opening| opening.contains(&before.as_str())))
            }
            "by" => {
                let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
                (next.len() > 4 && next.ends_with("ing") && next != "morning" && next != "evening")
                    || self.mechanism_after(at)
            }
            _ => false,
        })
    }

    /// A solution that is missed, in the place of what is missed because of it.
    pub(super) fn lacks_a_mechanism(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| match word.as_str() {
            "no" | "lack" | "lacks" | "lacking" | "missing" | "without" | "need" | "needs" | "needed" => {
                self.mechanism_after(at)
            }
            _ => false,
        })
    }

    pub(super) fn inability(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
            match word.as_str() {
                // "a PVC, not an emptyDir" weighs two solutions
                "not" => !ARTICLES.contains(&next) && next != "only" && next != "just",
                "no" => {
                    let before = at.checked_sub(1).and_then(|n| self.0.get(n)).map(String::as_str);
                    matches!(before, Some("has" | "have" | "had" | "are" | "is" | "with")) && !self.mechanism_after(at)
                        || next == "one"
                }
                "without" => !self.mechanism_after(at),
                word => INABILITY.contains(&word) || word.ends_with("n't"),
            }
        })
    }

    pub(super) fn symptom(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            let before = at.checked_sub(1).and_then(|n| self.0.get(n)).map(String::as_str).unwrap_or_default();
            let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
            match word.as_str() {
                "down" => !DOWN_IS_WANTED.contains(&before),
                "full" => ["is", "are", "was", "were", "gets", "get", "runs", "nearly", "almost"].contains(&before),
                "error" | "errors" => !ERROR_IS_A_NAME.contains(&next),
                "missing" => !self.mechanism_after(at),
                "too" => !next.is_empty(),
                "takes" | "took" => (at + 1..=at + 3)
                    .any(|n| self.0.get(n).is_some_and(|word| DURATIONS.contains(&word.as_str()) || duration(word))),
                word => {
                    SYMPTOMS.contains(&word)
                        || word.starts_with("cve-")
                        || http_error(word)
                        || SYMPTOM_PAIRS.iter().any(|(first, second)| word == *first && next == *second)
                }
            }
        })
    }

    /// "X needs <capability> for Y": what is needed is no mechanism, and it is said for what.
    pub(super) fn needs_for(&self) -> bool {
        self.0.iter().enumerate().skip(1).any(|(at, word)| {
            if !matches!(word.as_str(), "need" | "needs" | "needed") || self.mechanism_after(at) {
                return false;
            }
            let what = &self.0[at + 1..];
            let reason = what.iter().position(|word| matches!(word.as_str(), "for" | "when" | "while" | "during"));
            // "needs to be installed for …" is not a capability
            reason.is_some_and(|n| n > 0 && n + 1 < what.len()) && what[0] != "to"
        })
    }

    pub(super) fn so_that(&self) -> bool {
        self.0.windows(2).any(|pair| pair[0] == "so" && pair[1] == "that")
    }

    /// How it will be seen: a percentage, a percentile, a time within which, an HTTP status, an objective.
    pub(super) fn measure(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            let before = at.checked_sub(1).and_then(|n| self.0.get(n)).map(String::as_str).unwrap_or_default();
            let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
            let number = is_number(word) || NUMBERS.contains(&word.as_str());
            let percent =
                (word.ends_with('%') && word.len() > 1) || (is_number(word) && matches!(next, "%" | "percent"));
            let percentile = word.strip_prefix('p').is_some_and(|n| n.len() == 2 && is_number(n));
            let objective = matches!(word.as_str(), "slo" | "sla" | "rpo" | "rto" | "rps" | "qps");
            let status = matches!(word.as_str(), "200" | "204" | "301" | "302")
                && matches!(before, "answers" | "status" | "http" | "with");
            let time = duration(word) || (number && DURATIONS.contains(&next));
            percent || percentile || objective || status || (time && LIMITS.contains(&before))
        })
    }

    /// A link to what happened, e.g. `INC-42`, `incidents/2025-12-14-…`, or an address with a postmortem in it.
    pub(super) fn incident_link(&self) -> bool {
        self.0.iter().enumerate().any(|(at, word)| {
            let next = self.0.get(at + 1).map(String::as_str).unwrap_or_default();
            let address = word.starts_with("https://") || word.starts_with("http://");
            let numbered = |prefix| word.strip_prefix(prefix).is_some_and(is_number);
            numbered("inc-")
                || numbered("incident-")
                || word.starts_with("incidents/")
                || (address
                    && (word.contains("incident") || word.contains("postmortem") || word.contains("post-mortem")))
                || (matches!(word.as_str(), "incident" | "postmortem")
                    && next.trim_start_matches('#').starts_with(|c: char| c.is_ascii_digit()))
        })
    }

    /// Whether it speaks of "the cluster", which could be any.
    pub(super) fn names_no_cluster(&self) -> bool {
        self.0.windows(2).any(|pair| pair[0] == "the" && pair[1] == "cluster")
    }
}

fn starts(words: &[String], with: &[&str]) -> bool {
    words.len() >= with.len() && words.iter().zip(with).all(|(word, with)| word == with)
}

fn is_mechanism(word: &str) -> bool {
    singular(word).any(|word| MECHANISMS.contains(&word))
}

/// A word, and what it may be the plural of.
fn singular(word: &str) -> impl Iterator<Item = &str> {
    let stems = [Some(word), word.strip_suffix('s'), word.strip_suffix("es")];
    stems.into_iter().flatten()
}

/// Words at which another thought begins.
fn is_joint(word: &str) -> bool {
    matches!(
        word,
        "for"
            | "to"
            | "when"
            | "while"
            | "in"
            | "on"
            | "at"
            | "with"
            | "from"
            | "because"
            | "and"
            | "or"
            | "but"
            | "after"
            | "before"
            | "behind"
            | "until"
    )
}

fn is_number(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|c| c.is_ascii_digit() || c == '.')
        && word.starts_with(|c: char| c.is_ascii_digit())
}

/// `30s`, `5min`: a number with its unit.
fn duration(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[digits.len()..];
    is_number(digits) && !unit.is_empty() && DURATIONS.contains(&unit)
}

/// `502`: what a client or a gateway sees.
fn http_error(word: &str) -> bool {
    matches!(word, "401" | "403" | "404" | "429" | "500" | "502" | "503" | "504")
        || matches!(word, "401s" | "403s" | "404s" | "429s" | "500s" | "502s" | "503s" | "504s")
}
