//! The scaling table of the specification, row by row, and what must always hold.

mod properties;

use super::*;
use crate::model::{JobId, NamedJob};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// One situation. Everything not named is the default: an idle fleet, long after the last action.
#[derive(Debug, Clone)]
struct Row {
    config: ScalingConfig,
    enabled: bool,
    pending: u32,
    waited: u64,
    available: u32,
    busy: u32,
    draining: u32,
    not_removable: u32,
    partly_known: bool,
    last_scaling_ago: Option<i64>,
    config_changed: bool,
    keep_for: u64,
    last_job_ago: Option<i64>,
    lowered_ago: Option<i64>,
}

impl Default for Row {
    fn default() -> Self {
        Row {
            config: ScalingConfig::default(),
            enabled: true,
            pending: 0,
            waited: 5,
            available: 0,
            busy: 0,
            draining: 0,
            not_removable: 0,
            partly_known: false,
            last_scaling_ago: None,
            config_changed: false,
            keep_for: 0,
            last_job_ago: None,
            lowered_ago: None,
        }
    }
}

impl Row {
    fn decide(&self) -> Scaling {
        let oldest = QueuedJob {
            job: NamedJob { name: Some("build".into()), ..JobId(7).into() },
            since: at(1_000 - self.waited as i64),
        };
        let load = Load {
            pending_jobs: self.pending,
            oldest_pending: (self.pending > 0).then_some(&oldest),
            available: self.available,
            busy: self.busy,
            draining: self.draining,
            preparing: 0,
            not_removable: self.not_removable,
            partly_known: self.partly_known,
        };
        let last_scaling = self.last_scaling_ago.map(|ago| at(1_000 - ago));
        let timing = Timing {
            last_scaling,
            config_changed: self.config_changed,
            lowered: self.lowered_ago.map(|ago| at(1_000 - ago)),
            last_job: self.last_job_ago.map(|ago| at(1_000 - ago)),
            now: at(1_000),
        };
        let warm = WarmConfig { keep_for: Duration::from_secs(self.keep_for), standby: 0 };
        scale(&self.config, warm, self.enabled, &load, timing)
    }
}

fn config(min: u32, max: u32) -> ScalingConfig {
    ScalingConfig { min_runners: min, max_runners: max, ..ScalingConfig::default() }
}

use crate::model::Rule::{self, *};
use ScalingAction::{Maintain, ScaleDown, ScaleUp};

