//! Finds out whether a runner runs no job, before anything of it is removed.

use azlin_fleet::bootstrap::drain;
use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    Destroy, DestroyOutcome, DrainAnswer, EntryRef, PowerState, Proof, ResourceGroup, Step,
};
use azlin_fleet::plan::{
    ANSWER_LIMIT, FIRST_POWER_PAUSE, GONE_LIMIT, LONGEST_POWER_PAUSE, SSH_ANSWER_LIMIT, STOPS_BY_ITSELF,
};
use azlin_fleet::ports::Address;
use azlin_fleet::seeded_bug;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::RunnerLifecycle;
use super::entry;
use crate::bootstrap::machine;

fn left_alone(why: impl Into<String>) -> DestroyOutcome {
    DestroyOutcome::LeftAlone(why.into())
}

impl RunnerLifecycle {
    /// Whether the runner runs no job; if that is not proven, how its removal ends for now.
    pub(super) async fn prove(&self, fleet: &Fleet, destroy: &Destroy) -> Result<(), DestroyOutcome> {
        let Some((group, vm)) = &destroy.vm else { return self.has_no_vm(fleet, destroy).await };
        if destroy.proof == Proof::Waived {
            return Ok(());
        }
        let is_listed = matches!(destroy.entry, EntryRef::Listed(_));
        if is_listed && seeded_bug!(ListBusyBelieved, false, true)
            || !is_listed && seeded_bug!(GoneIsDone, false, true)
            || seeded_bug!(
                DeleteBelieved,
                false,
                is_listed && entry::remove(self.context.github(fleet), fleet, destroy).await.is_ok(),
            )
        {
            return Ok(());
        }
        if self.is_off(group, vm).await? {
            return Ok(());
        }
        match &destroy.proof {
            Proof::Waived | Proof::NotMade => Ok(()),
            Proof::Stopped | Proof::StoppedStandby => {
                Err(left_alone("Azure says that its VM runs: the list lags"))
            }
            Proof::Unanswered(waited) => self.gives_up(fleet, destroy, *waited).await,
            Proof::Drain(host_key) => {
                if !is_listed {
                    if self.goes_off(group, vm, STOPS_BY_ITSELF).await? {
                        return Ok(());
                    }
                    self.is_unknown(fleet, destroy).await?;
                }
                tracing::info!(fleet = %fleet.name, runner = %destroy.runner, vm = %vm, reason = %destroy.why, "{}: {} is asked to drain: {}", fleet.name, destroy.runner, destroy.why);
                match host_key {
                    Some(host_key) => self.drain_over_ssh(fleet, destroy, host_key).await,
                    None => self.drain_by_metadata(group, vm).await,
                }
            }
        }
    }

    /// Whether Azure has no VM of the runner's name, though no list shows one.
    async fn has_no_vm(&self, fleet: &Fleet, destroy: &Destroy) -> Result<(), DestroyOutcome> {
        let found = self.context.azure.power_state(&fleet.vm.group, destroy.runner.as_str()).await;
        match found {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(left_alone("Azure has its VM: the list lags")),
            Err(error) => Err(DestroyOutcome::Failed(error.into())),
        }
    }

    /// Whether a VM has stopped, or is gone.
    async fn is_off(&self, group: &ResourceGroup, vm: &str) -> Result<bool, DestroyOutcome> {
        match self.context.azure.power_state(group, vm).await {
            Ok(state) => Ok(state.is_none_or(PowerState::is_off)),
            Err(error) => seeded_bug!(AnySuccess, Err(DestroyOutcome::Failed(error.into())), Ok(true)),
        }
    }

