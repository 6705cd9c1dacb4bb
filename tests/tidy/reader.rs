//! Reads Rust as tokens: which paths a file names, outside of its test code. Comments and strings are no tokens of
//! interest, and every spelling of a path (`use a::{b, c}`, `a::b()`, inside a macro) looks the same.

use std::{collections::BTreeSet, str::FromStr};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path that a file names, with the line it begins on.
#[derive(Debug, PartialEq, Eq)]
pub enum Path {
    /// One from the root of this crate, such as `crate::model::Plan` or `super::super::model`: its first name.
    Own { first: String, line: usize },
    /// One that begins with another name, such as `std::process::Command`; most are local, which the caller knows.
    Outside { first: String, rest: Vec<String>, line: usize },
}

/// The paths of a file that is the module `module` (`["cluster", "watch"]`), without its test code.
pub fn paths(text: &str, module: &[String]) -> Result<Vec<Path>, proc_macro2::LexError> {
    let mut found = Vec::new();
    scan(TokenStream::from_str(text)?, module.len(), module, &mut found);
    Ok(found)
}

fn scan(stream: TokenStream, depth: usize, module: &[String], found: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        if is_test_attribute(&tokens, i) {
            i = after_item(&tokens, i);
            continue;
        }
        match &tokens[i] {
            TokenTree::Ident(ident) if !continues_path(&tokens, i) => {
                let inline = ident == "mod";
                let use_ends = ident == "use";
                if inline
                    && let (Some(TokenTree::Ident(_)), Some(TokenTree::Group(body))) =
                        (tokens.get(i + 1), tokens.get(i + 2))
                {
                    scan(body.stream(), depth + 1, module, found);
                    i += 3;
                    continue;
                }
                if use_ends {
                    i += 1;
                    while is_colons(&tokens, i) {
                        i += 2; // `use ::std`
                    }
                    continue_use(&tokens, i, depth, module, found);
                    i = tokens[i..].iter().position(|t| is_punct(t, ';')).map_or(tokens.len(), |end| i + end);
                    continue;
                }
                if is_colons(&tokens, i + 1) {
                    let mut segments = vec![(ident.to_string(), ident.span().start().line)];
                    let mut at = i + 1;
                    while is_colons(&tokens, at)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
                    {
                        segments.push((next.to_string(), next.span().start().line));
                        at += 3;
                    }
                    resolve(&segments, depth, module, found);
                    i = at;
                    continue;
                }
            }
            TokenTree::Group(g) => scan(g.stream(), depth, module, found),
            _ => {}
        }
        i += 1;
    }
}

/// The tree of a `use`: every leaf is a path.
fn continue_use(tokens: &[TokenTree], from: usize, depth: usize, module: &[String], found: &mut Vec<Path>) {
    let end = tokens[from..].iter().position(|t| is_punct(t, ';')).map_or(tokens.len(), |e| from + e);
    leaves(&tokens[from..end], &[], &mut |path| resolve(path, depth, module, found));
}

/// Calls back with each leaf of a use tree: its names, each with its line.
fn leaves(tokens: &[TokenTree], before: &[(String, usize)], leaf: &mut impl FnMut(&[(String, usize)])) {
    for part in tokens.split(|t| is_punct(t, ',')).filter(|p| !p.is_empty()) {
        let mut path = before.to_vec();
        let mut nested = None;
        for t in part {
            match t {
                TokenTree::Ident(name) if name == "as" => break,
                TokenTree::Ident(name) => path.push((name.to_string(), name.span().start().line)),
                TokenTree::Punct(p) if p.as_char() == '*' => path.push(("*".to_owned(), p.span().start().line)),
                TokenTree::Group(g) => nested = Some(g),
                _ => {}
            }
        }
        match nested {
            Some(g) => leaves(&g.stream().into_iter().collect::<Vec<_>>(), &path, leaf),
            None => leaf(&path),
        }
    }
}

fn resolve(path: &[(String, usize)], depth: usize, module: &[String], found: &mut Vec<Path>) {
    let Some((first, line)) = path.first() else { return };
    let supers = path.iter().take_while(|(s, _)| s == "super").count();
    let skip = match first.as_str() {
        "crate" => 1,
        "self" => path.iter().skip(1).take_while(|(s, _)| s == "super").count() + 1,
        "super" => supers,
        _ => {
            let rest = path[1..].iter().map(|(s, _)| s.clone()).collect();
            found.push(Path::Outside { first: first.clone(), rest, line: *line });
            return;
        }
    };
    let ups = if first == "crate" {
        depth
    } else if first == "self" {
        skip - 1
    } else {
        skip
    };
    // Still inside the module it is in.
    if ups < depth && !module.is_empty() {
        return;
    }
    if let Some((name, line)) = path.get(skip).filter(|(name, _)| name != "self") {
        found.push(Path::Own { first: name.clone(), line: *line });
    }
}

