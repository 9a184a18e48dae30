//! Queues are read once for all fleets, and their jobs are shared out.

use std::time::Duration;

use azlin_fleet::model::{JobStatus, RunId, RunnerName};
use azlin_fleet::observe::QueueMetrics;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::act::{RunnerLifecycle, RunnerRequest};
use crate::fixture::{CloudFixture, fleet};

fn org(repositories: &str) -> Fleet {
    fleet("ci", &format!("org = 'o'\nrepositories = [{repositories}]"), "")
}

/// The fleet's queues, freshly read.
async fn read(fixture: &CloudFixture, queues: &JobQueues, fleet: &Fleet) -> FleetQueue {
    sleep(Duration::from_secs(1)).await;
    let now = |_: &RepoSlug| ReadSince { whole: Instant::now(), runs: BTreeMap::new() };
    queues.of(fleet, &Fleets::new([fleet.clone()]), &fixture.context, now).await
}

fn pending(queue: &FleetQueue, fleet: &Fleet, fixture: &CloudFixture) -> Seen<u32> {
    queue.demand(fleet, fixture.context.now()).map(|demand| demand.metrics.pending_jobs)
}

#[tokio::test(start_paused = true)]
async fn the_queues_that_a_fleet_names_are_one() {
    let (fixture, queues) = (CloudFixture::new(""), JobQueues::default());
    for repo in ["o/r", "o/r", "o/other", "o/third"] {
        fixture.submit(repo);
    }
    for (names, jobs) in [("'r'", 2), ("'r', 'other'", 3), ("'*'", 4), ("'t*', 'other'", 2)] {
        let fleet = org(names);
        let queue = read(&fixture, &queues, &fleet).await;
        assert_eq!(pending(&queue, &fleet, &fixture), Ok(jobs), "{names}");
        let whole = queue.whole().expect("all could be read");
        assert_eq!(whole.jobs.len(), jobs as usize, "{names}");
        assert!(whole.missing.is_empty() && whole.notes.is_empty());
        assert!(whole.jobs.iter().all(|job| job.status == JobStatus::Queued));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_repositories_serves_for_ten_minutes_and_what_failed_for_none() {
    let failing = "[[faults]]\nwhat = { status = 503 }\npath = '/users/o/repos'\ntimes = 1\n[[faults]]\nwhat = { status = 503 }\npath = '/orgs/o/repos'\ntimes = 1\n";
    for (faults, first) in [("", true), (failing, false)] {
        let (fixture, queues, fleet) = (CloudFixture::new(faults), JobQueues::default(), org("'*'"));
        let asked =
            || fixture.requests("GET", "/repos") + fixture.requests("GET", "/installation/repositories");
        let began = asked();
        let queue = read(&fixture, &queues, &fleet).await;
        let seen = pending(&queue, &fleet, &fixture);
        assert_eq!(seen.is_ok(), first, "{seen:?}");
        if let Err(why) = seen {
            assert!(why.starts_with("the repositories of o: "), "{why}");
            assert!(queue.whole().is_err());
            assert!(queue.working().is_empty());
            assert_eq!(pending(&read(&fixture, &queues, &fleet).await, &fleet, &fixture), Ok(0));
        }
        let listed = asked() - began;
        sleep(Duration::from_secs(590)).await;
        read(&fixture, &queues, &fleet).await;
        assert_eq!(asked() - began, listed);
        sleep(Duration::from_secs(20)).await;
        read(&fixture, &queues, &fleet).await;
        assert_eq!(asked() - began, listed + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_names_no_repository_or_none_that_exists_gets_a_note() {
    let (fixture, queues) = (CloudFixture::new(""), JobQueues::default());
    for (fleet, words) in [
        (org(""), "GitHub has no list of the queued jobs of org:o"),
        (org("'x*'"), "no repository of org:o is one that the fleet's file names"),
    ] {
        let queue = read(&fixture, &queues, &fleet).await;
        let demand = queue.demand(&fleet, fixture.context.now()).expect("nothing failed");
        assert_eq!(demand.metrics, QueueMetrics::none(fixture.context.now()));
        assert!(demand.notes.len() == 1 && demand.notes[0].starts_with(words), "{:?}", demand.notes);
        assert_eq!(queue.whole().expect("nothing failed").notes, demand.notes);
    }
    let fleet = fleet("ci", "", "");
    let demand = read(&fixture, &queues, &fleet).await.demand(&fleet, fixture.context.now());
    assert!(demand.expect("nothing failed").notes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_read_is_missing_and_where_none_can_nothing_is_known() {
    let broken = |repo: &str| {
        format!("[[faults]]\nwhat = {{ status = 503 }}\npath = '/repos/o/{repo}/actions/runs'\n")
    };
    let fleet = org("'r', 'other'");
    let (one, both) = (broken("other"), format!("{}{}", broken("r"), broken("other")));
    let (fixture, queues) = (CloudFixture::new(&one), JobQueues::default());
    fixture.submit("o/r");
    let queue = read(&fixture, &queues, &fleet).await;
    let demand = queue.demand(&fleet, fixture.context.now()).expect("one of them could be read");
    assert_eq!(demand.metrics.pending_jobs, 1);
    assert!(
        demand.missing[0].starts_with("1 of 2 repositories could not be read: the queue of repo:o/other: ")
    );
    assert_eq!((demand.missing.len(), queue.whole().map(|whole| whole.missing.len())), (1, Ok(1)));
    let fixture = CloudFixture::new(&both);
    let queue = read(&fixture, &JobQueues::default(), &fleet).await;
    assert!(pending(&queue, &fleet, &fixture).is_err_and(|why| why.starts_with("the queue of repo:o/")));
}

#[tokio::test(start_paused = true)]
async fn it_is_known_which_runner_works_on_which_job() {
    let (fixture, queues, fleet) = (CloudFixture::new(""), JobQueues::default(), org("'r', 'other'"));
    let lifecycle = RunnerLifecycle::new(fixture.context.clone(), Arc::default(), CancellationToken::new());
    let name = RunnerName::new(&fleet.name, fixture.context.now(), 1);
    let wanted = RunnerRequest {
        name: name.clone(),
        is_resumed: false,
        replaces: None,
        offerings: fleet.vm.offerings(false),
    };
    lifecycle.provision(&fleet, &wanted).await;
    fixture.submit("o/r");
    assert!(read(&fixture, &queues, &fleet).await.working().is_empty(), "no runner does");
    sleep(Duration::from_secs(120)).await;
    let job = fixture.world().state.github.jobs.keys().next().copied().expect("one");
    let queue = read(&fixture, &queues, &fleet).await;
    let working: Vec<_> =
        queue.working().into_iter().map(|(on, it)| (on.to_string(), it.to_string())).collect();
    assert_eq!(working, [(name.to_string(), format!("job {job} (o/r: CI / job-{job})"))]);
}

#[tokio::test(start_paused = true)]
async fn jobs_that_the_runner_group_refuses_are_left_out_and_the_group_is_read_once_an_hour() {
    let fixture = CloudFixture::new("[premises]\npublic = ['o/r']\n");
    let (queues, fleet) = (JobQueues::default(), org("'r', 'other'"));
    for repo in ["o/r", "o/r", "o/other"] {
        fixture.submit(repo);
    }
    for (wait, asked) in [(0, 1), (3_500, 1), (200, 2)] {
        sleep(Duration::from_secs(wait)).await;
        let queue = read(&fixture, &queues, &fleet).await;
        let demand = queue.demand(&fleet, fixture.context.now()).expect("all could be read");
        assert_eq!(demand.metrics.pending_jobs, 1);
        let why =
            "2 queued jobs are not counted: the runner group \"Default\" does not serve public repositories";
        assert_eq!(demand.notes, [why]);
        assert_eq!(fixture.requests("GET", "/runner-groups"), asked);
        let whole = queue.whole().expect("all could be read");
        assert_eq!(whole.refused[&fleet.name].len(), 2, "explain sees which");
    }
    let open = CloudFixture::new("[premises]\npublic = ['o/r']\ngroup = { allows_public = true }\n");
    open.submit("o/r");
    assert_eq!(pending(&read(&open, &JobQueues::default(), &fleet).await, &fleet, &open), Ok(1));
    let unknown =
        "[premises]\npublic = ['o/r']\n[[faults]]\nwhat = { status = 503 }\npath = '/runner-groups'\n";
    let unknown = CloudFixture::new(unknown);
    unknown.submit("o/r");
    let queue = read(&unknown, &JobQueues::default(), &fleet).await;
    assert_eq!(pending(&queue, &fleet, &unknown), Ok(1), "what is not known is not refused");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_took_for_a_day_is_left_out() {
    let (fixture, queues, fleet) = (CloudFixture::new(""), JobQueues::default(), org("'r'"));
    fixture.submit("o/r");
    for (wait, expected) in [(0, 1), (24 * 3600 - 60, 1), (120, 0)] {
        sleep(Duration::from_secs(wait)).await;
        let queue = read(&fixture, &queues, &fleet).await;
        assert_eq!(pending(&queue, &fleet, &fixture), Ok(expected), "after {wait} s more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_read_as_a_whole_or_only_the_runs_that_have_to_be_newer() {
    let kept = KeptQueues::<u8, String>::default();
    let (began, seconds) = (Instant::now(), Duration::from_secs);
    let at = |second: u64| began + seconds(second);
    let read = async |whole: u64, runs: &[(u64, u64)]| {
        let runs = runs.iter().map(|(run, second)| (RunId(*run), at(*second))).collect();
        let since = ReadSince { whole: at(whole), runs };
        let said = kept.get(1, &since, async |part| match part {
            ReadPart::Whole => format!("whole at {}", began.elapsed().as_secs()),
            ReadPart::Runs(runs) => format!("runs {runs:?} at {}", began.elapsed().as_secs()),
        });
        said.await.to_string()
    };
    for (situation, second, whole, runs, expected) in [
        ("never read", 1, 0, &[(7, 1)][..], "whole at 1"),
        ("nothing is newer", 2, 0, &[(7, 1)][..], "whole at 1"),
        ("one run is", 3, 0, &[(7, 3), (8, 1)][..], "runs {RunId(7)} at 3"),
        ("it was read since", 4, 1, &[(7, 3)][..], "runs {RunId(7)} at 3"),
        ("another one is", 5, 1, &[(7, 3), (8, 5)][..], "runs {RunId(8)} at 5"),
        ("the whole has to be newer", 6, 2, &[(7, 6)][..], "whole at 6"),
        ("which says all", 7, 2, &[(7, 6), (8, 5)][..], "whole at 6"),
    ] {
        tokio::time::sleep_until(at(second)).await;
        assert_eq!(read(whole, runs).await, expected, "{situation}");
    }
}