    /// Waits until a VM's power state is read again, and doubles the pause; false if the daemon stops.
    pub(super) async fn pause(&self, pause: &mut Duration) -> bool {
        let wait = std::mem::replace(pause, (*pause * 2).min(LONGEST_POWER_PAUSE));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = sleep(wait) => true,
        }
    }

    /// Whether a VM stops within this time.
    async fn goes_off(
        &self,
        group: &ResourceGroup,
        vm: &str,
        limit: Duration,
    ) -> Result<bool, DestroyOutcome> {
        let until = Instant::now() + limit;
        let mut pause = FIRST_POWER_PAUSE;
        while Instant::now() < until {
            if !self.pause(&mut pause).await {
                return Err(left_alone("the daemon is stopping"));
            }
            if self.is_off(group, vm).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether Azure soon has no such VM any more.
    pub(super) async fn is_gone(&self, group: &ResourceGroup, vm: &str) -> bool {
        let until = Instant::now() + GONE_LIMIT;
        let mut pause = FIRST_POWER_PAUSE;
        while Instant::now() < until && self.pause(&mut pause).await {
            if let Ok(None) = self.context.azure.power_state(group, vm).await {
                return true;
            }
        }
        false
    }

    /// Whether GitHub does not know the runner. The list lacked it, and a list can lag.
    async fn is_unknown(&self, fleet: &Fleet, destroy: &Destroy) -> Result<(), DestroyOutcome> {
        if destroy.scope != fleet.scope {
            return Ok(());
        }
        match entry::find(self.context.github(fleet), destroy).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(left_alone("GitHub still has its entry: the list lags")),
            Err(error) => Err(DestroyOutcome::Failed(error.into())),
        }
    }

    /// Asks the VM through its metadata service, and waits for it to stop.
    async fn drain_by_metadata(&self, group: &ResourceGroup, vm: &str) -> Result<(), DestroyOutcome> {
        let azure = &self.context.azure;
        let request = drain::request(self.context.now());
        azure
            .ask_to_drain(group, vm, &request)
            .await
            .map_err(|error| DestroyOutcome::Failed(error.into()))?;
        if self.goes_off(group, vm, ANSWER_LIMIT).await? {
            return Ok(());
        }
        match azure.console(group, vm).await {
            Ok(Some(console)) if drain::is_refused(&console, &request) => {
                seeded_bug!(BusyIgnored, Err(DestroyOutcome::Busy), Ok(()))
            }
            Ok(_) | Err(_) => Err(DestroyOutcome::Asked("its VM has not answered yet".to_owned())),
        }
    }

    /// Asks the VM over SSH. It answers at once.
    async fn drain_over_ssh(
        &self,
        fleet: &Fleet,
        destroy: &Destroy,
        host_key: &str,
    ) -> Result<(), DestroyOutcome> {
        let answer = timeout(SSH_ANSWER_LIMIT, self.answer_over_ssh(fleet, destroy, host_key)).await;
        match answer.unwrap_or_else(|_| Err("it took too long".to_owned())) {
            Ok(DrainAnswer::Ended) => Ok(()),
            Ok(DrainAnswer::Busy) => seeded_bug!(BusyIgnored, Err(DestroyOutcome::Busy), Ok(())),
            Err(why) => Err(DestroyOutcome::Asked(format!("its VM has not answered over SSH: {why}"))),
        }
    }

    async fn answer_over_ssh(
        &self,
        fleet: &Fleet,
        destroy: &Destroy,
        host_key: &str,
    ) -> Result<DrainAnswer, String> {
        let Some((group, vm)) = &destroy.vm else { return Err("there is no VM".to_owned()) };
        let found = self.context.azure.address(group, vm, fleet.vm.public_ip).await;
        let Address::At(address) = found.map_err(|error| error.to_string())? else {
            return Err("it has no address".to_owned());
        };
        let machine = machine(fleet, vm, host_key, address);
        let session = self.context.ssh.connect(&machine).await.map_err(|error| error.to_string())?;
        let printed = session.run(&Step::Drain).await.map_err(|error| error.to_string())?;
        DrainAnswer::parse(&printed)
    }

    /// Whether a VM that has not answered for so long may go: GitHub is asked once more, and all that is known is
    /// told.
    async fn gives_up(
        &self,
        fleet: &Fleet,
        destroy: &Destroy,
        waited: Duration,
    ) -> Result<(), DestroyOutcome> {
        let entry = entry::find(self.context.github(fleet), destroy).await;
        let entry = entry.map_err(|error| DestroyOutcome::Failed(error.into()))?;
        if entry.as_ref().is_some_and(|entry| entry.busy) {
            return Err(DestroyOutcome::Busy);
        }
        let at_github = match entry {
            None => "GitHub does not know it",
            Some(_) => "GitHub calls it idle",
        };
        let (waited, why) = (azlin_fleet::model::in_words(waited), &destroy.why);
        tracing::warn!(fleet = %fleet.name, runner = %destroy.runner, reason = %why, "{}: {} is removed without an answer: its VM was asked to drain {waited} ago and runs on; {at_github}, and no look and no queue has shown a job since ({why}); if this repeats, look at its image: it needs systemd, curl and pgrep, and must reach 169.254.169.254", fleet.name, destroy.runner);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
