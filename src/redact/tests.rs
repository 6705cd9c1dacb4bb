use base64::{Engine as _, prelude::*};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const VALUE: &str = "pässw0rd \"x\"/+&Q";

fn knowing(values: &[&str]) -> Scrubber {
    let scrubber = Scrubber::new();
    for value in values {
        scrubber.learn(&Secret::new(*value));
    }
    scrubber
}

fn percent(text: &str, keep: impl Fn(u8) -> bool) -> String {
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Every form that the value is guarded in.
fn every_form(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let twice = serde_json::to_string(&json).unwrap();
    let ascii: String = value
        .encode_utf16()
        .map(|u| if u < 128 { char::from(u8::try_from(u).unwrap()).to_string() } else { format!("\\u{u:04x}") })
        .collect();
    vec![
        value.into(),
        json.clone(),
        twice[1..twice.len() - 1].into(),
        json.replace('/', "\\/"),
        if value.contains(['\\', '"', '\n', '\r', '\t']) { json } else { ascii },
        format!("{value:?}").trim_matches('"').into(),
        percent(value, |b| b.is_ascii_alphanumeric()),
        value
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") })
            .collect(),
        percent(value, |b| b.is_ascii_alphanumeric() || b"-._~/:@".contains(&b)),
        percent(value, |b| b.is_ascii_alphanumeric() || b == b' ').replace(' ', "+"),
        BASE64_STANDARD.encode(value),
        BASE64_STANDARD_NO_PAD.encode(value),
        BASE64_URL_SAFE.encode(value),
        BASE64_URL_SAFE_NO_PAD.encode(value),
    ]
}

#[test]
fn a_secret_is_never_shown() {
    let secret = Secret::new(VALUE);
    assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "«secret» «secret» Some(«secret»)");
    assert_eq!(secret.expose(), VALUE);
}

#[test]
fn a_value_goes_in_every_form_and_what_is_around_it_stays() {
    let scrubber = knowing(&[VALUE]);
    for form in every_form(VALUE) {
        let text = format!("before {form} after");
        assert_eq!(scrubber.scrub(&text), "before «secret» after", "{form}");
    }
}

#[test]
fn base64_of_a_longer_text_hides_the_value_at_every_offset() {
    let scrubber = knowing(&["hunter2hunter2"]);
    for before in ["", "a", "ab", "abc", "user:"] {
        for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
            let text = engine.encode(format!("{before}hunter2hunter2@host"));
            let scrubbed = scrubber.scrub(&text).into_owned();
            assert!(scrubbed.contains(REPLACEMENT), "{before}: {scrubbed}");
            assert!(scrubbed.len() < text.len(), "{scrubbed}");
        }
    }
}

#[test]
fn a_value_that_is_wrapped_or_indented_is_found_across_line_ends() {
    let value = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQ\n-----END KEY-----";
    let scrubber = knowing(&[value]);
    let indented = format!("data: |\n    {}\nrest: 1", value.replace('\n', "\n    "));
    assert_eq!(scrubber.scrub(&indented), "data: |\n    «secret»\nrest: 1");
    let encoded = BASE64_STANDARD.encode(value);
    let wrapped: Vec<&str> = encoded.as_bytes().chunks(24).map(|c| std::str::from_utf8(c).unwrap()).collect();
    assert_eq!(scrubber.scrub(&format!("> {} <", wrapped.join("\r\n  "))), "> «secret» <");
    let json = serde_json::to_string(&wrapped.join("\n")).unwrap();
    assert_eq!(scrubber.scrub(&json), "\"«secret»\"");
    // a line of it alone, as a diff shows it
    assert_eq!(scrubber.scrub("+ MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"), "+ «secret»");
}

#[test]
fn words_beside_each_other_are_no_value_and_a_line_end_makes_one() {
    let scrubber = knowing(&["swordfishes"]);
    assert_eq!(scrubber.scrub("sword fishes"), "sword fishes");
    assert_eq!(scrubber.scrub("sword\nfishes"), "«secret»");
}

