//! What a trigger makes a loop do, and what it leaves alone.

use azlin_fleet::model::{ForeignText, JobChange, JobEvent, JobId, RunId};

use super::*;

fn job_event(repo: &str, job: u64, change: JobChange) -> JobEvent {
    JobEvent {
        repo: repo.parse().expect("a good name"),
        repo_id: None,
        run: None,
        job: JobId(job),
        labels: vec!["self-hosted".into()],
        change,
    }
}

/// How often the queues of a repository, the runners and the VMs were read.
fn reads(fixture: &CloudFixture) -> (u64, u64, u64) {
    let github = fixture.requests("GET", "/actions/runners");
    (fixture.requests("GET", "/actions/runs"), github, fixture.requests("GET", "/virtualMachines"))
}

#[tokio::test(start_paused = true)]
async fn after_a_trigger_the_fleet_that_it_concerns_reads_only_the_queue_and_starts_a_runner_at_once() {
    let fixture = CloudFixture::new("");
    let other = fleet("other", "repo = 'o/other'", EACH);
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH), other]);
    wait(10).await;
    let (runs, runners, vms) = reads(&fixture);
    fixture.submit("o/r");
    let job = *fixture.world().state.github.jobs.keys().next().expect("one");
    assert_eq!(lived.trigger_router.tell(&job_event("o/r", job, JobChange::Queued)), 1);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), 1);
    let (runs_after, runners_after, vms_after) = reads(&fixture);
    assert!(runs_after > runs && runs_after - runs <= 2, "{runs} {runs_after}");
    assert_eq!((runners_after, vms_after), (runners, vms));
    wait(30).await;
    assert_eq!((lived.ticks_of("ci").0, lived.ticks_of("other").0), (vec![0, 10], vec![0]));
    assert_eq!(reads(&fixture).0, runs_after, "it was shown at once, so no fleet looks again");
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_after_a_trigger_when_they_may_have_changed() {
    let fixture = CloudFixture::new("");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    for (wait_for, change, until_read, are_read) in [
        (10, JobChange::Started, 30_050, false),
        (1, JobChange::Ended, 50, true),
        (1, JobChange::Queued, 50, false),
    ] {
        wait(wait_for).await;
        let (runs, runners, vms) = reads(&fixture);
        lived.trigger_router.tell(&job_event("o/r", 1, change));
        sleep(Duration::from_millis(until_read)).await;
        let after = reads(&fixture);
        assert!(after.0 > runs, "{change:?}");
        let lists = u64::from(are_read);
        assert_eq!((after.1 - runners, after.2 - vms), (lists, lists), "{change:?}");
    }
    // A runner was started: the lists are read each time until they are sure to show it.
    fixture.submit("o/r");
    lived.trigger_router.tell(&job_event("o/r", 2, JobChange::Queued));
    wait(20).await;
    let before = reads(&fixture);
    lived.trigger_router.tell(&job_event("o/r", 3, JobChange::Queued));
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
    lived.trigger_router.tell(&job_event("o/r", job, JobChange::Queued));
    let asked = || fixture.requests("PUT", "/virtualMachines/{name}");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(asked(), 0, "the list lags");
    wait(4).await;
    assert_eq!((asked(), lived.ticks_of("ci").0), (1, vec![0, 10, 11, 14]));
}

