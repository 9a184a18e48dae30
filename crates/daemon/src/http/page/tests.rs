//! The page, and the events that it receives.

use std::collections::BTreeSet;

use axum::body::BodyDataStream;
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::model::PoolName;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixture::{CloudFixture, fleet};
use crate::run::Daemon;
use crate::state::StateDir;
use crate::status_file::this_daemon;

type Events = BodyDataStream;

/// The next event's number and content; `None` if none comes within a while.
async fn next(events: &mut Events) -> Option<(u64, Value)> {
    let event = timeout(Duration::from_secs(20), events.next()).await.ok()??;
    let event = event.expect("events go on");
    let text = String::from_utf8(event.to_vec()).expect("text");
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect(name).to_owned();
    let (_, revision) = field("id: ")
        .rsplit_once('-')
        .map(|(run, revision)| (run.to_owned(), revision.to_owned()))
        .expect("an id");
    Some((revision.parse().expect("a number"), serde_json::from_str(&field("data: ")).expect("JSON")))
}

fn pools(event: &Value) -> Vec<&str> {
    event["fleets"].as_array().expect("fleets").iter().filter_map(|fleet| fleet["pool"].as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn it_hears_of_what_has_changed_and_of_all_that_it_missed() {
    let fixture = CloudFixture::new("");
    let config = DaemonConfig::parse("azlin.toml", "").expect("an empty file is good");
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let fleets = ["a", "b"].map(|name| fleet(name, "", ""));
    let daemon = Daemon::new(
        &config,
        fleets.to_vec(),
        fixture.context.clone(),
        StateDir::default(),
        status_store.clone(),
        stop.clone(),
    );
    let running = tokio::spawn(daemon.run());
    sleep(Duration::from_secs(10)).await;
    stop.cancel();
    running.await.expect("it ends");
    let page = StatusPage {
        status_store: status_store.clone(),
        context: fixture.context.clone(),
        daemon: this_daemon(std::path::Path::new("/etc/azlin"), "0.1.0"),
    };
    let listen = |known| page.clone().sse(known).into_response().into_body().into_data_stream();
    let mut events = listen(0);

    let (first, all) = next(&mut events).await.expect("at once");
    assert_eq!((pools(&all), &all["names"]), (vec!["a", "b"], &serde_json::json!(["a", "b"])));
    assert_eq!(next(&mut events).await, None, "nothing has happened");

    let name: PoolName = "b".parse().expect("a good name");
    let b = (*status_store.read().fleets[&name]).clone();
    status_store.publish(b.clone());
    let (second, changed) = next(&mut events).await.expect("it has changed");
    assert_eq!((pools(&changed), &changed["names"]), (vec!["b"], &Value::Null));
    assert!(second > first);

    status_store.remove(&name);
    let (third, gone) = next(&mut events).await.expect("it is gone");
    assert_eq!((pools(&gone), &gone["names"]), (vec![], &serde_json::json!(["a"])));

    status_store.publish(b);
    let (_, again) = next(&mut listen(third)).await.expect("who comes again hears what he missed");
    assert_eq!((pools(&again), &again["names"]), (vec!["b"], &serde_json::json!(["a", "b"])));
    let (_, late) = next(&mut listen(0)).await.expect("who is new hears all");
    assert_eq!(pools(&late), ["a", "b"]);

    let history = status_store.history(&name).expect("it was looked at");
    assert_eq!(history.minutes.len(), 1);
    assert!(status_store.history(&"c".parse().expect("a good name")).is_none());
}

#[test]
fn who_comes_again_after_a_restart_hears_all() {
    let fixture = CloudFixture::new("");
    let page = |started: &str| {
        let mut daemon = this_daemon(std::path::Path::new("/etc/azlin"), "0.1.0");
        daemon.started_at = started.parse().expect("a time");
        StatusPage { status_store: StatusStore::default(), context: fixture.context.clone(), daemon }
    };
    let (before, after) = (page("2026-11-27T10:00:00Z"), page("2026-11-27T11:00:00Z"));
    let headers = |id: String| {
        HeaderMap::from_iter([("last-event-id".parse().expect("a name"), id.parse().expect("a value"))])
    };
    assert_eq!(before.known(&headers(format!("{}7", before.run()))), 7);
    assert_eq!(after.known(&headers(format!("{}7", before.run()))), 0);
    assert_eq!(after.known(&headers("nonsense".to_owned())), 0);
    assert_eq!(after.known(&HeaderMap::new()), 0);
}

#[test]
fn it_brings_no_more_than_the_policy_lets_in() {
    assert!(POLICY.contains("style-src 'sha256-") && POLICY.contains("script-src 'sha256-"), "{}", *POLICY);
    assert!(!POLICY.contains("unsafe") && !POLICY.contains("http:"), "{}", *POLICY);
    assert_ne!(hash_of("style"), hash_of("script"));
    assert_eq!((HTML.matches("<style").count(), HTML.matches("<script").count()), (1, 1));
    for strange in ["style=\"", "onclick", "innerHTML", "src=\"http", "href=\"http", "@import", "url("] {
        assert!(!HTML.contains(strange), "{strange}");
    }
}

/// What names and addresses of others lead to gets neither the page's address nor a hold on its window.
#[test]
fn a_link_is_made_in_one_place_that_checks_it() {
    assert_eq!((HTML.matches("make(\"a\"").count(), HTML.matches("href:").count()), (1, 1));
    let made =
        HTML.split("const linked").nth(1).and_then(|rest| rest.split(";\n").next()).expect("it is there");
    for part in ["address.startsWith(\"https://\")", "rel: \"noopener noreferrer\""] {
        assert!(made.contains(part), "{made}");
    }
}

/// The page's script reads keys that the answers have: a word with an underscore is a key.
#[test]
fn it_reads_keys_that_there_are() {
    let schemas = [
        include_str!("../../../../../docs/reference/schemas/status.schema.json"),
        include_str!("../../../../../docs/reference/schemas/history.schema.json"),
    ];
    let (_, script) = HTML.split_once("<script>").expect("a script");
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = script.split(|c: char| !is_part(c)).filter(|word| word.trim_matches('_').contains('_'));
    let words: BTreeSet<&str> = words.collect();
    assert!(words.len() > 15, "{words:?}");
    for word in words {
        assert!(schemas.iter().any(|schema| schema.contains(&format!("\"{word}\""))), "{word} is no key");
    }
}
