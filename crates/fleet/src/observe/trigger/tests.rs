use super::*;
use crate::fixture;

/// The least time between two ticks.
const GAP: Duration = Duration::from_millis(100);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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

fn queued(job: u64) -> JobEvent {
    job_event("o/r", job, JobChange::Queued)
}

/// The event of a job of that run.
fn of_run(run: u64, change: JobChange) -> JobEvent {
    JobEvent { run: Some(RunId(run)), ..job_event("o/r", run, change) }
}

fn add(triggers: &mut Triggers, job_event: &JobEvent, now: Duration) {
    triggers.add(&fixture::fleet("ci", ""), job_event, now);
}

/// The times of ticks, with triggers every 10 ms until then.
fn ticks(pause: Duration, until: u64) -> Vec<u64> {
    let (mut triggers, mut ticks) = (Triggers::default(), Vec::new());
    for now in (0..until).step_by(10).map(at) {
        add(&mut triggers, &queued(1), now);
        if triggers.due(pause).expect("a trigger waits") <= now {
            triggers.take(now);
            ticks.push(u64::try_from(now.as_millis()).expect("it is small"));
        }
    }
    ticks
}

#[test]
fn the_first_trigger_is_followed_at_once_and_a_flood_as_often_as_the_pause_allows() {
    assert_eq!(ticks(GAP, 400), [0, 100, 200, 300]);
    assert_eq!(ticks(Duration::from_secs(20), 60_000), [0, 20_000, 40_000]);
}

#[test]
fn an_event_that_names_its_run_has_that_run_read_and_when_depends_on_what_happened() {
    for (change, min_runners, at_once) in [
        (JobChange::Queued, 0, true),
        (JobChange::Started, 0, false),
        (JobChange::Started, 1, true),
        (JobChange::Ended, 0, true),
    ] {
        let fleet = fixture::fleet("ci", &format!("min_runners = {min_runners}"));
        let mut triggers = Triggers::default();
        triggers.add(&fleet, &of_run(7, change), at(10));
        let due = if at_once { at(10) } else { at(30_010) };
        assert_eq!(triggers.due(GAP), Some(due), "{change:?} {min_runners}");
        let taken = triggers.take(due);
        let runs = BTreeMap::from([(RunId(7), at(10))]);
        let repos = BTreeMap::from([("o/r".parse().expect("a good name"), runs)]);
        assert_eq!((taken.runs, taken.repos.len()), (repos, 0), "{change:?} {min_runners}");
        assert_eq!(triggers.due(GAP), None);
    }
}

#[test]
fn the_end_of_a_job_covers_its_beginning() {
    let mut triggers = Triggers::default();
    add(&mut triggers, &of_run(7, JobChange::Started), at(0));
    add(&mut triggers, &of_run(7, JobChange::Ended), at(3_000));
    assert_eq!(triggers.take(at(3_000)).runs.len(), 1);
    assert_eq!(triggers.due(GAP), None);
}

#[test]
fn many_runs_of_one_repository_are_read_as_its_whole_queue() {
    for (count, whole) in [(20, false), (21, true), (1_000, true)] {
        let mut triggers = Triggers::default();
        (0..count).for_each(|run| add(&mut triggers, &of_run(run, JobChange::Queued), at(run)));
        let ReadScope { repos, runs, .. } = triggers.take(at(2_000));
        assert_eq!((repos.len(), runs.len()), (usize::from(whole), usize::from(!whole)), "{count}");
        let latest = repos.values().chain(runs.values().flat_map(BTreeMap::values)).max();
        assert_eq!(latest, Some(&at(count - 1)));
    }
}

#[test]
fn lists_are_read_once_a_second_at_most() {
    let mut triggers = Triggers::default();
    let mut read = Vec::new();
    for now in (0..3_000).step_by(100).map(at) {
        add(&mut triggers, &of_run(7, JobChange::Ended), now);
        if triggers.due(GAP).expect("a trigger waits") <= now && triggers.take(now).lists.is_some() {
            read.push(now.as_millis());
        }
    }
    assert_eq!(read, [0, 1_000, 2_000]);
    assert_eq!(triggers.due(GAP), Some(at(3_000)), "the last ones are not lost");
}

#[test]
fn a_tick_takes_what_triggers_name_and_the_time_of_the_last_one() {
    let mut triggers = Triggers::default();
    assert_eq!(triggers.due(GAP), None);
    add(&mut triggers, &queued(1), at(10));
    add(&mut triggers, &queued(2), at(20));
    add(&mut triggers, &job_event("o/s", 3, JobChange::Queued), at(15));
    let repos = [("o/r", at(20)), ("o/s", at(15))];
    let repos = repos.map(|(repo, since)| (repo.parse().expect("a good name"), since)).into();
    assert_eq!(triggers.take(at(30)), ReadScope { repos, ..ReadScope::default() });
    assert_eq!(triggers.due(GAP), None);
    assert_eq!(triggers.take_all(at(40)), ReadScope::default());
}

#[test]
fn only_the_end_of_a_job_has_the_lists_read() {
    for (change, lists) in
        [(JobChange::Queued, None), (JobChange::Started, None), (JobChange::Ended, Some(at(7)))]
    {
        let mut triggers = Triggers::default();
        add(&mut triggers, &job_event("o/r", 1, change), at(7));
        assert_eq!(triggers.take_all(at(7)).lists, lists, "{change:?}");
        assert_eq!(triggers.take_all(at(8)).lists, None);
    }
}

