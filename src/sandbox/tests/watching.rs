use super::*;

fn labelled(name: &str, app: &str) -> Value {
    let mut body = config_map(name, json!({}));
    body["metadata"]["labels"] = json!({"app": app});
    body
}

fn seen(event: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
}

fn is(sort: &str, name: &str) -> (String, String) {
    (sort.to_owned(), name.to_owned())
}

#[tokio::test]
async fn list_and_watch_lose_nothing() {
    let sandbox = sandbox();
    sandbox.post(MAPS, config_map("before", json!({}))).await;
    let (_, list) = sandbox.get(MAPS).await;
    let version = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    sandbox.post(MAPS, config_map("between", json!({}))).await;
    let mut lines = sandbox.watch(&format!("{MAPS}?watch=true&resourceVersion={version}")).await;
    assert_eq!(seen(&lines.next().await), is("ADDED", "between"));
    sandbox.merge(&format!("{MAPS}/between"), json!({"data": {"k": "v"}})).await;
    let event = lines.next().await;
    assert_eq!(seen(&event), is("MODIFIED", "between"));
    assert_eq!(event["object"]["kind"], "ConfigMap");
    sandbox.delete(&format!("{MAPS}/before")).await;
    assert_eq!(seen(&lines.next().await), is("DELETED", "before"));
}

#[tokio::test]
async fn a_watch_without_a_version_starts_with_what_is_there() {
    let sandbox = sandbox();
    sandbox.post(MAPS, config_map("a", json!({}))).await;
    let mut lines = sandbox.watch(&format!("{MAPS}?watch=1")).await;
    assert_eq!(seen(&lines.next().await), is("ADDED", "a"));
    sandbox.post(MAPS, config_map("b", json!({}))).await;
    assert_eq!(seen(&lines.next().await), is("ADDED", "b"));
}

#[tokio::test]
async fn entering_a_selection_is_an_addition_and_leaving_it_a_deletion() {
    let sandbox = sandbox();
    let mut lines = sandbox.watch(&format!("{MAPS}?watch=true&labelSelector=app%3Dweb")).await;
    sandbox.post(MAPS, labelled("a", "api")).await;
    sandbox.merge(&format!("{MAPS}/a"), json!({"metadata": {"labels": {"app": "web"}}})).await;
    assert_eq!(seen(&lines.next().await), is("ADDED", "a"));
    let (_, left) = sandbox.merge(&format!("{MAPS}/a"), json!({"metadata": {"labels": {"app": "api"}}})).await;
    let event = lines.next().await;
    assert_eq!(seen(&event), is("DELETED", "a"));
    assert_eq!(event["object"]["metadata"]["labels"]["app"], "web", "as it was while it was selected");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], left["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_forgotten_version_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    {
        let first = Sandbox::open(&path, quick()).expect("opens");
        first.post(MAPS, config_map("a", json!({}))).await;
    }
    let mut again = None;
    for _ in 0..100 {
        // Controllers of the first may hold the state for one more poll.
        tokio::task::yield_now().await;
        again = Sandbox::open(&path, quick()).ok();
        if again.is_some() {
            break;
        }
    }
    let mut lines = again.expect("opens again").watch(&format!("{MAPS}?watch=true&resourceVersion=1")).await;
    let event = lines.next().await;
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(event["object"]["reason"], "Expired");
    assert_eq!(lines.next_within(PATIENCE).await, None, "the watch ends");
}

#[tokio::test]
async fn a_quiet_watch_says_how_far_it_came_and_ends_at_its_timeout() {
    let sandbox = sandbox();
    let (_, list) = sandbox.get(MAPS).await;
    let version = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let path = format!("{MAPS}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=1");
    let mut lines = sandbox.watch(&path).await;
    let mark = lines.next().await;
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(lines.next_within(PATIENCE).await, None, "the watch ends");
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let sandbox = sandbox();
    sandbox.post(MAPS, config_map("a", json!({}))).await;
    let path =
        format!("{MAPS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan");
    let mut lines = sandbox.watch(&path).await;
    assert_eq!(seen(&lines.next().await), is("ADDED", "a"));
    assert_eq!(lines.next().await["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}