fn is_punct(t: &TokenTree, c: char) -> bool {
    matches!(t, TokenTree::Punct(p) if p.as_char() == c)
}

fn is_colons(tokens: &[TokenTree], i: usize) -> bool {
    tokens.get(i).is_some_and(|t| is_punct(t, ':')) && tokens.get(i + 1).is_some_and(|t| is_punct(t, ':'))
}

/// Whether the name at `i` is a later segment of a path (`a::HERE`), a field or a method.
fn continues_path(tokens: &[TokenTree], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).map(|at| &tokens[at]);
    let path = before(1).is_some_and(|t| is_punct(t, ':')) && before(2).is_some_and(|t| is_punct(t, ':'));
    let named = matches!(before(3), Some(TokenTree::Ident(_))) || before(3).is_some_and(|t| is_punct(t, '>'));
    path && named
}

/// `#[test]`, `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn is_test_attribute(tokens: &[TokenTree], i: usize) -> bool {
    let (true, Some(TokenTree::Group(g))) = (is_punct(&tokens[i], '#'), tokens.get(i + 1)) else { return false };
    let inner: Vec<_> = g.stream().into_iter().collect();
    match inner.first() {
        Some(TokenTree::Ident(name)) if name == "test" => true,
        Some(TokenTree::Ident(name)) if name == "cfg" => {
            let said = inner.get(1).map(ToString::to_string).unwrap_or_default();
            said.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "test") && !said.contains("not")
        }
        _ => false,
    }
}

/// The index after the item that begins at `i`: past its braces or its semicolon.
fn after_item(tokens: &[TokenTree], i: usize) -> usize {
    let ends =
        |t: &TokenTree| is_punct(t, ';') || matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
    // A `use a::{b};` under the attribute ends at its semicolon.
    let is_use = tokens[i..].iter().take(6).any(|t| matches!(t, TokenTree::Ident(x) if x == "use"));
    let end = tokens[i..].iter().position(|t| if is_use { is_punct(t, ';') } else { ends(t) });
    end.map_or(tokens.len(), |e| i + e + 1)
}

/// The files (without `.rs`) that `#[cfg(test)] mod name;` declares in a file that is in the folder `beside` and whose
/// children are in `dir`; a `#[path = "…"]` is heeded.
pub fn test_modules(text: &str, dir: &str, beside: &str) -> Vec<String> {
    let tokens: Vec<TokenTree> = TokenStream::from_str(text).map(|s| s.into_iter().collect()).unwrap_or_default();
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        if is_test_attribute(&tokens, i) {
            // The attribute before this one may be the path.
            let item = &tokens[i.saturating_sub(2)..after_item(&tokens, i)];
            let at = item.iter().position(|t| matches!(t, TokenTree::Ident(x) if x == "mod"));
            if let Some(TokenTree::Ident(name)) = at.and_then(|at| item.get(at + 1)) {
                let path = item.iter().find_map(path_attribute);
                found.push(path.map_or_else(|| format!("{dir}/{name}"), |p| format!("{beside}/{p}")));
            }
        }
    }
    found
}

/// What a `[path = "name.rs"]` says, without `.rs`.
fn path_attribute(t: &TokenTree) -> Option<String> {
    let TokenTree::Group(g) = t else { return None };
    let said = g.stream().to_string().replace(' ', "");
    Some(said.strip_prefix("path=\"")?.strip_suffix(".rs\"")?.to_owned())
}

/// Where a public item of a file names one of these crates outside of bodies: `pub fn f(x: kube::Client)`, `pub use
/// rhai::Engine`, or a name that the file imported from one.
pub fn public_names(text: &str, crates: &[&str]) -> Vec<(String, usize)> {
    let stream = TokenStream::from_str(text).unwrap_or_default();
    let mut foreign: BTreeSet<String> = crates.iter().map(|&c| c.to_owned()).collect();
    for path in paths(text, &[]).unwrap_or_default() {
        if let Path::Outside { first, rest, .. } = path
            && crates.contains(&first.as_str())
            && let Some(last) = rest.last()
        {
            foreign.insert(last.clone());
        }
    }
    let mut found = Vec::new();
    public(stream, &foreign, &mut found);
    found
}

