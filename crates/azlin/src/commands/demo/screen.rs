//! The live table of the demo: jobs and runners as they are in the simulated world, and what the
//! daemon last decided about each fleet.

use std::time::Duration;

use azlin_daemon::StatusStore;
use azlin_simcloud::World;
use azlin_simcloud::github::JobState;

use super::config::MAXIMUMS;

/// One frame.
pub fn frame(world: &World, status_store: &StatusStore, elapsed: Duration, duration: Duration) -> String {
    let report = world.report();
    let jobs =
        |is: fn(JobState) -> bool| world.state.github.jobs.values().filter(|job| is(job.state)).count();
    let phase = if elapsed < duration { "jobs arrive" } else { "no more jobs; the fleets empty" };
    let mut text = format!("{:>5.1} s  {phase}\n\n", elapsed.as_secs_f64());
    text += &format!(
        "jobs     {:>4} waiting  {:>4} running  {:>4} completed  {:>4} killed\n\n",
        jobs(|state| state == JobState::Queued || state.is_held()),
        jobs(|state| state == JobState::InProgress),
        report.jobs_completed,
        report.jobs_killed
    );
    let reports = status_store.read().fleets;
    for (pool, most) in MAXIMUMS {
        let vms = world.state.azure.vms.values().filter(|vm| vm.tag("azlin-pool") == Some(pool));
        let (mut busy, mut idle, mut other) = (0, 0, 0);
        for vm in vms {
            let runner =
                vm.runner.and_then(|id| world.state.github.runners.get(&id)).filter(|runner| runner.online);
            match runner {
                Some(runner) if runner.job.is_some() => busy += 1,
                Some(_) => idle += 1,
                None => other += 1,
            }
        }
        let bar = format!("{}{}{}", "█".repeat(busy), "▒".repeat(idle), "░".repeat(other));
        let width = most as usize;
        let total = busy + idle + other;
        text += &format!(
            "{pool:<8} {bar:<width$}  {total:>2} of {most} VMs: {busy} busy, {idle} idle, {other} coming or going\n"
        );
        let reason =
            reports.iter().find(|(name, _)| name.as_str() == pool).map(|(_, report)| &report.decision.reason);
        text += &format!("         {}\n", reason.map_or("", String::as_str));
    }
    text + "\n"
}
