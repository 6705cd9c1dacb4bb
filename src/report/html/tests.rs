use super::*;
use crate::{
    model::Plan,
    report::{Declared, fixture},
};

fn page(plan: &Plan) -> String {
    let picture = Picture::of(plan, vec![], None);
    html(&Document::new(plan.clone(), plan.digest(), vec![], Declared::On("staging"), picture))
}

#[test]
fn the_page_has_every_section_and_each_step_can_be_linked_to() {
    let page = page(&fixture::plan());
    for (n, title) in ["Objective", "Context &amp; Constraints", "Current State", "Target State", "Phases &amp; Tasks"]
        .into_iter()
        .chain(["Validation &amp; Testing", "Rollback Plan", "Open Questions"])
        .enumerate()
    {
        let heading = format!("<h2 id=\"s{0}\">{0}. {title}</h2>", n + 1);
        assert!(page.contains(&heading), "{heading}");
        assert!(page.contains(&format!("<a href=\"#s{}\">", n + 1)));
    }
    for step in fixture::plan().steps() {
        assert_eq!(page.matches(&format!("id=\"step-{}\"", step.id)).count(), 1, "{}", step.id);
        assert!(page.contains(&format!("href=\"#step-{}\"", step.id)));
    }
    assert!(page.contains("<span class=\"key\">verify:</span> namespace is Active"), "{page}");
    assert!(!page.contains("open question"), "nothing is open");
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    let page = page(&fixture::plan());
    for word in ["<script", "<link", "<img", "@import", "url(http", "src=", "<iframe", "onload"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_is_open_stands_at_the_top_in_words() {
    let mut plan = fixture::plan();
    plan.current.clear();
    plan.questions[0].resolution = crate::model::Resolution::Open;
    let page = page(&plan);
    let (top, rest) = page.split_once("<main>").unwrap();
    assert!(top.contains("2 open questions"), "{top}");
    assert!(top.contains("What is the current state?") && top.contains("What owns the dashboards?"), "{top}");
    assert!(rest.contains("What is the current state?"), "and in section 8");
}

#[test]
fn whatever_a_playbook_says_is_text() {
    let nasty = "\"><script>alert(1)</script> [x](javascript:alert(1)) ![i](http://e.example/x.png) <b>&amp; \u{1b}[2J";
    let mut plan = fixture::plan();
    plan.title = nasty.into();
    plan.problem = Some(nasty.into());
    plan.current = vec![nasty.into(), "<div>".into()];
    plan.risks[0].text = nasty.into();
    plan.risks[0].affects = vec![nasty.into()];
    plan.phases[0].title = nasty.into();
    plan.questions[0].text = nasty.into();
    if let crate::model::Item::Step(step) = &mut plan.phases[0].items[0] {
        step.title = nasty.into();
        step.touches = vec![nasty.into()];
        step.verifies[0].text = nasty.into();
    }
    let page = page(&plan);
    for word in ["<script", "javascript:alert(1)\"", "<img", "<b>", "<div>", "http://e.example/x.png\"", "\u{1b}"] {
        assert!(!page.contains(word), "{word} in {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("<title>&quot;&gt;&lt;script&gt;"));
}

#[test]
fn the_same_plan_gives_the_same_page() {
    assert_eq!(page(&fixture::plan()), page(&fixture::plan()));
}