#[test]
fn a_short_value_goes_only_where_it_stands_alone() {
    let scrubber = Scrubber::new();
    assert_eq!(scrubber.learn(&Secret::new("ab1")), Guarded::Alone);
    assert_eq!(scrubber.learn(&Secret::new(" \n")), Guarded::Empty);
    assert_eq!(scrubber.learn(&Secret::new("abcd")), Guarded::Everywhere);
    assert_eq!(scrubber.scrub("cab1n"), "cab1n");
    assert_eq!(scrubber.scrub("ab1\n"), REPLACEMENT);
    let mut value = json!({"pin": "ab1", "encoded": BASE64_STANDARD.encode("ab1"), "text": "cab1n"});
    scrubber.scrub_value(&mut value);
    assert_eq!(value, json!({"pin": "«secret»", "encoded": "«secret»", "text": "cab1n"}));
    let mut stream = scrubber.stream();
    let mut out = stream.push(b"a");
    out.extend(stream.push(b"b1\n"));
    out.extend(stream.finish());
    assert_eq!(String::from_utf8(out).unwrap(), REPLACEMENT);
}

#[test]
fn what_anybody_would_guess_blanks_nothing() {
    let scrubber = Scrubber::new();
    for value in ["true", "False", "1", "0", "5432", "65535", "x", "on", "default", " true\n"] {
        assert_eq!(scrubber.learn(&Secret::new(value)), Guarded::Ordinary, "{value}");
    }
    assert!(!scrubber.knows_any());
    // with another value beside them
    scrubber.learn(&Secret::new("hunter22"));
    let mut value =
        json!({ "replicas": 1, "ready": true, "ready in words": "true", "port": 5432, "namespace": "default" });
    assert!(!scrubber.scrub_value(&mut value), "{value}");
    assert_eq!(scrubber.scrub("1 of 1 is true on port 5432"), "1 of 1 is true on port 5432");
    // not ordinary: a number that could be a code, a word that is longer
    assert_eq!(scrubber.learn(&Secret::new("654321")), Guarded::Everywhere);
    assert_eq!(scrubber.learn(&Secret::new("trueish")), Guarded::Everywhere);
    assert_eq!(scrubber.scrub("the code is 654321, trueish"), "the code is «secret», «secret»");
}

#[test]
fn strings_keys_and_numbers_of_json_are_scrubbed() {
    let scrubber = knowing(&["hunter22", "123456"]);
    let mut value = json!({"a": ["x hunter22"], "hunter22": {"pin": 123_456, "n": 7}, "t": true});
    assert!(scrubber.finds(&value));
    scrubber.scrub_value(&mut value);
    assert_eq!(value, json!({"a": ["x «secret»"], "«secret»": {"pin": "«secret»", "n": 7}, "t": true}));
    assert!(!scrubber.finds(&value));
}

#[test]
fn scrubbing_again_changes_nothing() {
    let scrubber = knowing(&["secret", "ecre"]);
    let once = scrubber.scrub("a secret b").into_owned();
    assert_eq!(once, "a «secret» b");
    assert_eq!(scrubber.scrub(&once), once);
}

#[test]
fn a_large_text_is_scrubbed_in_pieces_also_where_two_of_them_meet() {
    let scrubber = knowing(&["hunter22"]);
    let text = format!("{}hunter22{}", "x".repeat(PIECE - 3), "y".repeat(PIECE));
    assert_eq!(scrubber.scrub(&text), format!("{}«secret»{}", "x".repeat(PIECE - 3), "y".repeat(PIECE)));
}

#[test]
fn a_large_value_goes_as_it_is_and_in_base64() {
    let value = serde_json::to_string(&(0..20_000).collect::<Vec<u32>>()).unwrap();
    let scrubber = knowing(&[&value]);
    for text in [value.clone(), BASE64_STANDARD.encode(&value), value.replace('7', "%37")] {
        let scrubbed = scrubber.scrub(&format!("a {text} b")).into_owned();
        assert!(
            scrubbed.starts_with("a «secret»") && scrubbed.ends_with(" b") && scrubbed.len() < 20,
            "{}",
            scrubbed.len()
        );
    }
}

#[test]
fn values_that_overlap_go_together() {
    assert_eq!(knowing(&["abcdef", "defghi"]).scrub("-abcdefghi-"), "-«secret»-");
}

