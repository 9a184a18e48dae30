//! A runner's entry at GitHub: looked for, and removed.

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    CallError, CallErrorKind, Deregistration, Destroy, DestroyOutcome, EntryRef, Failure, Proof,
    ProvisionOutcome, RunnerConfig, RunnerError, RunnerInfo, RunnerRegistration, RunnerStatus,
};
use azlin_fleet::ports::GitHub;

/// The runner's entry. Looks for the last known id first, which may be stale or wrong, then for the name.
pub(super) async fn find(github: &dyn GitHub, destroy: &Destroy) -> Result<Option<RunnerInfo>, CallError> {
    let id = match destroy.entry {
        EntryRef::Listed(id) | EntryRef::Unlisted(Some(id)) => Some(id),
        EntryRef::Unlisted(None) => None,
        EntryRef::Unreachable => return Ok(None),
    };
    let is_it = |entry: &RunnerInfo| entry.runner_name.eq_ignore_ascii_case(destroy.runner.as_str());
    if let Some(id) = id
        && let Some(entry) = github.runner(&destroy.scope, id).await?.filter(is_it)
    {
        return Ok(Some(entry));
    }
    github.runner_named(&destroy.scope, &destroy.runner).await
}

/// Why an entry stays.
pub(crate) enum NotTakenBack {
    /// Its runner is at work.
    AtWork(String),
    /// GitHub has not removed it.
    Failed(Failure),
}

/// Removes the entry of a start that was interrupted, so that it can be made again.
pub(crate) async fn take_back(github: &dyn GitHub, config: &RunnerConfig) -> Result<(), NotTakenBack> {
    let lags = || NotTakenBack::AtWork("GitHub has its runner at work: Azure lags".to_owned());
    let failed = |error: CallError| NotTakenBack::Failed(error.into());
    let Some(entry) = github.runner_named(&config.scope, &config.runner_name).await.map_err(failed)? else {
        return Ok(());
    };
    if entry.busy || entry.status == RunnerStatus::Online {
        return Err(lags());
    }
    match github.deregister(&config.scope, entry.runner_id).await {
        Ok(Deregistration::Removed | Deregistration::NotFound) => Ok(()),
        Ok(Deregistration::Busy) => Err(lags()),
        Err(error) => Err(NotTakenBack::Failed(error.into())),
    }
}

/// The registration of a start that was interrupted before: an entry that an earlier try has left is made again.
pub(super) async fn registered_again(
    github: &dyn GitHub,
    config: &RunnerConfig,
    first: Result<RunnerRegistration, RunnerError>,
) -> Result<RunnerRegistration, ProvisionOutcome> {
    let registered = match first {
        Err(error) if error.call().kind == CallErrorKind::NameTaken => {
            match take_back(github, config).await {
                Ok(()) => github.jit_config(config).await,
                Err(NotTakenBack::AtWork(why)) => return Err(ProvisionOutcome::LeftAlone(why)),
                Err(NotTakenBack::Failed(failure)) => return Err(ProvisionOutcome::Failed(failure)),
            }
        }
        first => first,
    };
    registered.map_err(|error| ProvisionOutcome::Failed(error.into()))
}

/// Removes the entry of a runner that can work no more; the error says how its removal ends for now.
pub(super) async fn remove(
    github: &dyn GitHub,
    fleet: &Fleet,
    destroy: &Destroy,
) -> Result<(), DestroyOutcome> {
    let id = match destroy.entry {
        EntryRef::Listed(id) => id,
        // No list of this fleet ever shows an entry of another scope.
        // Nor may one be left of a VM that could be started again.
        EntryRef::Unlisted(_)
            if destroy.scope != fleet.scope
                || matches!(destroy.proof, Proof::Waived | Proof::StoppedStandby) =>
        {
            match find(github, destroy).await {
                Ok(Some(entry)) => entry.runner_id,
                Err(error) if destroy.proof == Proof::StoppedStandby => {
                    return Err(DestroyOutcome::Failed(error.into()));
                }
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        EntryRef::Unlisted(_) | EntryRef::Unreachable => return Ok(()),
    };
    match github.deregister(&destroy.scope, id).await {
        Ok(Deregistration::Removed | Deregistration::NotFound) => Ok(()),
        Ok(Deregistration::Busy) => Err(DestroyOutcome::Busy),
        Err(error) => Err(DestroyOutcome::Failed(error.into())),
    }
}
