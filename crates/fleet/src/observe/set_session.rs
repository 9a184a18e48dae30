//! What the holder of a scale set's session does next: after trouble, and with the set that it finds.

use std::time::Duration;

use crate::config::{Fleet, wanted_set};
use crate::model::{CallErrorKind, Label, ScaleSetConfig, ScaleSetInfo, SessionError};

/// The first wait after a failure; each further one is half as long again.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait. A session whose holder is gone lapses after a minute or more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After so many failures in a row of the same session another one is opened.
const NEW_SESSION_AFTER: u32 = 5;
/// After so many failures in a row a person is told.
pub const TOLD_AFTER: u32 = 3;

/// The pause after a poll that ended early and without a message: GitHub holds one for most of a minute.
pub const EARLY_END_PAUSE: Duration = Duration::from_secs(5);

/// A poll that ends sooner than this, without a message, was not held.
pub const EARLY_END: Duration = Duration::from_secs(5);

/// What the holder of a session does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetStep {
    /// It looks for the set, and makes it where it is gone.
    FindSet,
    /// It opens a session.
    Open,
    /// It goes on with the session.
    Poll,
}

/// What follows an error, the `failures`th in a row, and after what wait.
pub fn after_trouble(error: &SessionError, failures: u32) -> (SetStep, Duration) {
    let wait = wait_after(failures);
    match error {
        // What is over is opened again at once; if that fails too, it can wait.
        SessionError::Over(_) => (SetStep::Open, if failures <= 1 { Duration::ZERO } else { wait }),
        SessionError::SetGone(_) => (SetStep::FindSet, if failures <= 1 { Duration::ZERO } else { wait }),
        SessionError::Taken(_) => (SetStep::Open, wait),
        SessionError::Call(call) => {
            let wait = wait.max(call.retry_after.unwrap_or_default().min(LONGEST_WAIT * 5));
            match call.kind {
                CallErrorKind::NotPermitted | CallErrorKind::NotFound => (SetStep::FindSet, wait),
                _ if failures.is_multiple_of(NEW_SESSION_AFTER) => (SetStep::Open, wait),
                _ => (SetStep::Poll, wait),
            }
        }
    }
}

/// The scale set whose session a fleet holds. One that serves no jobs holds none: GitHub would give it jobs.
pub fn held_set(fleet: &Fleet) -> Option<ScaleSetConfig> {
    wanted_set(fleet).filter(|_| fleet.enabled && set_capacity(fleet) > 0)
}

/// How many jobs a fleet's set may hold in all. The number is the same at all hours: jobs that were queued while it was
/// lower have stayed unassigned for hours.
pub fn set_capacity(fleet: &Fleet) -> u32 {
    fleet.highest_limits().max_runners
}

/// How long to wait after the `failures`th failure in a row.
pub fn wait_after(failures: u32) -> Duration {
    let factor = 1.5_f64.powi(i32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0));
    FIRST_WAIT.mul_f64(factor).min(LONGEST_WAIT)
}

/// The labels that a set lacks.
pub fn lacking(wanted: &ScaleSetConfig, found: &ScaleSetInfo) -> Vec<Label> {
    let has = |label: &&Label| !found.labels.iter().any(|known| label.matches(known));
    wanted.labels.iter().filter(has).cloned().collect()
}

/// Whether a set has other labels than it should have.
pub fn differs(wanted: &ScaleSetConfig, found: &ScaleSetInfo) -> bool {
    found.labels.len() != wanted.labels.len() || !lacking(wanted, found).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::wanted_set;
    use crate::fixture::fleet_with;
    use crate::model::{CallError, ScaleSetId};

    fn call(kind: CallErrorKind) -> CallError {
        CallError::new(kind, "x")
    }

    #[test]
    fn what_follows_trouble() {
        let ms = Duration::from_millis;
        let later = call(CallErrorKind::Throttled).after(Some(Duration::from_secs(90)));
        for (situation, error, failures, expected) in [
            ("over", SessionError::Over(call(CallErrorKind::Invalid)), 1, (SetStep::Open, ms(0))),
            ("over again", SessionError::Over(call(CallErrorKind::Invalid)), 2, (SetStep::Open, ms(3000))),
            ("gone", SessionError::SetGone(call(CallErrorKind::NotFound)), 1, (SetStep::FindSet, ms(0))),
            ("taken", SessionError::Taken(call(CallErrorKind::NameTaken)), 1, (SetStep::Open, ms(2000))),
            (
                "taken for long",
                SessionError::Taken(call(CallErrorKind::NameTaken)),
                30,
                (SetStep::Open, ms(60_000)),
            ),
            ("a hiccup", call(CallErrorKind::Unavailable).into(), 1, (SetStep::Poll, ms(2000))),
            ("hiccups", call(CallErrorKind::Unavailable).into(), 5, (SetStep::Open, ms(10_125))),
            ("refused", call(CallErrorKind::NotPermitted).into(), 1, (SetStep::FindSet, ms(2000))),
            ("asked to wait", later.into(), 1, (SetStep::Poll, ms(90_000))),
        ] {
            assert_eq!(after_trouble(&error, failures), expected, "{situation}");
        }
    }

    #[test]
    fn the_labels_of_a_set() {
        let fleet = fleet_with("gpu", "labels = [\"docker\", \"GPU\"]\n[demand]\nsource = \"scale-set\"", "");
        let wanted = wanted_set(&fleet).expect("it has a set");
        let labels: Vec<&str> = wanted.labels.iter().map(Label::as_str).collect();
        assert_eq!(labels, ["gpu", "self-hosted", "Linux", "X64", "docker"]);
        assert_eq!(wanted_set(&fleet_with("gpu", "", "")), None);
        let found = |labels: &[&str]| ScaleSetInfo {
            id: ScaleSetId(1),
            name: "gpu".into(),
            runner_group: None,
            created_at: None,
            labels: labels.iter().map(|label| (*label).into()).collect(),
            level: None,
        };
        for (situation, labels, lacks, is_other) in [
            (
                "the same, in another case and order",
                &["X64", "linux", "GPU", "Docker", "self-hosted"][..],
                0,
                false,
            ),
            ("one is lacking", &["gpu", "self-hosted", "linux", "docker"], 1, true),
            ("one is too many", &["gpu", "self-hosted", "linux", "x64", "docker", "old"], 0, true),
            ("an old server took the first alone", &["gpu"], 4, true),
        ] {
            let set = found(labels);
            assert_eq!(
                (lacking(&wanted, &set).len(), differs(&wanted, &set)),
                (lacks, is_other),
                "{situation}"
            );
        }
    }
}