fn public(stream: TokenStream, foreign: &BTreeSet<String>, found: &mut Vec<(String, usize)>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        if is_test_attribute(&tokens, i) {
            i = after_item(&tokens, i);
            continue;
        }
        let restricted =
            matches!(tokens.get(i + 1), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis);
        match &tokens[i] {
            TokenTree::Ident(x) if x == "pub" && !restricted => {
                let rest = &tokens[i + 1..];
                let of_type =
                    rest.iter().take(2).any(|t| matches!(t, TokenTree::Ident(x) if x == "enum" || x == "trait"));
                let end = end_of_signature(rest);
                mentioned(&rest[..end], foreign, found);
                if let (true, Some(TokenTree::Group(body))) = (of_type, rest.get(end)) {
                    mentioned(&[TokenTree::Group(Group::new(Delimiter::None, body.stream()))], foreign, found);
                }
                i += 1 + end;
                // A struct's body is read for its own public fields.
                continue;
            }
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => public(g.stream(), foreign, found),
            _ => {}
        }
        i += 1;
    }
}

/// Where a signature ends: at its body, its semicolon, or the comma after a field, but not one between type arguments.
fn end_of_signature(tokens: &[TokenTree]) -> usize {
    let mut angles = 0;
    for (i, t) in tokens.iter().enumerate() {
        let arrow = i > 0 && is_punct(&tokens[i - 1], '-');
        if is_punct(t, '<') {
            angles += 1;
        } else if is_punct(t, '>') && !arrow {
            angles -= 1;
        }
        let body = matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
        // The braces of a `use` are its names, and its end is a semicolon.
        let is_use = matches!(&tokens[0], TokenTree::Ident(x) if x == "use");
        if is_punct(t, ';') || body && !is_use || is_punct(t, ',') && angles == 0 {
            return i;
        }
    }
    tokens.len()
}

fn mentioned(tokens: &[TokenTree], foreign: &BTreeSet<String>, found: &mut Vec<(String, usize)>) {
    for t in tokens {
        match t {
            TokenTree::Ident(x) if foreign.contains(&x.to_string()) => {
                found.push((x.to_string(), x.span().start().line));
            }
            TokenTree::Group(g) => mentioned(&g.stream().into_iter().collect::<Vec<_>>(), foreign, found),
            _ => {}
        }
    }
}

#[test]
fn the_reader_sees_every_spelling_of_a_path() {
    let text = r#"
use crate::{model::Plan, event::{self, Log}};
use std::{fs, process::{Command, Stdio}};
use super::super::journal;
use super::sibling;
/// crate::comment::is_none
fn f(x: kube::Client) -> crate::run::X { let s = "crate::string"; call!(crate::effect::y()); a.kube.b(); x::kube::y() }
mod inner { use super::super::super::script::Z; use super::Inside; }
#[cfg(test)]
mod tests { use crate::cli::X; }
#[cfg(test)]
use crate::fleet::{A, B};
fn last() { self::super::super::check::now() }
"#;
    let found = paths(text, &["cluster".to_owned(), "watch".to_owned()]).unwrap();
    let own = found
        .iter()
        .filter_map(|p| if let Path::Own { first, line } = p { Some((first.as_str(), *line)) } else { None });
    let own: Vec<_> = own.collect();
    assert_eq!(
        own,
        [
            ("model", 2),
            ("event", 2),
            ("event", 2),
            ("journal", 4),
            ("run", 7),
            ("effect", 7),
            ("script", 8),
            ("check", 13)
        ]
    );
    let outside = found.iter().filter_map(|p| {
        if let Path::Outside { first, rest, .. } = p { Some(format!("{first}::{}", rest.join("::"))) } else { None }
    });
    let outside: Vec<_> = outside.collect();
    assert_eq!(outside, ["std::fs", "std::process::Command", "std::process::Stdio", "kube::Client", "x::kube::y"]);
}

#[test]
fn the_reader_sees_what_a_public_signature_gives_away() {
    let text = "use tokio::runtime::Handle;
pub struct A { pub engine: rhai::Engine, inner: Handle }
pub fn of(h: &Handle) -> A { let x: Handle = h; }
pub(crate) fn inside(h: Handle) {}
impl A { pub fn go(&self, c: impl Into<kube::Client>) { tokio::spawn(x) } fn quiet(h: Handle) {} }
pub enum B { One(reqwest::Error) }
pub use {std::fs, kube::{Config}};
";
    let found = public_names(text, &["rhai", "kube", "tokio", "reqwest"]);
    let lines: BTreeSet<usize> = found.iter().map(|f| f.1).collect();
    assert_eq!(lines, BTreeSet::from([2, 3, 5, 6, 7]), "{found:?}");
    assert!(!found.iter().any(|f| f.1 == 2 && f.0 == "Handle"), "a private field is private");
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_test_code() {
    let text = r#"mod a; #[cfg(test)] mod tests; #[cfg(not(test))] mod b; #[path = "c_tests.rs"] #[cfg(test)] mod c;
#[cfg(test)] #[path = "d_tests.rs"] mod d;"#;
    assert_eq!(
        test_modules(text, "src/run/verify", "src/run"),
        ["src/run/verify/tests", "src/run/c_tests", "src/run/d_tests"]
    );
}
