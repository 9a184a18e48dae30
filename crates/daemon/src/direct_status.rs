//! The status of fleets where no daemon runs: read directly from GitHub and Azure.

use azlin_fleet::report::{BadFileStatus, DaemonError, FleetStatus, Presentation, Status, VERSION};
use jiff::Timestamp;

use crate::config_dir::Configuration;
use crate::context::DaemonContext;
use crate::forgotten::find_forgotten;
use crate::plan_once::{Planned, plan_once};
use crate::state::StateDir;

/// Observes each fleet once, as a tick does.
pub async fn direct_status(
    configuration: &Configuration,
    context: &DaemonContext,
    state: &StateDir,
) -> Status {
    let at = Timestamp::now();
    let Configuration { daemon, fleets, problems, .. } = configuration;
    let presentation = Presentation::from(daemon);
    let planned = plan_once(fleets, context.clone(), state, daemon.poll_queue).await;
    // What a daemon has kept until it ended.
    let status = |planned: &Planned| {
        let history = state.load_history(&planned.fleet.name).within_bounds(at);
        let recent = state.is_kept().then(|| history.recent.status(at));
        FleetStatus { recent, ..planned.status(&presentation) }
    };
    let forgotten = find_forgotten(configuration, context, state).await;
    let bad_files = problems.iter().map(|problem| BadFileStatus {
        file: problem.path.display().to_string(),
        message: problem.to_string(),
        since: at,
    });
    Status {
        version: VERSION,
        at,
        daemon: None,
        fleets: planned.iter().map(status).collect(),
        bad_files: bad_files.collect(),
        errors: forgotten.iter().map(DaemonError::from).collect(),
        forgotten,
        budgets: context.budgets(),
    }
}
