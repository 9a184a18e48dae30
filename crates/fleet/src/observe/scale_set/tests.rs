//! What the messages of a scale set amount to.

use super::*;
use crate::fixture::at;
use crate::model::{MessageId, RunId, RunnerId, SetRunner};

fn level(assigned: u32, running: u32) -> ScaleSetLevel {
    ScaleSetLevel { assigned, running, ..ScaleSetLevel::default() }
}

fn news(job: &str, kind: JobNewsKind) -> JobNews {
    // "7b" is the second assignment of job 7.
    let number: u64 = job.trim_end_matches(char::is_alphabetic).parse().expect("a number");
    JobNews {
        job: job.into(),
        kind,
        run: RunId(number),
        repo: "o/r".parse().expect("valid"),
        name: "build".into(),
        workflow: "ci.yml".into(),
        link: None,
        labels: vec!["docker".into()],
        queued_at: Some(at(0)),
    }
}

fn assigned(job: &str) -> JobNews {
    news(job, JobNewsKind::Assigned)
}

fn started(job: &str) -> JobNews {
    let runner = SetRunner { id: RunnerId(1), name: format!("ci-{job}").into() };
    news(job, JobNewsKind::Started(runner))
}

fn ended(job: &str) -> JobNews {
    let runner = SetRunner { id: RunnerId(1), name: format!("ci-{job}").into() };
    news(job, JobNewsKind::Completed { result: "succeeded".into(), runner: Some(runner) })
}

fn lapsed(job: &str) -> JobNews {
    news(job, JobNewsKind::Completed { result: "canceled".into(), runner: None })
}

/// A watch that has taken in these messages: the second of each, its level and its news.
fn watch(messages: &[(i64, ScaleSetLevel, &[JobNews])]) -> SetWatch {
    let mut watch = SetWatch::default();
    watch.opened(&key(3), Some(level(0, 0)), at(0));
    for (number, (second, level, news)) in (1..).zip(messages) {
        let message =
            ScaleSetMessage { id: MessageId(number), level: Some(*level), news: news.to_vec(), unread: 0 };
        watch.take(message, at(*second));
    }
    watch
}

/// Waiting and running jobs by number, and how many wait and run by name.
fn found(watch: &SetWatch, now: i64) -> (u32, u32, usize, usize) {
    let demand = watch.demand(at(now)).expect("known");
    let running = watch.queue().jobs.iter().filter(|job| job.status == JobStatus::InProgress).count();
    (demand.metrics.pending_jobs, demand.metrics.in_progress_jobs, demand.pending.len(), running)
}

#[test]
fn the_level_decides_and_messages_name() {
    for (situation, messages, now, expected) in [
        ("nothing", &[][..], 0, (0, 0, 0, 0)),
        ("two wait", &[(1, level(2, 0), &[assigned("7"), assigned("8")][..])][..], 1, (2, 0, 2, 0)),
        (
            "the same message comes again",
            &[(1, level(2, 0), &[assigned("7"), assigned("8")]), (9, level(2, 0), &[assigned("7")])],
            9,
            (2, 0, 2, 0),
        ),
        (
            "one runs",
            &[(1, level(2, 0), &[assigned("7"), assigned("8")]), (9, level(2, 1), &[started("7")])],
            9,
            (1, 1, 1, 1),
        ),
        ("more than have names", &[(1, level(40, 3), &[assigned("7")])], 1, (37, 3, 1, 0)),
        (
            "begun and ended in one message",
            &[(1, level(0, 0), &[assigned("7"), started("7"), ended("7")])],
            1,
            (0, 0, 0, 0),
        ),
        (
            "its beginning comes again after its end",
            &[(1, level(0, 0), &[ended("7")]), (2, level(0, 0), &[assigned("7"), started("7")])],
            2,
            (0, 0, 0, 0),
        ),
        (
            "a level of zero beside a job: the job counts",
            &[(1, level(0, 0), &[assigned("7")])],
            9,
            (1, 0, 1, 0),
        ),
        ("and for five minutes alone", &[(1, level(0, 0), &[assigned("7")])], 400, (0, 0, 0, 0)),
        (
            "a level of more is right, whatever the names are",
            &[(1, level(3, 1), &[assigned("7"), assigned("8"), assigned("9")])],
            1,
            (2, 1, 2, 0),
        ),
        (
            "an end that was never reported",
            &[
                (1, level(1, 1), &[assigned("7"), started("7")]),
                (400, level(1, 1), &[assigned("8"), started("8")]),
            ],
            400,
            (0, 1, 0, 1),
        ),
    ] {
        assert_eq!(found(&watch(messages), now), expected, "{situation}");
    }
}

#[test]
fn a_lapse_is_told_from_a_cancellation() {
    let first = (1, level(1, 0), &[assigned("7")][..]);
    for (situation, second, lapses, waits) in [
        ("cancelled by a person", (300, level(0, 0), &[lapsed("7")][..]), 0, 0),
        ("lapsed, and assigned anew", (300, level(1, 0), &[lapsed("7"), assigned("7b")][..]), 1, 1),
        ("cancelled, and another comes", (300, level(1, 0), &[lapsed("7"), assigned("8")][..]), 0, 1),
    ] {
        let watch = watch(&[first, second]);
        assert_eq!(watch.status("ci").lapses, lapses, "{situation}");
        assert_eq!(found(&watch, 300).0, waits, "{situation}");
    }
}