#[test]
fn a_stream_of_one_repeated_character_is_not_held_back_for_ever() {
    let scrubber = knowing(&["aaaa"]);
    let mut stream = scrubber.stream();
    let mut out = vec![];
    for _ in 0..100 {
        out.extend(stream.push(&[b'a'; 100]));
        assert!(stream.held_bytes() < 200);
    }
    out.extend(stream.push(b" end"));
    out.extend(stream.finish());
    assert_eq!(String::from_utf8(out).unwrap(), "«secret» end");
}

#[test]
fn a_stream_gives_at_once_what_cannot_be_a_beginning() {
    let scrubber = knowing(&["hunter22"]);
    let mut stream = scrubber.stream();
    assert_eq!(stream.push(b"pulling images\n"), b"pulling images\n");
    assert_eq!(stream.push(b"token=hunt"), b"token=");
    assert_eq!(stream.push(b"ed\n"), b"hunted\n");
    assert_eq!(stream.finish(), b"");
}

#[test]
fn two_clones_know_the_same_and_learning_takes_effect_at_once() {
    let scrubber = Scrubber::new();
    let clone = scrubber.clone();
    assert_eq!(scrubber.scrub("hunter22"), "hunter22");
    clone.learn(&Secret::new("hunter22"));
    assert_eq!(scrubber.scrub("hunter22"), REPLACEMENT);
    assert_eq!(format!("{scrubber:?}"), "Scrubber(1 values)");
}

fn value() -> impl Strategy<Value = String> {
    // begins and ends with a letter, so that nothing of it is trimmed away
    "[a-zA-Z][ -~äß€😀\n\"\\\\/%+]{3,40}[a-zA-Z]"
}

#[test]
fn what_is_too_short_to_hold_a_value_still_may_be_a_short_one() {
    let scrubber = knowing(&["a-long-enough-value", "k7"]);
    assert_eq!(scrubber.scrub("nothing"), "nothing");
    assert_eq!(scrubber.scrub(" k7\n"), REPLACEMENT);
    assert_eq!(scrubber.scrub("a-long-enough-value"), REPLACEMENT);
    // what is learnt later counts from then on, shorter or not
    scrubber.learn(&Secret::new("nothi"));
    assert_eq!(scrubber.scrub("nothing"), format!("{REPLACEMENT}ng"));
    let mut value = json!({ "a": ["nothing", 7], "b": "else" });
    assert!(scrubber.scrub_value(&mut value) && !scrubber.scrub_value(&mut json!(["else"])));
    assert_eq!(value["a"][0], format!("{REPLACEMENT}ng"));
}

proptest! {
    #[test]
    fn no_form_of_a_value_survives_any_chunking(
        value in value(),
        before in "[ -~\n]{0,20}",
        after in "[ -~\n]{0,20}",
        form in 0usize..14,
        cuts in proptest::collection::vec(1usize..9, 1..60),
    ) {
        let forms = every_form(&value);
        let form = &forms[form];
        // an escape of the surroundings may swallow the beginning of the form: then it is another text
        let before = before.trim_end_matches(|c: char| c == '\\' || c == '%' || c.is_ascii_hexdigit()).to_owned() + " ";
        let text = format!("{before}{form}{after}");
        let scrubber = knowing(&[&value]);
        let at_once = scrubber.scrub(&text).into_owned();
        prop_assert!(at_once.contains(REPLACEMENT), "{text:?} -> {at_once:?}");
        prop_assert!(!at_once.contains(form.as_str()) || REPLACEMENT.contains(form.as_str()), "{at_once:?}");
        let mut stream = scrubber.stream();
        let (mut out, mut rest) = (vec![], text.as_bytes());
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, next) = rest.split_at(cut.min(rest.len()));
            out.extend(stream.push(piece));
            rest = next;
        }
        out.extend(stream.finish());
        prop_assert_eq!(String::from_utf8_lossy(&out), at_once);
    }

    #[test]
    fn no_input_panics_or_changes_without_a_value_in_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let scrubber = knowing(&["~~never~there~~"]);
        prop_assert_eq!(&*scrubber.scrub_bytes(&bytes), &bytes[..]);
        let mut stream = scrubber.stream();
        let mut out = stream.push(&bytes);
        out.extend(stream.finish());
        prop_assert_eq!(out, bytes);
    }
}
