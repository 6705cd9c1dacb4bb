use super::{lines, try_verify, verdict, verify};

/// The value of the Secret that `k8s::get("secret")` gives, the other one's, and what is compared with them.
const VALUES: [&str; 3] = ["aHVudGVyMg==", "b3RoZXI=", "guessed"];

#[test]
fn values_of_secrets_are_compared_like_texts() {
    for (closure, expected) in [
        ("|| k8s::get(\"secret\").data.password == \"aHVudGVyMg==\"", true),
        ("|| \"guessed\" == k8s::get(\"secret\").data.password", false),
        ("|| k8s::get(\"secret\").data.password == k8s::get(\"same\").data.password", true),
        ("|| k8s::get(\"secret\").data.password != k8s::get(\"other\").data.password", true),
        ("|| k8s::get(\"secret\").data == k8s::get(\"same\").data", true),
        ("|| k8s::get(\"secret\").data == k8s::get(\"other\").data", false),
        ("|| k8s::get(\"secret\").data == #{ password: \"guessed\", user: \"bWU=\" }", false),
        ("|| k8s::get(\"secret\").data.password != ()", true),
        ("|| k8s::get(\"secret\").data.nothing == ()", true),
        ("|| k8s::get(\"secret\").data.password in [\"guessed\", \"aHVudGVyMg==\"]", true),
        ("|| \"guessed\" in k8s::get(\"secret\").data.password", false),
        ("|| \"password\" in k8s::get(\"secret\").data", true),
        ("|| k8s::get(\"secret\").data.keys() == [\"password\", \"user\"]", true),
        ("|| k8s::get(\"secret\").data.values().all(|value| value.len() > 0)", true),
        ("|| k8s::get(\"secret\").data.password.len() == 12", true),
        ("|| k8s::get(\"secret\").data.password.is_empty() == false", true),
        ("|| k8s::get(\"secret\").data.password.starts_with(\"aHV\")", true),
        ("|| k8s::get(\"secret\").data.password.contains(\"guessed\")", false),
        ("|| \"pre-\" + k8s::get(\"secret\").data.password == \"pre-aHVudGVyMg==\"", true),
        ("|| k8s::get(\"secret\").to_map().data.password == \"guessed\"", false),
        ("|| expect(k8s::get(\"secret\"), #{ type: \"Opaque\", data: #{ password: \"aHVudGVyMg==\" } })", true),
        ("|| expect(k8s::get(\"secret\"), #{ data: #{ password: \"guessed\" } })", false),
        ("|| expect(#{ all: k8s::get(\"secrets\") }, #{ all: [#{ data: #{ password: \"guessed\" } }] })", false),
        ("|| k8s::get(\"secrets\").any(|one| one.data.password == \"guessed\")", false),
        ("|| k8s::get(\"secrets\").filter(|one| one.data.password == \"guessed\").len() == 0", true),
        ("|| absent(k8s::get(\"secret\"), \"data.password\")", false),
        ("|| absent(k8s::get(\"secret\"), \"data.nothing\")", true),
    ] {
        let evaluation = verify(closure);
        assert_eq!(evaluation.verdict.holds(), expected, "{closure}: {:?}", evaluation.observations);
        // what a person wrote stands in the expression
        let text = lines(&evaluation.observations).join("\n").replace(closure.trim_start_matches("|| "), "");
        for observation in &evaluation.observations {
            let shown = format!("{:?} {:?} {:?}", observation.expected, observation.observed, observation.reason);
            assert!(VALUES.iter().all(|value| !shown.contains(value)), "{closure}: {shown}");
        }
        assert!(VALUES.iter().all(|value| !text.contains(value)) || closure.contains("|one|"), "{closure}: {text}");
    }
}

#[test]
fn what_is_open_of_a_secret_is_shown_as_of_any_object() {
    assert_eq!(
        lines(
            &verify("|| k8s::get(\"secret\").metadata.name == \"x\" || k8s::get(\"secret\").type == \"y\"")
                .observations
        ),
        [
            "k8s::get(\"secret\").metadata.name == \"x\" | \"login\" == \"x\" false",
            "k8s::get(\"secret\").type == \"y\" | \"Opaque\" == \"y\" false",
        ]
    );
}

#[test]
fn a_comparison_tells_the_same_or_different_and_the_types() {
    let told = |closure: &str| lines(&verify(closure).observations).join("\n");
    let of = |closure: &str| told(closure).split(" | ").nth(1).unwrap().to_owned();
    assert_eq!(
        of("|| k8s::get(\"secret\").data.password == \"guessed\""),
        "\"(Secret)\" == \"(string)\" false (different)"
    );
    assert_eq!(
        of("|| k8s::get(\"secret\").data.password != k8s::get(\"same\").data.password"),
        "\"(Secret)\" != \"(Secret)\" false (the same)"
    );
    assert_eq!(
        of("|| k8s::get(\"secret\").data == #{ password: \"guessed\", n: 1 }"),
        "{\"password\":\"(Secret)\",\"user\":\"(Secret)\"} == {\"n\":\"(integer)\",\"password\":\"(string)\"} false (different)"
    );
    assert_eq!(
        of("|| k8s::get(\"secret\").data.password in [\"guessed\"]"),
        "\"(Secret)\" in [\"(string)\"] false (a secret's value is not shown)"
    );
    let expected = told("|| expect(k8s::get(\"secret\"), #{ data: #{ password: \"guessed\" } })");
    assert!(expected.contains("data.password | \"(Secret)\" == \"(string)\" false (different)"), "{expected}");
    let absent = told("|| absent(k8s::get(\"secret\"), \"data.password\")");
    assert!(absent.contains("`data.password` is \"(Secret)\""), "{absent}");
}

#[test]
fn what_is_missing_in_a_secret_is_not_yet() {
    assert_eq!(
        verdict("|| k8s::get(\"secret\").data.pasword == \"x\""),
        "not yet: `data.pasword` of Secret/web/login is missing; did you mean `password`?"
    );
    assert!(
        verdict("|| \"a\" + k8s::get(\"secret\").data.none == k8s::get(\"secret\").data.user").starts_with("not yet")
    );
    assert!(verdict("|| k8s::get(\"secret\").data.user + k8s::get(\"no\").data.none == \"x\"").starts_with("not yet"));
}

#[test]
fn what_has_no_answer_says_so_without_a_value() {
    for (closure, words) in [
        ("|| k8s::get(\"secret\").data.password < \"guessed\"", "a secret has no order"),
        ("|| k8s::get(\"secret\").data.password == 5", "a secret is compared with a text or another secret"),
        ("|| k8s::get(\"secret\").data.password", "this one gave a value of type Secret"),
        ("|| k8s::get(\"before\").data.password == \"guessed\"", "was not kept"),
        ("|| expect(k8s::get(\"before\"), #{ data: #{ password: \"guessed\" } })", "was not kept"),
    ] {
        let error = try_verify(closure).unwrap_err().to_string();
        assert!(error.contains(words), "{closure}: {error}");
        assert!(VALUES.iter().all(|value| !error.contains(value)), "{closure}: {error}");
    }
}
