//! Many starts at once: what they cost, and what a crash in the middle of them leaves.

use std::collections::BTreeSet;

use super::*;

/// One runner for each of these jobs, all at once.
fn all_at_once(jobs: usize) -> Fleet {
    fleet("ci", "", &format!("{EACH}max_runners = {jobs}\n"))
}

/// How often a fleet's status was posted while that many runners were started.
async fn postings(jobs: usize) -> u64 {
    let fixture = CloudFixture::new("");
    (0..jobs).for_each(|_| fixture.submit("o/r"));
    let all = "[limits]\nmax_concurrent_provisioning = 1000\n";
    let lived = live(&fixture, all, vec![all_at_once(jobs)]);
    wait(15).await;
    assert_eq!(fixture.vms().len(), jobs);
    lived.status_store.read().revision()
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_saved_and_posted_together_however_many_starts_it_has() {
    let (few, many) = (postings(4).await, postings(64).await);
    assert!(many <= few + 2, "{few} postings for 4 starts, {many} for 64");
}

#[tokio::test(start_paused = true)]
async fn starts_that_a_crash_interrupted_are_resumed_at_once_under_their_names() {
    const JOBS: usize = 12;
    let directory = tempfile::tempdir().expect("a directory");
    let state = || StateDir::new(Some(directory.path().to_owned()));
    let fixture = CloudFixture::new("");
    (0..JOBS).for_each(|_| fixture.submit("o/r"));
    let mut ci = alone(&fixture, state(), vec![all_at_once(JOBS)]);
    poll(&mut ci, Poll::Queue).await;
    let names: BTreeSet<String> = ci.operations.in_flight.keys().map(ToString::to_string).collect();
    for _ in 0..5 {
        let done = ci.operations.tasks.join_next().await.expect("it is under way");
        drop(done);
    }
    let asked = fixture.vms().len();
    assert!((5..JOBS).contains(&asked), "{asked} VMs before the crash");
    drop(ci);
    let mut ci = alone(&fixture, state(), vec![all_at_once(JOBS)]);
    poll(&mut ci, Poll::Queue).await;
    ci.settle().await;
    assert_eq!(fixture.vms().into_iter().collect::<BTreeSet<_>>(), names, "each once, and no other");
    assert_eq!(fixture.entries().len(), JOBS);
    let statistics = fixture.world().statistics.clone();
    assert_eq!((statistics.vms_created, statistics.names_reused), (JOBS as u64, 0));
}
