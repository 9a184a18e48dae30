use super::*;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::time::advance;

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Weight = Weight { family: Family::Looks, points: 1 };
const REMOVAL: Weight = Weight { family: Family::Others, points: 5 };
const REGISTRATION: Weight = Weight { family: Family::Registrations, points: 5 };

fn budget(remaining: u64, reset: i64) -> Budget {
    Budget { limit: 5000, remaining, reset: Timestamp::from_second(reset).expect("in range") }
}

/// How long a request would have to wait; zero if it may go at once.
async fn waits(gate: &Gate, weight: Weight) -> Duration {
    gate.pass(weight, Duration::ZERO).await.err().unwrap_or_default()
}

fn gate(remaining: u64) -> Gate {
    let gate = Gate::new(MINUTE);
    gate.told(Family::Looks, Some(("core", budget(remaining, 1000), MINUTE * 30)));
    gate
}

#[tokio::test(start_paused = true)]
async fn untold_waits_double_until_an_answer_comes() {
    let gate = gate(5000);
    assert_eq!(waits(&gate, LOOK).await, Duration::ZERO);
    for expected in [1, 2, 4, 8, 15, 15] {
        gate.shut_untold();
        gate.shut_untold();
        gate.passed();
        assert_eq!(waits(&gate, REMOVAL).await, MINUTE * expected);
        advance(MINUTE * expected).await;
        assert_eq!(waits(&gate, REMOVAL).await, Duration::ZERO);
    }
    gate.passed();
    gate.shut_untold();
    assert_eq!(waits(&gate, LOOK).await, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_wait_does_not_open_it_early() {
    let gate = gate(5000);
    gate.shut(MINUTE);
    gate.shut(MINUTE / 2);
    assert_eq!(waits(&gate, LOOK).await, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn what_would_be_refused_is_not_sent_and_the_last_is_kept_for_what_is_no_look() {
    for (remaining, look, removal) in
        [(101, false, false), (100, true, false), (1, true, false), (0, true, true)]
    {
        let gate = gate(remaining);
        let wait = |waits| if waits { MINUTE * 30 } else { Duration::ZERO };
        assert_eq!(waits(&gate, LOOK).await, wait(look), "look with {remaining}");
        assert_eq!(waits(&gate, REMOVAL).await, wait(removal), "removal with {remaining}");
    }
    // A new window: the first request learns the limit.
    let gate = gate(0);
    advance(MINUTE * 30).await;
    let first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
    assert!(
        timeout(PATIENCE / 2, gate.pass(LOOK, PATIENCE)).await.is_err(),
        "the second waits for its answer"
    );
    gate.told(Family::Looks, Some(("core", budget(4999, 4600), MINUTE * 60)));
    drop(first);
    assert_eq!(waits(&gate, LOOK).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_counts_until_its_answer_tells() {
    let gate = Arc::new(gate(102));
    let one = gate.pass(LOOK, PATIENCE).await.expect("it goes");
    let two = gate.pass(LOOK, PATIENCE).await.expect("it goes");
    let other = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.pass(LOOK, PATIENCE).await.map(drop) }
    });
    assert!(timeout(PATIENCE / 2, gate.pass(LOOK, PATIENCE)).await.is_err());
    // The answer was "not modified", so nothing is used.
    gate.told(Family::Looks, Some(("core", budget(102, 1000), MINUTE * 30)));
    drop(one);
    assert_eq!(other.await.expect("no panic"), Ok(()));
    // A late answer does not give back budget.
    gate.told(Family::Looks, Some(("core", budget(100, 1000), MINUTE * 30)));
    gate.told(Family::Looks, Some(("core", budget(101, 1000), MINUTE * 30)));
    drop(two);
    assert_eq!(gate.budget().map(|budget| budget.remaining), Some(100));
    assert!(!waits(&gate, LOOK).await.is_zero());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_an_answer_that_does_not_come() {
    let (unknown, short) = (Gate::new(MINUTE), gate(101));
    for (gate, expected) in [(&unknown, None), (&short, Some(MINUTE * 30 - PATIENCE * 2))] {
        let _first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
        assert_eq!(gate.pass(LOOK, PATIENCE).await.err(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_limits_is_not_asked_one_by_one() {
    let gate = Gate::new(MINUTE);
    let first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
    gate.told(Family::Looks, None);
    let _second = gate.pass(LOOK, PATIENCE).await.expect("it goes beside the first");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn no_span_has_more_points_or_registrations_than_github_allows_and_nearly_as_many() {
    // (what is sent, what each counts, in so many minutes, no fewer than, what GitHub allows)
    let cases = [
        (LOOK, 1, 1, 850, 900),
        (REMOVAL, 5, 1, 850, 900),
        (REGISTRATION, 5, 1, 850, 900),
        (REGISTRATION, 1, 5, 840, 1500),
    ];
    for (weight, counts, minutes, least, most) in cases {
        let gate = gate(5000);
        let (began, mut sent) = (Instant::now(), Vec::new());
        while began.elapsed() < MINUTE * minutes * 3 && sent.len() < 3000 {
            drop(gate.pass(weight, MINUTE * 2).await.expect("patience enough"));
            sent.push(began.elapsed());
        }
        let in_span = |from: &Duration| {
            sent.iter().filter(|at| (*from..*from + MINUTE * minutes).contains(at)).count() * counts
        };
        let peak = sent.iter().map(in_span).max().unwrap_or_default();
        assert!(peak <= most && peak >= least, "{weight:?}: {peak} of {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn five_hundred_registrations_take_what_their_points_take() {
    let gate = gate(5000);
    let began = Instant::now();
    for _ in 0..500 {
        drop(gate.pass(REGISTRATION, PATIENCE).await.expect("it waits in turn"));
    }
    // 900 points at once, 900 after a minute, the rest after two.
    assert!(began.elapsed() <= MINUTE * 2 * 110 / 100, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_removal_passes_looks_and_registrations_that_wait_for_points() {
    for (weight, number) in [(LOOK, 850), (REGISTRATION, 170)] {
        let gate = gate(5000);
        for _ in 0..number {
            drop(gate.pass(weight, PATIENCE).await.expect("it goes"));
        }
        let next = timeout(PATIENCE, gate.pass(weight, Duration::ZERO)).await;
        assert!(!matches!(next, Ok(Ok(_))), "{weight:?} waits");
        assert!(waits(&gate, REMOVAL).await.is_zero(), "{weight:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn registrations_and_looks_do_not_stop_each_other() {
    // (what registrations are counted in, what is left of it, what is left of core, a look waits, a registration waits)
    for (resource, left, core, look, registration) in [
        ("actions_runner_registration", 0, 5000, false, true),
        ("actions_runner_registration", 5000, 0, true, false),
        ("core", 0, 5000, true, true),
    ] {
        let gate = gate(core);
        assert_eq!(waits(&gate, REGISTRATION).await, Duration::ZERO, "nothing is known of registrations");
        gate.told(Family::Registrations, Some((resource, budget(left, 1000), MINUTE * 30)));
        let wait = |waits| if waits { MINUTE * 30 } else { Duration::ZERO };
        assert_eq!(waits(&gate, LOOK).await, wait(look), "{resource}: look");
        assert_eq!(waits(&gate, REGISTRATION).await, wait(registration), "{resource}: registration");
        let shown = if resource == "core" { 0 } else { core };
        assert_eq!(gate.budget().map(|budget| budget.remaining), Some(shown), "{resource}");
    }
}