#[test]
fn the_scaling_table() {
    let row = Row::default;
    let manual = |count| ScalingConfig { manual_count: Some(count), ..config(0, 10) };
    let one_each = ScalingConfig { jobs_per_runner: 1, ..config(0, 10) };
    let keep = ScalingConfig { scale_down_threshold: 2, ..config(0, 10) };
    let table: Vec<(&str, Row, (ScalingAction, u32, Rule))> = vec![
        ("nothing waits, nothing is there", row(), (Maintain, 0, Enough)),
        (
            "six waiting, two each, is three: past the threshold of two",
            Row { pending: 6, ..row() },
            (ScaleUp, 3, Formula),
        ),
        ("five waiting round up to three", Row { pending: 5, ..row() }, (ScaleUp, 3, Formula)),
        ("four waiting is two: exactly the threshold", Row { pending: 4, ..row() }, (Maintain, 2, Threshold)),
        ("one waiting", Row { pending: 1, ..row() }, (Maintain, 1, Threshold)),
        (
            "a job starves, and what it needs is there, but not the minimum",
            Row { config: config(3, 10), pending: 4, waited: 90, available: 2, ..row() },
            (ScaleUp, 3, Minimum),
        ),
        (
            "the minimum is there, and one more is within the threshold",
            Row { config: config(1, 10), pending: 4, available: 1, ..row() },
            (Maintain, 2, Threshold),
        ),
        (
            "the maximum is there, and to keep all is within the threshold",
            Row { config: ScalingConfig { scale_down_threshold: 2, ..config(0, 2) }, available: 2, ..row() },
            (Maintain, 0, Threshold),
        ),
        (
            "four waiting, none available, and max_queue_wait over",
            Row { pending: 4, waited: 61, ..row() },
            (ScaleUp, 2, NoJobStarves),
        ),
        (
            "exactly max_queue_wait is not longer",
            Row { pending: 4, waited: 60, ..row() },
            (Maintain, 2, Threshold),
        ),
        (
            "a starving job past the cooldown",
            Row { pending: 1, waited: 90, last_scaling_ago: Some(1), ..row() },
            (ScaleUp, 1, NoJobStarves),
        ),
        (
            "an old job, but a runner is on its way",
            Row { pending: 2, waited: 90, available: 1, ..row() },
            (Maintain, 1, Enough),
        ),
        (
            "a starving job, and every VM busy",
            Row { pending: 3, waited: 90, busy: 10, ..row() },
            (Maintain, 0, Maximum),
        ),
        (
            "a starving job, and one place free",
            Row { pending: 30, waited: 90, busy: 8, draining: 1, ..row() },
            (ScaleUp, 1, NoJobStarves),
        ),
        ("demand above the maximum", Row { pending: 100, ..row() }, (ScaleUp, 10, Formula)),
        (
            "demand above the maximum, all of it there",
            Row { pending: 100, available: 10, ..row() },
            (Maintain, 10, Maximum),
        ),
        (
            "every VM is one that cannot be removed",
            Row { pending: 30, draining: 10, not_removable: 10, ..row() },
            (Maintain, 0, Maximum),
        ),
        ("draining VMs take room", Row { pending: 100, draining: 4, ..row() }, (ScaleUp, 6, Formula)),
        ("the minimum with no job", Row { config: config(2, 10), ..row() }, (ScaleUp, 2, Minimum)),
        (
            "a minimum of one, below the threshold",
            Row { config: config(1, 10), ..row() },
            (ScaleUp, 1, Minimum),
        ),
        (
            "the minimum past the cooldown",
            Row { config: config(2, 10), last_scaling_ago: Some(1), ..row() },
            (ScaleUp, 2, Minimum),
        ),
        (
            "the minimum above the demand",
            Row { config: config(3, 10), pending: 2, available: 3, ..row() },
            (Maintain, 3, Enough),
        ),
        (
            "minimum and maximum the same",
            Row { config: config(4, 4), pending: 90, available: 4, ..row() },
            (Maintain, 4, Maximum),
        ),
        (
            "minimum and maximum the same, one too few",
            Row { config: config(4, 4), available: 3, ..row() },
            (ScaleUp, 4, Minimum),
        ),
        (
            "the minimum, but all busy at the maximum",
            Row { config: config(2, 4), busy: 4, ..row() },
            (Maintain, 0, Enough),
        ),
        (
            "a maximum of nought",
            Row { config: config(0, 0), pending: 9, waited: 600, ..row() },
            (Maintain, 0, Maximum),
        ),
        ("idle runners and no job", Row { available: 3, ..row() }, (ScaleDown, 0, Formula)),
        (
            "idle runners down to the minimum",
            Row { config: config(1, 10), available: 3, ..row() },
            (ScaleDown, 1, Formula),
        ),
        (
            "down within its threshold",
            Row { config: keep.clone(), available: 2, ..row() },
            (Maintain, 0, Threshold),
        ),
        ("down past its threshold", Row { config: keep, available: 3, ..row() }, (ScaleDown, 0, Formula)),
        (
            "down in the cooldown",
            Row { available: 3, last_scaling_ago: Some(299), ..row() },
            (Maintain, 0, Cooldown),
        ),
        (
            "down as the cooldown ends",
            Row { available: 3, last_scaling_ago: Some(300), ..row() },
            (ScaleDown, 0, Formula),
        ),
        (
            "up in the cooldown",
            Row { pending: 10, last_scaling_ago: Some(10), ..row() },
            (Maintain, 5, Cooldown),
        ),
        (
            "a changed configuration ends the cooldown",
            Row { pending: 10, last_scaling_ago: Some(10), config_changed: true, ..row() },
            (ScaleUp, 5, Formula),
        ),
        (
            "nothing is removed on a partly known queue",
            Row { available: 3, partly_known: true, ..row() },
            (Maintain, 0, PartlyKnown),
        ),
        (
            "but runners are added for what is known",
            Row { pending: 10, partly_known: true, ..row() },
            (ScaleUp, 5, Formula),
        ),
        (
            "more than the maximum, within the threshold, in the cooldown, on a partly known queue",
            Row {
                config: ScalingConfig { scale_down_threshold: 5, ..config(0, 5) },
                pending: 10,
                available: 8,
                busy: 1,
                last_scaling_ago: Some(1),
                partly_known: true,
                ..row()
            },
            (ScaleDown, 4, Maximum),
        ),
        (
            "the maximum was lowered, and the surplus is going",
            Row {
                config: ScalingConfig { cooldown: Duration::ZERO, ..config(5, 5) },
                available: 5,
                draining: 3,
                ..row()
            },
            (Maintain, 5, Enough),
        ),
        (
            "a count set by hand, and the surplus is going",
            Row { config: ScalingConfig { max_runners: 5, ..manual(5) }, available: 5, draining: 3, ..row() },
            (Maintain, 5, Manual),
        ),
        ("one job each", Row { config: one_each, pending: 3, ..row() }, (ScaleUp, 3, Formula)),
        (
            "busy runners are no capacity for waiting jobs",
            Row { pending: 6, busy: 5, ..row() },
            (ScaleUp, 3, Formula),
        ),
        (
            "a manual count past threshold and cooldown",
            Row { config: manual(1), last_scaling_ago: Some(1), ..row() },
            (ScaleUp, 1, Manual),
        ),
        (
            "a manual count below what is there",
            Row { config: manual(1), available: 4, pending: 8, ..row() },
            (ScaleDown, 1, Manual),
        ),
        (
            "a manual count is all runners, busy ones too",
            Row { config: manual(5), busy: 3, available: 2, ..row() },
            (Maintain, 2, Manual),
        ),
        (
            "a manual count and a starving job",
            Row { config: manual(0), pending: 4, waited: 600, ..row() },
            (Maintain, 0, Manual),
        ),
        (
            "a fleet that is not enabled",
            Row { enabled: false, pending: 9, waited: 600, available: 2, ..row() },
            (ScaleDown, 0, Disabled),
        ),
        (
            "not enabled and empty",
            Row { enabled: false, config: config(3, 9), ..row() },
            (Maintain, 0, Disabled),
        ),
    ];
    for (situation, row, expected) in table {
        let found = row.decide();
        assert_eq!(
            (found.action, found.reason.target, found.reason.cause.rule()),
            expected,
            "{situation}: {}",
            found.reason
        );
    }
}

