//! `disable`: drains a fleet.

use anyhow::Result;
use azlin_daemon::config_edit::IfAbsent;
use azlin_fleet::config::edit::{KeyChange, Literal};
use azlin_fleet::model::PhaseKind;
use azlin_fleet::report::FleetStatus;

use crate::args::DisableArgs;
use crate::commands::fleet_file::{self, KILL_RUNNING_JOBS};
use crate::commands::wait::{Progress, WaitState, wait};
use crate::exit_status::ExitStatus;

pub async fn run(args: DisableArgs) -> Result<ExitStatus> {
    let mut changes = vec![KeyChange::set("enabled", Literal::Flag(false))];
    if args.force {
        changes.push(KeyChange::set(KILL_RUNNING_JOBS, Literal::Flag(true)));
    }
    match fleet_file::change(&args.target, &changes, IfAbsent::Refuse) {
        Ok(edited) => {
            let written = fleet_file::report(&args.target, &edited).await?;
            if args.wait { wait(&args.target, written, drained).await } else { Ok(ExitStatus::Done) }
        }
        Err(error) => fleet_file::report_error(&error),
    }
}

/// How far a fleet is drained.
fn drained(fleet: &FleetStatus) -> Progress {
    let (busy, left) = (
        fleet.count(PhaseKind::Active),
        fleet.known_runners().iter().filter(|runner| !runner.is_gone()).count(),
    );
    let text = match left {
        0 => "no runner is left".to_owned(),
        left => format!("{left} still there, {busy} of them busy"),
    };
    let state = if !fleet.enabled && left == 0 { WaitState::Over } else { WaitState::Waits };
    Progress { left, text, state }
}
