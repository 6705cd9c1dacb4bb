//! The messages that a person sees, as they stand on a terminal.

use super::*;

fn shown(text: &str) -> String {
    let declared = declared(text);
    let sources = Texts::new("p.rhai", text);
    declared.findings.iter().map(|finding| excerpt::excerpt(finding, &sources)).collect::<Vec<_>>().join("\n\n")
}

/// What a closure's error looks like when it runs.
fn failing(text: &str) -> String {
    let declared = sound(text);
    let error = if declared.has(&Body::Change(step("steps/s"))) {
        change(&declared, "steps/s").unwrap_err()
    } else {
        verify(&declared, "steps/s").unwrap_err()
    };
    excerpt::excerpt(&error.finding(), &Texts::new("p.rhai", text))
}

#[test]
fn a_syntax_error() {
    insta::assert_snapshot!(shown("plan(\"p\")\n    .problem(\"x\";\n"), @r#"
    error[syntax]: expected `,` to separate the arguments to function call 'problem'
     --> p.rhai:2:17
      |
    2 |     .problem("x";
      |                 ^
    "#);
}

#[test]
fn a_typo_in_the_name_of_a_native() {
    insta::assert_snapshot!(failing("plan(\"p\");\nstep(\"s\").change(|| json::parze(\"1\"));"), @r#"
    error[unknown-name]: no function `json::parze`
     --> p.rhai:2:27
      |
    2 | step("s").change(|| json::parze("1"));
      |                           ^^^^^
      |
      = help: did you mean `json::parse`?
    "#);
}

#[test]
fn an_unknown_native_module() {
    insta::assert_snapshot!(shown("plan(\"p\");\njsn::parse(\"1\");"), @r#"
    error[unknown-name]: no module `jsn`
     --> p.rhai:2:1
      |
    2 | jsn::parse("1");
      | ^^^
      |
      = help: did you mean `json`?
    "#);
}

#[test]
fn an_unknown_module_inside_a_closure() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"s\").change(|| chekcs::x());"), @"");
}

#[test]
fn a_closure_of_the_wrong_arity() {
    insta::assert_snapshot!(shown("plan(\"p\");\nlet n = 1;\nstep(\"s\").change(|x| x + n);"), @r#"
    error[closure-arity]: the closure of `.change` takes 1 argument, but runs without any
     --> p.rhai:3:18
      |
    3 | step("s").change(|x| x + n);
      |                  ^^^
      |
      = help: write `|| …`: it sees the variables around it as they are here
    "#);
}

#[test]
fn an_unknown_method() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"s\").changes(|| 1);"), @r#"
    error[unknown-name]: a step has no `.changes`
     --> p.rhai:2:11
      |
    2 | step("s").changes(|| 1);
      |           ^^^^^^^
      |
      = help: did you mean `.change`?
    "#);
}

#[test]
fn a_method_of_something_else() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"s\").goal(\"x\");"), @r#"
    error[unknown-name]: a step has no `.goal`
     --> p.rhai:2:11
      |
    2 | step("s").goal("x");
      |           ^^^^
      |
      = help: `.goal` belongs to a phase
    "#);
}

#[test]
fn a_wrong_argument() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"s\").verify(\"v\", || true).within(120);"), @r#"
    error[value]: `within` does not take a whole number
     --> p.rhai:2:32
      |
    2 | step("s").verify("v", || true).within(120);
      |                                ^^^^^^
      |
      = help: write `.within("2m")`
    "#);
}

#[test]
fn a_bad_duration() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"s\").verify(\"v\", || true).within(\"2 minutes\").stays(\"5\");"), @r#"
    error[declaration]: `2 minutes` is not a duration: write a number with a unit, such as "500ms", "90s", "2m", "1h30m" or "7d"
     --> p.rhai:2:32
      |
    2 | step("s").verify("v", || true).within("2 minutes").stays("5");
      |                                ^^^^^^

    error[declaration]: `5` is not a duration: write a number with a unit, such as "500ms", "90s", "2m", "1h30m" or "7d"
     --> p.rhai:2:52
      |
    2 | step("s").verify("v", || true).within("2 minutes").stays("5");
      |                                                    ^^^^^
    "#);
}

