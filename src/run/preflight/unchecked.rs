//! What could not be asked, and so is not known: it stops nothing, and is said. Answers that were refused or never came are
//! gathered while preflight looks, and told once for each reason, with everything that they leave unchecked.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::model::Finding;

/// Things that are named one by one.
const NAMED: usize = 3;

/// What would have been found out about a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// Its kind.
    Kind,
    /// What is there of it, and who keeps it.
    Live,
    /// Whether the server would take it.
    Tried,
    /// Whether it is permitted: the thing is a verb with its object.
    Permission,
    /// Whether it is there, as something names it.
    Reference,
    /// The quotas or limits of it: the thing is a namespace.
    Room,
    /// Whether it, which keeps something, is suspended.
    Keeper,
    /// Which of its objects depend on what is changed: the thing is a kind.
    Impact,
}

impl About {
    fn words(self, things: &str, one: bool) -> String {
        let are = if one { "is" } else { "are" };
        match self {
            Self::Kind => format!("whether the API server serves the kind of {things}"),
            Self::Live => format!("what is there now of {things}"),
            Self::Tried => format!("whether the API server would accept {things}"),
            Self::Permission => format!("whether this account may {things}"),
            Self::Reference => format!("whether {things} {are} there"),
            Self::Room => format!("how much room the quotas leave in {things}"),
            Self::Keeper => format!("whether {things} {are} suspended"),
            Self::Impact => format!("whether any {things} depends on what is changed"),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    NotPermitted,
    NoAnswer,
    TimeOver,
    Other,
}

impl Why {
    /// From the words of an error of the cluster.
    fn of(message: &str) -> Self {
        if message.contains(": not permitted: ") {
            Self::NotPermitted
        } else if message.contains("the API server cannot be reached") {
            Self::NoAnswer
        } else if message.contains("no answer before the deadline") || message.contains("its time is over") {
            Self::TimeOver
        } else {
            Self::Other
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotPermitted => "this account may not ask",
            Self::NoAnswer => "the API server gave no answer that counts",
            Self::TimeOver => "the time for it was over",
            Self::Other => "the API server refused",
        }
    }
}

#[derive(Debug)]
struct Doubt {
    about: About,
    thing: String,
    why: Why,
    message: String,
}

/// Everything that was left open.
#[derive(Debug, Default)]
pub(super) struct Doubts(RefCell<Vec<Doubt>>);

impl Doubts {
    /// Keeps that something about a thing could not be asked, with the error's words.
    pub fn add(&self, about: About, thing: impl Into<String>, message: &str) {
        let doubt = Doubt { about, thing: thing.into(), why: Why::of(message), message: message.into() };
        self.0.borrow_mut().push(doubt);
    }

    /// A warning for each reason.
    pub fn findings(&self) -> Vec<Finding> {
        let doubts = self.0.borrow();
        let mut reasons: BTreeMap<Why, Vec<&Doubt>> = BTreeMap::new();
        for doubt in doubts.iter() {
            reasons.entry(doubt.why).or_default().push(doubt);
        }
        reasons.into_iter().map(|(why, doubts)| finding(why, &doubts)).collect()
    }
}

fn finding(why: Why, doubts: &[&Doubt]) -> Finding {
    let mut abouts: BTreeMap<About, BTreeSet<&str>> = BTreeMap::new();
    for doubt in doubts {
        abouts.entry(doubt.about).or_default().insert(&doubt.thing);
    }
    let said: BTreeSet<&str> = doubts.iter().map(|doubt| doubt.message.as_str()).collect();
    let mut lines: Vec<String> =
        abouts.iter().map(|(about, things)| about.words(&named(things), things.len() == 1)).collect();
    let reason = reason(why, &said);
    let message = if let [line] = &lines[..] {
        format!("{line} could not be checked: {reason}")
    } else {
        lines.insert(0, format!("not all could be checked: {reason}"));
        lines.join("\n")
    };
    Finding::warning("unchecked", message)
}

/// The first things, and how many more there are.
fn named(things: &BTreeSet<&str>) -> String {
    let mut shown: Vec<String> = things.iter().take(NAMED).map(ToString::to_string).collect();
    let more = things.len().saturating_sub(NAMED);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    match &shown[..] {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => shown.concat(),
    }
}

fn reason(why: Why, said: &BTreeSet<&str>) -> String {
    let first = said.first().copied().unwrap_or_default();
    if said.len() == 1 {
        return first.to_owned();
    }
    let refusals: Option<Vec<Refusal<'_>>> = said.iter().map(|message| Refusal::of(message)).collect();
    match refusals.filter(|_| why == Why::NotPermitted) {
        Some(refusals) => format!("{}: {}", who(&refusals), told(&refusals)),
        None => format!("{}, as for the first of {}: {first}", why.words(), said.len()),
    }
}

/// What the authorizer refuses: `User "x" cannot list resource "secrets" in API group "" in the namespace "web"`.
struct Refusal<'a> {
    user: &'a str,
    verb: &'a str,
    resource: String,
    namespace: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    fn of(message: &'a str) -> Option<Self> {
        let quoted = |after: &str| message.split_once(after)?.1.split('"').next();
        let group = quoted("in API group \"")?;
        let plural = quoted(" resource \"")?;
        Some(Self {
            user: quoted("User \"")?,
            verb: message.split_once(" cannot ")?.1.split(' ').next()?,
            resource: if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") },
            namespace: quoted("in the namespace \""),
        })
    }
}

fn who(refusals: &[Refusal<'_>]) -> String {
    refusals.first().map_or_else(String::new, |refusal| format!("account {} may not", refusal.user))
}

/// `list secrets in namespace web; list nodes, secrets in the cluster`.
fn told(refusals: &[Refusal<'_>]) -> String {
    let mut places: BTreeMap<(&str, Vec<&str>), BTreeSet<&str>> = BTreeMap::new();
    let mut namespaces: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for refusal in refusals {
        let known = namespaces.entry((refusal.verb, &refusal.resource)).or_default();
        known.extend(refusal.namespace);
    }
    // what is refused in the same places is told together
    for ((verb, resource), within) in &namespaces {
        places.entry((verb, within.iter().copied().collect())).or_default().insert(resource);
    }
    let parts = places.iter().map(|((verb, within), resources)| {
        let place = match &within[..] {
            [] => "the cluster".to_owned(),
            [one] => format!("namespace {one}"),
            more => format!("namespaces {}", named(&more.iter().copied().collect())),
        };
        format!("{verb} {} in {place}", named(resources))
    });
    parts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(resource: &str, namespace: Option<&str>) -> String {
        let place =
            namespace.map_or("at the cluster scope".into(), |namespace| format!("in the namespace \"{namespace}\""));
        format!(
            "list {resource}: not permitted: {resource} is forbidden: User \"eve\" cannot list resource \"{resource}\" in API group \"\" {place}"
        )
    }

    fn told_of(doubts: &Doubts) -> Vec<String> {
        doubts.findings().into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn one_thing_is_told_with_the_servers_own_words() {
        let doubts = Doubts::default();
        doubts.add(About::Reference, "Secret/web/login", &refused("secrets", Some("web")));
        let told = told_of(&doubts);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("whether Secret/web/login is there could not be checked: list secrets: not permitted"),
            "{told:?}"
        );
    }

    #[test]
    fn twenty_refused_lists_are_one_warning_that_names_what_and_where() {
        let doubts = Doubts::default();
        for n in 0..20 {
            let namespace = format!("ns-{n:02}");
            doubts.add(About::Reference, format!("Secret/{namespace}/login"), &refused("secrets", Some(&namespace)));
            doubts.add(About::Room, format!("namespace {namespace}"), &refused("resourcequotas", Some(&namespace)));
        }
        doubts.add(About::Impact, "Node", &refused("nodes", None));
        assert_eq!(
            told_of(&doubts),
            ["not all could be checked: account eve may not: list nodes in the cluster; list resourcequotas and secrets in namespaces ns-00, ns-01, ns-02 and 17 more
whether Secret/ns-00/login, Secret/ns-01/login, Secret/ns-02/login and 17 more are there
how much room the quotas leave in namespace ns-00, namespace ns-01, namespace ns-02 and 17 more
whether any Node depends on what is changed"]
        );
    }

    #[test]
    fn each_reason_is_a_warning_of_its_own() {
        let doubts = Doubts::default();
        doubts.add(About::Tried, "ConfigMap/web/a", "apply ConfigMap/web/a: no answer before the deadline");
        doubts.add(
            About::Tried,
            "ConfigMap/web/b",
            "apply ConfigMap/web/b: the API server cannot be reached: it answered 503: x",
        );
        doubts.add(
            About::Live,
            "ConfigMap/web/c",
            "get ConfigMap/web/c: the API server cannot be reached: it answered 500: y",
        );
        let told = told_of(&doubts);
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(
            told[0].contains("gave no answer that counts, as for the first of 2: apply ConfigMap/web/b")
                && told[0].contains("what is there now of ConfigMap/web/c"),
            "{told:#?}"
        );
        assert!(
            told[1].starts_with("whether the API server would accept ConfigMap/web/a could not be checked: "),
            "{told:#?}"
        );
    }

    #[test]
    fn what_was_answered_is_not_told() {
        assert!(Doubts::default().findings().is_empty());
    }
}
