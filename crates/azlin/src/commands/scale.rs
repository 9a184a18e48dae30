//! `scale`: fixes the number of a fleet's runners, or lets the queue decide again.

use anyhow::Result;
use azlin_daemon::config_edit::{EditError, IfAbsent};
use azlin_fleet::config::{
    Faulty, ProblemKind,
    edit::{KeyChange, Literal},
};
use azlin_fleet::model::PhaseKind;
use azlin_fleet::report::FleetStatus;

use crate::args::ScaleArgs;
use crate::commands::fleet_file;
use crate::commands::wait::{Progress, WaitState, wait};
use crate::exit_status::ExitStatus;
use crate::output::say_error;

const MANUAL_COUNT: &str = "scaling.manual_count";

pub async fn run(args: ScaleArgs) -> Result<ExitStatus> {
    let change = match args.count.count {
        Some(count) => KeyChange::set(MANUAL_COUNT, Literal::Number(count.into())),
        None => KeyChange::remove(MANUAL_COUNT),
    };
    let error = match fleet_file::change(&args.target, &[change], IfAbsent::Refuse) {
        Ok(edited) => {
            let written = fleet_file::report(&args.target, &edited).await?;
            let scaled = |fleet: &FleetStatus| scaled(fleet, args.count.count);
            return if args.wait { wait(&args.target, written, scaled).await } else { Ok(ExitStatus::Done) };
        }
        Err(error) => error,
    };
    if let (EditError::Refused { faulty, .. }, Some(count)) = (&error, args.count.count)
        && let Some(why) = too_many(faulty)
    {
        let pool = &args.target.pool;
        say_error(&format!(
            "pool {pool}: {why}; to allow as many: azlin github-runner enable --pool {pool} --max-runners {count}"
        ));
        return Ok(ExitStatus::Failed);
    }
    fleet_file::report_error(&error)
}

/// How far a fleet is from having this many runners.
fn scaled(fleet: &FleetStatus, count: Option<u32>) -> Progress {
    let is_taken = fleet.manual_count == count;
    let online = fleet.count(PhaseKind::Registered) + fleet.count(PhaseKind::Active);
    let Some(count) = count.map(|count| count as usize) else {
        let text = fleet.decision.reason.clone();
        let state = if is_taken { WaitState::Over } else { WaitState::Waits };
        return Progress { left: 0, text, state };
    };
    let coming = fleet.count(PhaseKind::Provisioning);
    let there = fleet.known_runners().iter().filter(|runner| !runner.is_gone()).count();
    let going = there.saturating_sub(online + coming);
    let text = format!("{online} of {count} online, {coming} coming, {going} going");
    let state = if !fleet.enabled {
        let pool = &fleet.pool;
        WaitState::Never(format!(
            "{pool} is not enabled, so it has no runners: azlin github-runner enable --pool {pool}"
        ))
    } else if is_taken && online == count && coming == 0 && going == 0 {
        WaitState::Over
    } else {
        WaitState::Waits
    };
    Progress { left: online.abs_diff(count) + going, text, state }
}

/// The problem with a count above the file's maximum, if it is the only problem.
fn too_many(faulty: &Faulty) -> Option<&str> {
    match faulty.problems.0.as_slice() {
        [problem] if problem.key == MANUAL_COUNT && problem.kind == ProblemKind::Conflict => {
            Some(&problem.message)
        }
        _ => None,
    }
}
