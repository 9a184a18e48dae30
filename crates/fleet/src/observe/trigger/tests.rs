use super::*;
use crate::fixture;

const POLL: Duration = Duration::from_secs(60);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn job_event(repo: &str, job: u64, change: JobChange) -> JobEvent {
    JobEvent {
        repo: repo.parse().expect("a good name"),
        repo_id: None,
        job: JobId(job),
        labels: vec!["self-hosted".to_owned()],
        change,
    }
}

fn queued(job: u64) -> JobEvent {
    job_event("o/r", job, JobChange::Queued)
}

/// The times of ticks, with triggers every 10 ms until then.
fn ticks(mut triggers: Triggers, pause: Option<Duration>, until: u64) -> Vec<u64> {
    let mut ticks = Vec::new();
    for now in (0..until).step_by(10).map(at) {
        triggers.add(&queued(1), now);
        if triggers.due(POLL, pause).expect("a trigger waits") <= now {
            triggers.take(POLL, now);
            ticks.push(u64::try_from(now.as_millis()).expect("it is small"));
        }
    }
    ticks
}

#[test]
fn the_first_trigger_is_followed_at_once_and_a_flood_ten_times_a_second_and_then_ten_times_a_poll() {
    let ticks = ticks(Triggers::default(), None, 60_000);
    assert_eq!(ticks[..10], [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    assert_eq!(ticks[10..14], [6_000, 12_000, 18_000, 24_000]);
    assert_eq!(ticks.len(), 19);
}

#[test]
fn after_a_quiet_poll_it_is_as_quick_as_at_first() {
    let mut triggers = Triggers::default();
    for now in [0, 100, 200, 300, 400, 500, 600, 700, 800, 900].map(at) {
        triggers.add(&queued(1), now);
        assert_eq!(triggers.due(POLL, None), Some(now));
        triggers.take(POLL, now);
    }
    for now in [60_000, 60_100].map(at) {
        triggers.add(&queued(1), now);
        assert_eq!(triggers.due(POLL, None), Some(now));
        triggers.take(POLL, now);
    }
}

#[test]
fn while_the_budget_is_short_it_ticks_no_more_often_than_that_allows() {
    let pause = Some(Duration::from_secs(20));
    assert_eq!(ticks(Triggers::default(), pause, 60_000), [0, 20_000, 40_000]);
}

#[test]
fn a_tick_takes_what_triggers_name_and_the_time_of_the_last_one() {
    let mut triggers = Triggers::default();
    assert_eq!(triggers.due(POLL, None), None);
    triggers.add(&queued(1), at(10));
    triggers.add(&queued(2), at(20));
    triggers.add(&job_event("o/s", 3, JobChange::Started), at(15));
    let repos = [("o/r", at(20)), ("o/s", at(15))];
    let repos = repos.map(|(repo, since)| (repo.parse().expect("a good name"), since)).into();
    assert_eq!(triggers.take(POLL, at(30)), ReadScope { repos, lists: None });
    assert_eq!(triggers.due(POLL, None), None);
    assert_eq!(triggers.take_all(at(40)), ReadScope::default());
}

#[test]
fn only_the_end_of_a_job_has_the_lists_read() {
    let mut triggers = Triggers::default();
    for (change, lists) in
        [(JobChange::Queued, None), (JobChange::Started, None), (JobChange::Ended, Some(at(7)))]
    {
        triggers.add(&job_event("o/r", 1, change), at(7));
        assert_eq!(triggers.take_all(at(7)).lists, lists, "{change:?}");
    }
    assert_eq!(triggers.take_all(at(8)).lists, None);
}

#[test]
fn a_job_that_is_not_shown_yet_is_looked_for_three_times_more() {
    let mut triggers = Triggers::default();
    let mut now = at(0);
    triggers.add(&queued(1), now);
    let mut waits = Vec::new();
    while let Some(due) = triggers.due(POLL, None) {
        waits.push((due - now).as_secs());
        now = due;
        assert_eq!(triggers.take(POLL, now).repos.into_values().collect::<Vec<_>>(), [now]);
        triggers.looked(|_, _| Some(false), now);
    }
    assert_eq!(waits, [0, 1, 3, 9]);
}

#[test]
fn what_is_shown_or_has_begun_or_ended_is_not_looked_for_again() {
    for change in [None, Some(JobChange::Started), Some(JobChange::Ended)] {
        let mut triggers = Triggers::default();
        triggers.add(&queued(1), at(0));
        if let Some(change) = change {
            triggers.add(&job_event("o/r", 1, change), at(1));
        }
        triggers.take(POLL, at(1));
        triggers.looked(|_, _| Some(change.is_none()), at(2));
        assert_eq!(triggers.due(POLL, None), None, "{change:?}");
    }
}

#[test]
fn a_queue_that_was_not_asked_for_says_nothing() {
    let mut triggers = Triggers::default();
    triggers.add(&queued(1), at(0));
    triggers.take(POLL, at(0));
    triggers.looked(|_, _| None, at(1));
    assert_eq!(triggers.due(POLL, None), None);
    triggers.looked(|_, _| Some(false), at(60_000));
    assert_eq!(triggers.due(POLL, None), Some(at(61_000)));
}

#[test]
fn a_later_trigger_does_not_wait_for_the_search_for_what_was_not_shown() {
    let mut triggers = Triggers::default();
    triggers.add(&queued(1), at(0));
    triggers.take(POLL, at(0));
    triggers.looked(|_, _| Some(false), at(0));
    triggers.add(&queued(2), at(500));
    assert_eq!(triggers.due(POLL, None), Some(at(500)));
    triggers.take(POLL, at(500));
    triggers.looked(|_, job| Some(job == JobId(2)), at(500));
    assert_eq!(triggers.due(POLL, None), Some(at(3_500)), "the first one was looked for twice");
}

#[test]
fn of_a_flood_of_jobs_a_hundred_are_remembered() {
    let mut triggers = Triggers::default();
    (0..1_000).for_each(|job| triggers.add(&queued(job), at(0)));
    assert_eq!(triggers.waiting.len(), MOST_UNSEEN);
    triggers.take(POLL, at(0));
    triggers.looked(|_, _| Some(true), at(0));
    assert!(triggers.waiting.is_empty() && triggers.repos.is_empty());
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
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        JobEvent { labels, ..job_event(repo, 1, JobChange::Queued) }.concerns(&fleet)
    };
    let own = fleet.scope.to_string();
    let own = own.strip_prefix("repo:").expect("a fleet of a repository");
    assert!(with(own, &[]));
    assert!(with(own, &["self-hosted", "LINUX"]));
    assert!(!with(own, &["self-hosted", "gpu-that-nobody-has"]));
    assert!(!with("some/other", &[]));
}
