//! What the history keeps of polls.

use super::*;
use crate::fixture::{
    Entry::{Busy, Idle, Offline},
    NOW, Scene, at,
};
use crate::report::{Presentation, Tick};

/// What a poll shows `later` seconds after `NOW`.
fn look(scene: &Scene, later: i64) -> FleetStatus {
    let tick = Tick { number: 1, at: at(NOW + later), next: None };
    FleetStatus::of(
        &scene.fleet,
        &scene.plan(),
        &scene.seen,
        &scene.fleet_state,
        &Presentation::default(),
        tick,
        &[],
    )
}

fn minute_of(second: i64) -> i64 {
    at(second).as_second().div_euclid(60) * 60
}

#[test]
fn a_minute_has_one_sample_and_the_most_jobs_that_waited_in_it() {
    let mut history = History::default();
    let making = Scene::new("").runner(1, 10, Offline);
    let full = making.pending(5, 10).runner(2, 60, Idle).runner(3, 60, Busy);
    history.saw(&look(&full, 0));
    history.saw(&look(&Scene::new("").runner(1, 60, Busy), 10));
    history.saw(&look(&Scene::new(""), 60));
    history.saw(&look(&Scene::new("").pending(1, 1), 0));
    let start = minute_of(NOW);
    let minute = |at, pending, busy| {
        let vms = Some(ByUse::from_fn(|of| if of == Use::Busy { busy } else { 0 }));
        Minute { at, pending: Some(pending), running: Some(0), vms }
    };
    assert_eq!(history.minutes, [minute(start, 5, 1), minute(start + 60, 1, 0)]);
    let mut status = look(&full, 0);
    for phase in [PhaseKind::Draining, PhaseKind::Draining, PhaseKind::Destroyed] {
        let mut runner = status.known_runners()[0].clone();
        runner.phase = phase;
        status.runners.get_or_insert_default().push(runner);
    }
    let mut first = History::default();
    first.saw(&status);
    let vms = first.minutes[0].vms.expect("they were seen");
    assert_eq!(Use::ALL.map(|of| vms[of]), [1, 1, 1, 3, 0], "starting, busy, idle, leaving, standby");
}

/// Unknown is not zero: the chart has a gap.
#[test]
fn a_minute_in_which_nothing_could_be_seen_has_no_numbers() {
    let mut away = Scene::new("").pending(5, 10).runner(1, 60, Busy);
    away.seen.demand = Err("502".to_owned());
    away.seen.entries = Err("502".to_owned());
    let mut history = History::default();
    history.saw(&look(&away, 0));
    let minute = history.minutes[0];
    assert_eq!((minute.pending, minute.running, minute.vms), (None, None, None));
    let text = serde_json::to_string(&minute).expect("it can be written");
    assert_eq!(serde_json::from_str::<Minute>(&text).expect("it can be read"), minute, "{text}");
    history.saw(&look(&Scene::new("").pending(5, 10), 10));
    assert_eq!(history.minutes[0].pending, Some(5), "it is known again in the same minute");
}

#[test]
fn what_is_old_makes_room() {
    let (mut history, scene) = (History::default(), Scene::new("").pending(9, 10));
    for minute in 0..2 * MINUTES as i64 {
        let mut status = look(&scene, minute * 60);
        status.last_scaling = Some(status.at);
        history.saw(&status);
    }
    assert_eq!((history.minutes.len(), history.decisions.len()), (480, 25));
    let newest = minute_of(NOW + (2 * MINUTES as i64 - 1) * 60);
    assert_eq!(history.minutes.back().map(|minute| minute.at), Some(newest));
}

#[test]
fn a_decision_is_kept_once_when_it_changed_something() {
    let (mut history, scene) = (History::default(), Scene::new("").pending(9, 10));
    let up = look(&scene, 0);
    assert_eq!(up.decision.action, ScalingAction::ScaleUp);
    history.saw(&up);
    assert_eq!(history.decisions.len(), 0, "it was held back");
    let scaled = FleetStatus { last_scaling: Some(up.at), ..up };
    history.saw(&scaled);
    history.saw(&scaled);
    let maintained = FleetStatus { last_scaling: Some(at(NOW + 60)), ..look(&Scene::new(""), 60) };
    history.saw(&maintained);
    assert_eq!(history.decisions, [Decided::of(&scaled)]);
    let told = &history.decisions[0];
    assert_eq!((told.from, told.to, told.at), (0, 5, at(NOW)));
}