#[test]
fn a_duplicate_step() {
    insta::assert_snapshot!(shown("plan(\"p\");\nstep(\"same\");\nlet x = 1;\nlet y = 2;\nstep(\"Same\");"), @r#"
    error[duplicate-step]: two steps of this phase are called "Same"
     --> p.rhai:5:1
      |
    2 | step("same");
      | ---- the first one
    ...
    5 | step("Same");
      | ^^^^
      |
      = help: give each step its own title; in a loop, put the variable into it: `` step(`… ${name}`) ``
    "#);
}

#[test]
fn a_missing_import() {
    insta::assert_snapshot!(shown("import \"chekcs\" as checks;\nplan(\"p\");"), @r#"
    error[missing-import]: no module `chekcs.rhai`
     --> p.rhai:1:8
      |
    1 | import "chekcs" as checks;
      |        ^^^^^^^^
      |
      = help: write the script to chekcs.rhai, or mend the path: it is read from the importing file on
    "#);
}

#[test]
fn undeclared_names_all_at_once() {
    insta::assert_snapshot!(shown("plan(\"p\");\nlet image = 1;\nstep(\"s\").change(|| imag);\nfn f() { other }\nprint(third);"), @r#"
    error[unknown-name]: no variable `imag`
     --> p.rhai:3:21
      |
    3 | step("s").change(|| imag);
      |                     ^^^^
      |
      = help: did you mean `image`?
      = help: declare it first with `let imag = …`; inside a function, pass it as an argument

    error[unknown-name]: no variable `other`
     --> p.rhai:4:10
      |
    4 | fn f() { other }
      |          ^^^^^
      |
      = help: declare it first with `let other = …`; inside a function, pass it as an argument

    error[unknown-name]: no variable `third`
     --> p.rhai:5:7
      |
    5 | print(third);
      |       ^^^^^
      |
      = help: declare it first with `let third = …`; inside a function, pass it as an argument
    "#);
}

#[test]
fn an_output_read_while_declaring() {
    insta::assert_snapshot!(shown("plan(\"p\");\nlet a = step(\"a\").change(|| 1);\nprint(a.output);"), @r#"
    error[wrong-mode]: the output of step steps/a is not there yet: nothing has run
     --> p.rhai:3:9
      |
    3 | print(a.output);
      |         ^^^^^^
      |
      = help: read `.output` inside a closure: `.change(|| … earlier.output …)`
    "#);
}

#[test]
fn a_verify_that_is_not_a_bool() {
    insta::assert_snapshot!(failing("plan(\"p\");\nstep(\"s\").verify(\"v\", || \"Active\");"), @r#"
    error[wrong-result]: an assertion gives true or false; this one gave a value of type string: end it with a comparison
     --> p.rhai:2:23
      |
    2 | step("s").verify("v", || "Active");
      |                       ^^
    "#);
}

#[test]
fn an_error_in_a_function_shows_the_way_there() {
    insta::assert_snapshot!(failing("plan(\"p\");\nfn deep(x) {\n    x + 1\n}\nstep(\"s\").change(|| deep([]) - 1);"), @r#"
    error[value]: cannot add a list and a whole number
     --> p.rhai:3:7
      |
    3 |     x + 1
      |       ^
    4 | }
    5 | step("s").change(|| deep([]) - 1);
      |                     ---- called here
    "#);
}

#[test]
fn what_is_off_says_what_to_write_instead() {
    insta::assert_snapshot!(failing("plan(\"p\");\nstep(\"s\").change(|| sleep(5));"), @r#"
    error[unknown-name]: `sleep` is not part of the playbook language
     --> p.rhai:2:21
      |
    2 | step("s").change(|| sleep(5));
      |                     ^^^^^
      |
      = help: write a verify with `.within("2m")`: it waits until something is so
    "#);
}

#[test]
fn a_secret_that_would_become_text() {
    insta::assert_snapshot!(failing("plan(\"p\");\nlet k = secret(\"token\", #{ env: \"T\" });\nstep(\"s\").change(|| { let u = `https://x?${k}`; u });"), @r#"
    error[secret]: a secret cannot become text
     --> p.rhai:3:43
      |
    3 | step("s").change(|| { let u = `https://x?${k}`; u });
      |                                           ^
      |
      = help: pass the secret itself to the native that needs it; `"text" + secret` gives a secret
    "#);
}

#[test]
fn a_native_that_reads_while_declaring() {
    insta::assert_snapshot!(shown("plan(\"p\");\nlet nodes = k8s::list(\"Node\");"), @r#"
    error[wrong-mode]: `k8s::list` was called while the plan is declared: nothing runs yet
     --> p.rhai:2:18
      |
    2 | let nodes = k8s::list("Node");
      |                  ^^^^
      |
      = help: put it into a closure, `.verify("…", || k8s::list(…) …)`, or write `discover("…", sample, || k8s::list(…))`
    "#);
}

#[test]
fn a_native_that_changes_in_a_verify() {
    insta::assert_snapshot!(failing("plan(\"p\");\nstep(\"s\").verify(\"v\", || k8s::delete(\"Pod/a/b\"));"), @r#"
    error[wrong-mode]: `k8s::delete` changes something, but this is a verify of step steps/s
     --> p.rhai:2:31
      |
    2 | step("s").verify("v", || k8s::delete("Pod/a/b"));
      |                               ^^^^^^
      |
      = help: put it into `.change(|| k8s::delete(…))`
    "#);
}

#[test]
fn an_import_that_is_missing_beside_one_that_is_there() {
    let text = "import \"std/flx\" as flux;\nplan(\"p\");";
    insta::assert_snapshot!(shown(text), @r#"
    error[missing-import]: no module `std/flx`
     --> p.rhai:1:8
      |
    1 | import "std/flx" as flux;
      |        ^^^^^^^^^
      |
      = help: did you mean `std/flux`?
    "#);
}