#[test]
fn a_threshold_is_told_by_the_side_on_which_it_holds() {
    let keep = ScalingConfig { scale_down_threshold: 2, ..config(0, 10) };
    let reason = |row: Row| row.decide().reason.to_string();
    let over = reason(Row { config: keep, available: 2, ..Row::default() });
    assert!(over.contains("2 runners more than needed: kept, since scale_down_threshold is 2"), "{over}");
    let short = reason(Row { pending: 1, ..Row::default() });
    assert!(
        short.contains("1 runner short: holding until a job has waited 1m (scale_up_threshold is 2)"),
        "{short}"
    );
}

#[test]
fn reasons_are_understood_without_the_source() {
    let row = Row::default;
    let reasons: Vec<String> = [
        row(),
        Row { pending: 6, ..row() },
        Row { pending: 4, waited: 20, ..row() },
        Row { pending: 4, waited: 75, busy: 1, ..row() },
        Row { available: 3, last_scaling_ago: Some(100), ..row() },
        Row { available: 3, ..row() },
        Row { pending: 40, available: 8, busy: 2, ..row() },
        Row { config: config(2, 10), ..row() },
        Row { enabled: false, available: 1, ..row() },
    ]
    .iter()
    .map(|row| row.decide().reason.to_string())
    .collect();
    insta::assert_snapshot!(reasons.join("\n"));
}

#[test]
fn words_are_those_of_json() {
    let json = |value: serde_json::Result<serde_json::Value>| value.expect("it can be written");
    for action in [ScaleUp, ScaleDown, Maintain] {
        assert_eq!(json(serde_json::to_value(action)), action.as_str());
    }
    let rules =
        [Formula, NoJobStarves, Minimum, Manual, Disabled, Enough, Threshold, Cooldown, Maximum, PartlyKnown];
    for rule in rules {
        assert_eq!(json(serde_json::to_value(rule)), rule.as_str());
    }
}

#[test]
fn what_is_idle_stays_warm_after_the_last_job_and_for_a_cooldown_after_the_hours_lowered_the_limits() {
    let row = || Row { available: 4, config: config(1, 10), keep_for: 600, ..Row::default() };
    let kept = |left| ScalingCause::KeptWarm { keep_for: secs(600), left: secs(left) };
    let cools = |left| ScalingCause::Cooldown { cooldown: secs(300), left: secs(left) };
    for (situation, row, action, target, cause) in [
        ("a job a minute ago", Row { last_job_ago: Some(60), ..row() }, Maintain, 1, kept(540)),
        ("the last moment", Row { last_job_ago: Some(599), ..row() }, Maintain, 1, kept(1)),
        ("it is over", Row { last_job_ago: Some(600), ..row() }, ScaleDown, 1, ScalingCause::Over),
        ("never a job", row(), ScaleDown, 1, ScalingCause::Over),
        (
            "not configured",
            Row { keep_for: 0, last_job_ago: Some(0), ..row() },
            ScaleDown,
            1,
            ScalingCause::Over,
        ),
        (
            "more than the maximum are not kept",
            Row { last_job_ago: Some(60), config: config(1, 3), ..row() },
            ScaleDown,
            3,
            ScalingCause::OverMaximum,
        ),
        (
            "not enabled",
            Row { last_job_ago: Some(60), enabled: false, ..row() },
            ScaleDown,
            0,
            ScalingCause::Disabled,
        ),
        ("hours ended a minute ago", Row { lowered_ago: Some(60), ..row() }, Maintain, 1, cools(240)),
        (
            "a lower maximum, too",
            Row { lowered_ago: Some(60), config: config(1, 3), ..row() },
            Maintain,
            1,
            cools(240),
        ),
        ("a cooldown after it", Row { lowered_ago: Some(300), ..row() }, ScaleDown, 1, ScalingCause::Over),
        (
            "the later of both cooldowns",
            Row { lowered_ago: Some(200), last_scaling_ago: Some(10), ..row() },
            Maintain,
            1,
            cools(290),
        ),
    ] {
        let decided = row.decide();
        assert_eq!((decided.action, decided.reason.target), (action, target), "{situation}");
        assert_eq!(decided.reason.cause, cause, "{situation}");
    }
    let short = Row { pending: 20, lowered_ago: Some(60), ..row() }.decide();
    assert_eq!(short.action, ScaleUp, "lower limits hold no start back");
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
