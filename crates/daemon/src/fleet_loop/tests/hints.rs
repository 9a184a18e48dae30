//! What a hint makes a loop do, and what it does not.

use azlin_fleet::hint::{Hint, News};
use azlin_fleet::job::JobId;

use super::*;

fn hint(repo: &str, job: u64, news: News) -> Hint {
    Hint {
        repo: repo.parse().expect("a good name"),
        job: JobId(job),
        labels: vec!["self-hosted".to_owned()],
        news,
    }
}

/// How often the queues of a repository, the runners and the VMs were read.
fn reads(fixture: &CloudFixture) -> (u64, u64, u64) {
    let github = fixture.requests("GET", "/actions/runners");
    (fixture.requests("GET", "/actions/runs"), github, fixture.requests("GET", "/virtualMachines"))
}

#[tokio::test(start_paused = true)]
async fn after_a_hint_the_fleet_that_it_concerns_reads_the_queue_alone_and_starts_a_runner_at_once() {
    let fixture = CloudFixture::new("");
    let other = fleet("other", "repo = 'o/other'", EACH);
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH), other]);
    wait(10).await;
    let (runs, runners, vms) = reads(&fixture);
    fixture.submit("o/r");
    let job = *fixture.world().state.github.jobs.keys().next().expect("one");
    assert_eq!(lived.hinter.tell(&hint("o/r", job, News::Queued)), 1);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), 1);
    let (runs_after, runners_after, vms_after) = reads(&fixture);
    assert!(runs_after > runs && runs_after - runs <= 2, "{runs} {runs_after}");
    assert_eq!((runners_after, vms_after), (runners, vms));
    wait(30).await;
    assert_eq!((lived.ticks_of("ci").0, lived.ticks_of("other").0), (vec![0, 10], vec![0]));
    assert_eq!(reads(&fixture).0, runs_after, "it was shown at once, so nobody looks again");
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_after_a_hint_where_they_may_have_changed() {
    let fixture = CloudFixture::new("");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    for (wait_for, news, are_read) in
        [(10, News::Started, false), (1, News::Ended, true), (1, News::Queued, false)]
    {
        wait(wait_for).await;
        let (runs, runners, vms) = reads(&fixture);
        lived.hinter.tell(&hint("o/r", 1, news));
        sleep(Duration::from_millis(50)).await;
        let after = reads(&fixture);
        assert!(after.0 > runs, "{news:?}");
        let lists = u64::from(are_read);
        assert_eq!((after.1 - runners, after.2 - vms), (lists, lists), "{news:?}");
    }
    // A runner is started: until lists are sure to show it they are read each time.
    fixture.submit("o/r");
    lived.hinter.tell(&hint("o/r", 2, News::Queued));
    wait(20).await;
    let before = reads(&fixture);
    lived.hinter.tell(&hint("o/r", 3, News::Started));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(reads(&fixture).2, before.2 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_shown_yet_is_found_a_moment_later() {
    let fixture = CloudFixture::new("[[faults]]\nwhat = { stale = '2s' }\nside = 'github'\n");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(10).await;
    fixture.submit("o/r");
    let job = *fixture.world().state.github.jobs.keys().next().expect("one");
    lived.hinter.tell(&hint("o/r", job, News::Queued));
    let asked = || fixture.requests("PUT", "/virtualMachines/{name}");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(asked(), 0, "the list lags");
    wait(4).await;
    assert_eq!((asked(), lived.ticks_of("ci").0), (1, vec![0, 10, 11, 14]));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_hints_costs_some_looks_and_no_poll() {
    let fixture = CloudFixture::new("");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(1).await;
    for job in 0..10_000 {
        lived.hinter.tell(&hint("o/r", job, News::Queued));
        sleep(Duration::from_millis(10)).await;
    }
    wait(30).await;
    let (at, _) = lived.ticks_of("ci");
    assert!(at.len() <= 40, "{at:?}");
    assert!([0, 60, 120].iter().all(|poll| at.contains(poll)), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_gone_or_stopped_is_not_woken() {
    let fixture = CloudFixture::new("");
    let ci = fleet("ci", "", EACH);
    let lived = live(&fixture, "", vec![ci.clone(), fleet("other", "repo = 'o/other'", EACH)]);
    wait(1).await;
    let elsewhere = [("o/third", vec!["self-hosted"]), ("o/r", vec!["self-hosted", "gpu"])];
    for (repo, labels) in elsewhere {
        let labels = labels.into_iter().map(str::to_owned).collect();
        assert_eq!(lived.hinter.tell(&Hint { labels, ..hint(repo, 1, News::Queued) }), 0);
    }
    assert_eq!(lived.hinter.tell(&hint("o/r", 1, News::Queued)), 1);
    lived.fleets.set([fleet("other", "repo = 'o/other'", EACH)]);
    wait(20).await;
    assert_eq!(lived.hinter.tell(&hint("o/r", 1, News::Queued)), 0);
    assert!(lived.ticks_of("ci").0.iter().all(|at| *at <= 2));
}

/// While looks are rarer, those after hints would otherwise leave none for what only a poll reads.
#[tokio::test(start_paused = true)]
async fn a_look_after_a_hint_puts_off_no_poll() {
    let fixture = CloudFixture::new("");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", EACH)]);
    ci.tick(Look::Whole { power: true }).await;
    let polled = ci.looked_at;
    assert_eq!(polled, Some(Instant::now()));
    for news in [News::Queued, News::Ended] {
        wait(10).await;
        ci.shared.hinter.tell(&hint("o/r", 1, news));
        ci.tick(Look::Hinted).await;
        assert_eq!(ci.looked_at, polled, "{news:?}");
    }
    ci.tick(Look::Whole { power: false }).await;
    assert_eq!(ci.looked_at, Some(Instant::now()));
}

/// One repository's list lags, and another's jobs come and go meanwhile.
#[tokio::test(start_paused = true)]
async fn hints_of_one_repository_do_not_end_the_search_in_another() {
    let lags = "[[faults]]\nwhat = { stale = '8s' }\npath = '/repos/o/other'\n";
    let fixture = CloudFixture::new(lags);
    let lived = live(&fixture, "", vec![fleet("ci", "org = 'o'\nrepositories = ['r', 'other']", EACH)]);
    wait(10).await;
    fixture.submit("o/other");
    let job = *fixture.world().state.github.jobs.keys().next().expect("one");
    lived.hinter.tell(&hint("o/other", job, News::Queued));
    for other in 0..8 {
        sleep(Duration::from_millis(150)).await;
        lived.hinter.tell(&hint("o/r", 100_000 + other, News::Started));
    }
    wait(9).await;
    assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), 0, "{:?}", lived.ticks_of("ci"));
    wait(11).await;
    assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_took_a_job_since_the_lists_were_read_is_known_by_the_queue() {
    let fixture = CloudFixture::new("");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", "[scaling]\nmin_runners = 1\n")]);
    ci.tick(Look::Whole { power: false }).await;
    ci.settle().await;
    wait(240).await;
    ci.tick(Look::Whole { power: false }).await;
    assert!(ci.in_flight.is_empty(), "it is there");
    let listed = ci.lists_at;
    wait(10).await;
    fixture.submit("o/r");
    ci.shared.hinter.tell(&hint("o/r", 1, News::Started));
    ci.tick(Look::Hinted).await;
    let seen = ci.seen.as_ref().expect("it has looked");
    assert_eq!((seen.working.len(), ci.lists_at), (1, listed));
    assert_eq!(ci.in_flight.len(), 1, "another one is to be available");
}
