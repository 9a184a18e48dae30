//! What a fleet's chart and its percentiles are made of is kept over a restart.

use azlin_fleet::model::FailedStart;
use azlin_fleet::report::{History, RecentStatus};

use super::*;

/// A daemon that keeps its state here lives for so long. Its history at the end, and what `status` says of the last day.
async fn lived(
    fixture: &CloudFixture,
    directory: &std::path::Path,
    seconds: u64,
) -> (History, Option<RecentStatus>) {
    let state = StateDir::new(Some(directory.to_owned()));
    let lived = live_with(state, fixture, "", vec![fleet("ci", "", EACH)]);
    wait(seconds).await;
    lived.stop.cancel();
    lived.task.await.expect("it ends");
    let pool = "ci".parse().expect("a good name");
    let recent = lived.status_store.read().fleets[&pool].recent.clone();
    (lived.status_store.history(&pool).expect("it was looked at"), recent)
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_history_and_a_broken_file_is_told_once_and_replaced() {
    let (fixture, directory) = (CloudFixture::new(""), tempfile::tempdir().expect("a directory"));
    let (warned, _guard) = Warned::listen();
    assert_eq!(lived(&fixture, directory.path(), 10).await.0.minutes.len(), 1);
    fixture.submit("o/r");
    let (before, recent) = lived(&fixture, directory.path(), 400).await;
    let day = recent.and_then(|recent| recent.day).expect("a job began");
    assert!(day.jobs == 1 && day.max_s > 30, "{day:?}");
    assert!(before.minutes.len() > 5 && before.decisions.len() == 1, "{before:?}");

    let (after, recent) = lived(&fixture, directory.path(), 10).await;
    assert_eq!(after.decisions, before.decisions, "none twice");
    assert!(after.minutes.iter().zip(&before.minutes).take(6).all(|(after, before)| after == before));
    assert_eq!(recent.and_then(|recent| recent.day), Some(day));
    assert_eq!(warned.warnings(), 0);

    let file = directory.path().join("history/ci.json");
    for broken in ["{\"minutes\": [", "7", "{\"minutes\": 7}"] {
        let before = warned.warnings();
        std::fs::write(&file, broken).expect("it is written");
        let (anew, recent) = lived(&fixture, directory.path(), 200).await;
        assert!(anew.minutes.len() < 6 && anew.decisions.is_empty(), "{broken}: {anew:?}");
        assert_eq!(recent.and_then(|recent| recent.day), None, "{broken}");
        assert_eq!(warned.warnings(), before + 1, "{broken}: once");
        let kept: History = serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("good again");
        assert_eq!(kept, anew);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_file_was_away_goes_on_with_its_history() {
    let (fixture, directory) = (CloudFixture::new(""), tempfile::tempdir().expect("a directory"));
    let (ci, state) = (fleet("ci", "", ""), StateDir::new(Some(directory.path().to_owned())));
    let lived = live_with(state, &fixture, "", vec![ci.clone()]);
    wait(250).await;
    let before = lived.status_store.history(&ci.name).expect("it was looked at");
    lived.fleets.set(Vec::new());
    wait(1).await;
    assert!(lived.status_store.history(&ci.name).is_none());
    // An operation that was under way may end later.
    lived.status_store.start_failed(&ci.name, FailedStart::Failed, fixture.context.now());
    lived.fleets.set(vec![ci.clone()]);
    wait(70).await;
    let after = lived.status_store.history(&ci.name).expect("it is back");
    assert!(after.minutes.len() > before.minutes.len(), "{after:?}");
}
