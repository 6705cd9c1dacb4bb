//! Any events.

use super::*;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = "[\\PC\n\r\t\u{0}\"\\\\]{0,60}";
    prop_oneof![
        text.prop_map(|text| noted(&text)),
        (text, any::<usize>(), any_value()).prop_map(|(name, turn, value)| Event::Discovered {
            name,
            turn,
            context: None,
            value,
            failed: None,
            place: Place::new("a", 1, 1),
        }),
        (text, text).prop_map(|(reason, help)| {
            let mut failure = Failure::new(FailureKind::Change, reason);
            failure.help.push(help);
            Event::Failed { failure }
        }),
        (proptest::collection::vec(text, 0..4), any::<u32>(), proptest::option::of(any::<u64>()))
            .prop_map(|(command, pid, started)| Event::ChildStarted { command, pid, started, boot: None }),
        (text, any::<u32>(), any::<i32>()).prop_map(|(stdout, pid, status)| Event::ChildEnded {
            pid,
            status,
            stdout,
            stderr: String::new()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_events_are_read_as_they_were_written(events in proptest::collection::vec(any_event(), 0..12)) {
        let fixture = Fixture::with(&events);
        let read: Vec<Event> = fixture.lines().unwrap().into_iter().skip(1).map(|line| line.event.unwrap()).collect();
        prop_assert_eq!(read, events);
        drop(fixture.store.open(&run()).unwrap());
    }

    #[test]
    fn no_journal_panics_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "[{}\":,vntkph0-9.\n]{0,200}") {
        let fixture = Fixture::with(&[]);
        let mut whole = fs::read(fixture.journal()).unwrap();
        whole.extend_from_slice(&bytes);
        fs::write(fixture.journal(), &whole).unwrap();
        let _ = fixture.lines();
        fs::write(fixture.journal(), text).unwrap();
        let _ = fixture.lines();
    }
}

#[test]
fn a_long_journal_folds_quickly() {
    let observed = || Event::Observed {
        step: Some(crate::model::StepId::new("prerequisites/create-namespace")),
        verify: 0,
        text: "the namespace is Active".into(),
        verdict: crate::model::Verdict::NotYet,
        observations: vec![],
        reason: Some("Namespace/monitoring does not exist yet".into()),
    };
    let fixture = Fixture::new();
    let mut log = fixture.store.create(&run(), b"{}").unwrap();
    log.append(&opened(&run())).unwrap();
    let lines = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    for _ in 0..lines {
        log.append(&observed()).unwrap();
    }
    drop(log);
    let bytes = fs::metadata(fixture.journal()).unwrap().len();
    let started = std::time::Instant::now();
    assert_eq!(fixture.store.state(&run()).unwrap().lines, lines + 1);
    let took = started.elapsed();
    eprintln!("{lines} lines of {} bytes folded in {took:?}", bytes / lines);
    if !cfg!(debug_assertions) {
        assert!(took.as_millis() < 1_000, "{took:?}: the bar is 200 ms on a quiet machine");
    }
}