#[test]
fn without_a_session_what_was_known_serves_and_then_is_a_lower_bound() {
    let mut watch = SetWatch::default();
    let blank = watch.demand(at(0)).expect_err("nothing is known");
    assert!(blank.contains("the daemon opens its session"), "{blank}");
    watch.is_troubled("another session holds it".to_owned(), at(1));
    let troubled = watch.demand(at(2)).expect_err("nothing is known");
    assert!(troubled.contains("another session holds it"), "{troubled}");
    watch.opened(&key(3), Some(level(3, 1)), at(10));
    assert_eq!(found(&watch, 10), (2, 1, 0, 0));
    watch.is_troubled("502".to_owned(), at(20));
    watch.is_troubled("503".to_owned(), at(60));
    for (now, is_note) in [(60, true), (330, false)] {
        let demand = watch.demand(at(now)).expect("known");
        assert_eq!((demand.metrics.pending_jobs, demand.missing.is_empty()), (2, is_note), "{demand:?}");
        let told = demand.missing.iter().chain(&demand.notes).next().expect("a remark").clone();
        assert!(told.starts_with("the scale set has had no session for") && told.ends_with("503"), "{told}");
    }
    watch.heard_nothing(at(340));
    assert!(watch.demand(at(340)).expect("known").missing.is_empty());
}

#[test]
fn another_set_has_other_jobs() {
    let mut watch = watch(&[(1, level(1, 0), &[assigned("7")])]);
    watch.has_set(set(1), Vec::new(), at(2));
    assert_eq!(found(&watch, 2), (1, 0, 1, 0));
    watch.has_set(set(2), vec!["gpu".parse().expect("a label")], at(3));
    assert!(watch.is_blank());
    watch.opened(&key(3), Some(level(1, 0)), at(4));
    assert_eq!(found(&watch, 4), (1, 0, 0, 0), "the level of the new one, and no names of the old one");
    let notes = watch.demand(at(4)).expect("known").notes;
    assert!(notes[0].contains("not taken these labels of the scale set: gpu;"), "{notes:?}");
}

#[test]
fn offers_are_to_be_acquired_and_ends_to_be_seen() {
    let mut watch = SetWatch::default();
    let offered = vec![news("811", JobNewsKind::Offered(811)), news("812", JobNewsKind::Offered(812))];
    let message = |news| ScaleSetMessage { id: MessageId(1), level: None, news, unread: 0 };
    let effects = watch.take(message(offered), at(0));
    assert_eq!(effects, SetEffects { offers: vec![811, 812], has_ended: false });
    assert!(watch.is_blank() && watch.queue().jobs.is_empty(), "an offer is no demand");
    assert!(watch.take(message(vec![ended("7")]), at(1)).has_ended);
}

#[test]
fn what_people_read_of_it() {
    let mut watch = watch(&[
        (1, level(3, 1), &[assigned("7")][..]),
        (300, level(3, 1), &[lapsed("7"), assigned("7b")][..]),
    ]);
    let told = watch.status("ci").in_words(at(312));
    assert_eq!(
        told,
        "2 assigned, 1 running; session for 5m 12s, heard 12s ago; 1 assignment lapsed because no runner was ready within \
         five minutes"
    );
    watch.is_troubled("another session holds it".to_owned(), at(320));
    assert!(watch.status("ci").in_words(at(330)).contains("no session: another session holds it;"));
    assert_eq!(
        SetWatch::default().status("ci").in_words(at(0)),
        "0 assigned, 0 running; no session: the daemon opens one"
    );
    let status = ScaleSetStatus {
        labels: vec!["ci".into()],
        refused_labels: vec!["gpu".parse().expect("a label")],
        ..watch.status("ci")
    };
    assert_eq!(status.labels_in_words(), "ci; GitHub has not taken gpu");
}

fn set(id: u64) -> ScaleSetInfo {
    ScaleSetInfo {
        id: ScaleSetId(id),
        name: "ci".into(),
        runner_group: None,
        created_at: Some(at(0)),
        labels: vec!["ci".into()],
        level: None,
    }
}

fn key(set: u64) -> SessionKey {
    SessionKey { set: ScaleSetId(set), id: "5b0c".into() }
}

/// The session that a daemon had which was killed is ended, once: it would keep a new one away until it lapses.
#[test]
fn a_session_that_was_left_open_is_told_once_and_only_for_its_set() {
    for (what, left, expected) in
        [("of this set", key(7), Some(key(7))), ("of a set that is gone", key(6), None)]
    {
        let mut watch = SetWatch::default();
        watch.remember(Some(left.clone()));
        assert_eq!(watch.left_open(), None, "{what}: the set is not known yet");
        watch.has_set(set(7), Vec::new(), at(0));
        assert_eq!((watch.left_open(), watch.left_open()), (expected, None), "{what}");
        watch.opened(&key(7), None, at(1));
        watch.remember(Some(left));
        assert_eq!(watch.session(), Some(&key(7)), "{what}: a newer one counts");
        watch.closed();
        assert_eq!(watch.session(), None, "{what}");
    }
}