#[test]
fn a_job_that_is_not_shown_yet_is_looked_for_three_times_more() {
    let mut triggers = Triggers::default();
    let mut now = at(0);
    add(&mut triggers, &queued(1), now);
    let mut waits = Vec::new();
    while let Some(due) = triggers.due(GAP) {
        waits.push((due - now).as_secs());
        now = due;
        assert_eq!(triggers.take(now).repos.into_values().collect::<Vec<_>>(), [now]);
        triggers.looked(|_, _| Some(false), now);
    }
    assert_eq!(waits, [0, 1, 3, 9]);
}

#[test]
fn what_is_shown_or_has_begun_or_ended_is_not_looked_for_again() {
    for change in [None, Some(JobChange::Started), Some(JobChange::Ended)] {
        let mut triggers = Triggers::default();
        add(&mut triggers, &queued(1), at(0));
        if let Some(change) = change {
            add(&mut triggers, &job_event("o/r", 1, change), at(1));
        }
        triggers.take(at(30_001));
        triggers.looked(|_, _| Some(change.is_none()), at(30_002));
        assert_eq!(triggers.due(GAP), None, "{change:?}");
    }
}

#[test]
fn a_queue_that_was_not_asked_for_says_nothing() {
    let mut triggers = Triggers::default();
    add(&mut triggers, &queued(1), at(0));
    triggers.take(at(0));
    triggers.looked(|_, _| None, at(1));
    assert_eq!(triggers.due(GAP), None);
    triggers.looked(|_, _| Some(false), at(60_000));
    assert_eq!(triggers.due(GAP), Some(at(61_000)));
}

#[test]
fn a_later_trigger_does_not_wait_for_the_search_for_what_was_not_shown() {
    let mut triggers = Triggers::default();
    add(&mut triggers, &queued(1), at(0));
    triggers.take(at(0));
    triggers.looked(|_, _| Some(false), at(0));
    add(&mut triggers, &queued(2), at(500));
    assert_eq!(triggers.due(GAP), Some(at(500)));
    triggers.take(at(500));
    triggers.looked(|_, job| Some(job == JobId(2)), at(500));
    assert_eq!(triggers.due(GAP), Some(at(3_500)), "the first one was looked for twice");
}

#[test]
fn of_a_flood_of_jobs_a_hundred_are_remembered() {
    let mut triggers = Triggers::default();
    (0..1_000).for_each(|job| add(&mut triggers, &queued(job), at(0)));
    assert_eq!(triggers.waiting.len(), MOST_UNSEEN);
    triggers.take(at(0));
    triggers.looked(|_, _| Some(true), at(0));
    assert!(triggers.waiting.is_empty() && triggers.due.is_empty());
}

#[test]
fn an_event_of_a_renamed_repository_is_about_the_name_that_its_queue_is_read_by() {
    let mut triggers = Triggers::default();
    let old: RepoSlug = "o/r".parse().expect("a good name");
    triggers.knows(&old, RepoId(7));
    let fleet = fixture::fleet("ci", "");
    let concerning = |triggers: &Triggers, name: &str, id| {
        let job_event = JobEvent { repo_id: id, ..job_event(name, 1, JobChange::Queued) };
        triggers.concerning(&fleet, &job_event).map(|job_event| job_event.repo.to_string())
    };
    let (seven, eight) = (Some(RepoId(7)), Some(RepoId(8)));
    for (name, id, expected) in [
        ("o/new", seven, Some("o/r")),
        ("o/new", eight, None),
        ("o/new", None, None),
        ("o/r", None, Some("o/r")),
    ] {
        assert_eq!(concerning(&triggers, name, id).as_deref(), expected, "{name} {id:?}");
    }
    let mut before = Triggers::default();
    before.knows(&"o/older".parse().expect("a good name"), RepoId(7));
    assert_eq!(concerning(&before, "o/r", seven).as_deref(), Some("o/r"), "its file has the new name since");
}

#[test]
fn it_concerns_a_fleet_that_serves_the_repository_and_has_all_labels() {
    let fleet = fixture::fleet("ci", "");
    let with = |repo: &str, labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).into()).collect();
        JobEvent { labels, ..job_event(repo, 1, JobChange::Queued) }.concerns(&fleet)
    };
    let own = fleet.scope.to_string();
    let own = own.strip_prefix("repo:").expect("a fleet of a repository");
    assert!(with(own, &[]));
    assert!(with(own, &["self-hosted", "LINUX"]));
    assert!(!with(own, &["self-hosted", "gpu-that-nobody-has"]));
    assert!(!with("some/other", &[]));
}

#[test]
fn what_a_scale_set_tells_is_followed_at_once_and_reads_no_queue() {
    let mut triggers = Triggers::default();
    let (told, minute) = (Triggers::told, Duration::from_secs(60));
    told(&mut triggers, false, at(0));
    assert_eq!(triggers.due(minute), Some(at(0)));
    assert_eq!(triggers.take(at(0)), ReadScope::default());
    told(&mut triggers, false, at(10));
    assert_eq!(triggers.due(minute), Some(at(100)), "what costs no request waits for no budget");
    assert_eq!(triggers.take(at(100)), ReadScope::default());
    told(&mut triggers, true, at(200));
    let taken = triggers.take(at(200));
    assert_eq!((taken.lists, taken.repos.len()), (Some(at(200)), 0), "a runner goes with its job");
    assert_eq!(triggers.due(minute), None);
}
