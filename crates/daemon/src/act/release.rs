//! What must be true of a runner at GitHub before its VM may be deleted.

use azlin_fleet::model::{
    CallError, Deregister, Deregistration, Destroy, RunnerError, RunnerId, RunnerInfo, RunnerName, Scope,
};
use azlin_fleet::ports::GitHub;
use azlin_fleet::seeded_bug;

/// Releases the runner at GitHub. Returns the reason if its VM must not be touched.
pub(super) async fn released(github: &dyn GitHub, destroy: &Destroy) -> Result<Option<&'static str>, String> {
    const LAGS: &str = "GitHub still has its entry: the list lags";
    const BUSY: &str = "it runs a job";
    let Destroy { scope, runner, .. } = destroy;
    let failed = |error: RunnerError| error.to_string();
    match destroy.first {
        Deregister::Nothing => Ok(None),
        Deregister::Entry(id) => match github.deregister(scope, id).await.map_err(failed)? {
            Deregistration::Removed => Ok(None),
            Deregistration::NotFound if destroy.vm.is_none() => Ok(None),
            Deregistration::NotFound => {
                Ok(Some("its entry was gone before it was removed; the next look decides"))
            }
            Deregistration::Busy => seeded_bug!(BusyIgnored, Ok(Some("it has taken a job")), Ok(None)),
        },
        Deregister::ConfirmGone(id) => match github.runner(scope, id).await {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Ok(Some(LAGS)),
            Err(error) => Err(error.to_string()),
        },
        Deregister::Unregistered(id) => match entry(github, scope, runner, id).await {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Ok(Some(LAGS)),
            Err(error) => Err(error.to_string()),
        },
        Deregister::Regardless(id) => {
            if let Ok(Some(id)) = entry(github, scope, runner, id).await {
                let answer = github.deregister(scope, id).await;
                tracing::debug!(%runner, ?answer, "{runner}: its VM goes whatever GitHub says: {answer:?}");
            }
            Ok(None)
        }
        Deregister::IfPossible(id) => match entry(github, scope, runner, id).await {
            Ok(Some(id)) => match github.deregister(scope, id).await {
                Ok(Deregistration::Busy) => Ok(Some(BUSY)),
                Ok(Deregistration::Removed | Deregistration::NotFound) | Err(_) => Ok(None),
            },
            Ok(None) | Err(_) => Ok(None),
        },
        Deregister::Elsewhere(id) => {
            let found = entry(github, scope, runner, id).await.map_err(|error| error.to_string())?;
            if let Some(id) = found {
                match github.deregister(scope, id).await.map_err(failed)? {
                    Deregistration::Removed => return Ok(None),
                    Deregistration::Busy => return Ok(Some(BUSY)),
                    // The entry is gone, or hidden from us. The whole list shows which.
                    Deregistration::NotFound => {}
                }
            }
            let list = github.runners(scope).await.map_err(|error| error.to_string())?;
            let is_it = |name: &str| name.eq_ignore_ascii_case(runner.as_str());
            let is_listed = list.iter().any(|entry| is_it(&entry.runner_name));
            Ok(is_listed.then_some(LAGS))
        }
    }
}

/// The id of a runner's entry, or `None`. Looks up the last known id first, which may be stale or wrong, then
/// the name.
async fn entry(
    github: &dyn GitHub,
    scope: &Scope,
    runner: &RunnerName,
    id: Option<RunnerId>,
) -> Result<Option<RunnerId>, CallError> {
    let is_it = |entry: &RunnerInfo| entry.runner_name.eq_ignore_ascii_case(runner.as_str());
    if let Some(id) = id
        && github.runner(scope, id).await?.is_some_and(|entry| is_it(&entry))
    {
        return Ok(Some(id));
    }
    Ok(github.runner_named(scope, runner).await?.map(|entry| entry.runner_id))
}