/// A fleet looked ten times in a poll's time, and then waited.
#[tokio::test(start_paused = true)]
async fn in_a_steady_stream_no_job_waits_for_a_look() {
    let fixture = CloudFixture::new("");
    let scaling = format!("{EACH}max_runners = 100\ncooldown = '0s'\n");
    let lived = live(&fixture, "", vec![fleet("ci", "", &scaling)]);
    wait(10).await;
    let _ = fixture.world().state.github.take_job_events();
    for number in 1..=60 {
        fixture.submit("o/r");
        let job_events = fixture.world().state.github.take_job_events();
        job_events.iter().for_each(|job_event| assert_eq!(lived.trigger_router.tell(job_event), 1));
        sleep(Duration::from_millis(150)).await;
        assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), number);
        sleep(Duration::from_millis(1_850)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_triggers_costs_half_of_the_budget_and_no_poll() {
    let fixture = CloudFixture::new("");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(1).await;
    for job in 0..10_000 {
        let run = Some(RunId(job));
        lived.trigger_router.tell(&JobEvent { run, ..job_event("o/r", job, JobChange::Queued) });
        sleep(Duration::from_millis(10)).await;
    }
    wait(30).await;
    let (at, _) = lived.ticks_of("ci");
    let left = fixture.world().budget().expect("a limit").remaining;
    assert!((2_000..3_500).contains(&left) && at.len() < 400, "{left} {at:?}");
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
        let labels = labels.into_iter().map(ForeignText::from).collect();
        assert_eq!(
            lived.trigger_router.tell(&JobEvent { labels, ..job_event(repo, 1, JobChange::Queued) }),
            0
        );
    }
    assert_eq!(lived.trigger_router.tell(&job_event("o/r", 1, JobChange::Queued)), 1);
    lived.fleets.set([fleet("other", "repo = 'o/other'", EACH)]);
    wait(20).await;
    assert_eq!(lived.trigger_router.tell(&job_event("o/r", 1, JobChange::Queued)), 0);
    assert!(lived.ticks_of("ci").0.iter().all(|at| *at <= 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_renamed_repository_wakes_the_fleet_that_has_its_old_name() {
    let fixture = CloudFixture::new("");
    fixture.submit("o/r");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(10).await;
    let _ = fixture.world().state.github.take_job_events();
    fixture.world().rename_repo("o/r", "o/new");
    fixture.submit("o/new");
    let runs = fixture.requests("GET", "/actions/runs");
    let job_events = fixture.world().state.github.take_job_events();
    assert_eq!(job_events.first().expect("one").repo.as_str(), "o/new");
    assert_eq!(lived.trigger_router.tell(&job_events[0]), 1);
    sleep(Duration::from_millis(50)).await;
    assert!(fixture.requests("GET", "/actions/runs") > runs, "it looks");
}

/// While polls are rarer, triggers must not delay what only a poll reads.
#[tokio::test(start_paused = true)]
async fn a_trigger_puts_off_no_poll() {
    let fixture = CloudFixture::new("");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", EACH)]);
    poll(&mut ci, Poll::Health).await;
    let polled = ci.last_look.polled_at;
    assert_eq!(polled, Some(Instant::now()));
    for change in [JobChange::Queued, JobChange::Ended] {
        wait(10).await;
        ci.shared.trigger_router.tell(&job_event("o/r", 1, change));
        ci.tick().await;
        assert_eq!(ci.last_look.polled_at, polled, "{change:?}");
    }
    poll(&mut ci, Poll::Queue).await;
    assert_eq!(ci.last_look.polled_at, Some(Instant::now()));
}

/// One repository's list lags while another's jobs come and go.
#[tokio::test(start_paused = true)]
async fn triggers_of_one_repository_do_not_end_the_search_in_another() {
    let lags = "[[faults]]\nwhat = { stale = '8s' }\npath = '/repos/o/other'\n";
    let fixture = CloudFixture::new(lags);
    let lived = live(&fixture, "", vec![fleet("ci", "org = 'o'\nrepositories = ['r', 'other']", EACH)]);
    wait(10).await;
    fixture.submit("o/other");
    let job = *fixture.world().state.github.jobs.keys().next().expect("one");
    lived.trigger_router.tell(&job_event("o/other", job, JobChange::Queued));
    for other in 0..8 {
        sleep(Duration::from_millis(150)).await;
        lived.trigger_router.tell(&job_event("o/r", 100_000 + other, JobChange::Ended));
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
    poll(&mut ci, Poll::Queue).await;
    ci.settle().await;
    wait(240).await;
    poll(&mut ci, Poll::Queue).await;
    assert!(ci.operations.in_flight.is_empty(), "it is there");
    let listed = ci.last_look.lists_at;
    wait(10).await;
    fixture.submit("o/r");
    ci.shared.trigger_router.tell(&job_event("o/r", 1, JobChange::Started));
    ci.tick().await;
    let seen = ci.last_look.seen.as_ref().expect("it has looked");
    assert_eq!((seen.working.len(), ci.last_look.lists_at), (1, listed));
    assert_eq!(ci.operations.in_flight.len(), 1, "another one is to be available");
}
