//! VMs on standby: made, deallocated, and taken from standby for a runner.

use azlin_fleet::bootstrap::{cloud_init, runner_config, standby};
use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    CallError, CallErrorKind, Failure, Offering, PowerState, ProvisionOutcome, RunnerRegistration, StandbyVm,
    VmChangeOutcome, VmTags, elapsed,
};
use azlin_fleet::plan::{FIRST_POWER_PAUSE, GONE_LIMIT, PREPARING_PAUSE};
use azlin_fleet::state::RefusalEffect;
use tokio::time::Instant;

use super::entry;
use super::{Identity, RunnerLifecycle, RunnerRequest};
use crate::report;

impl RunnerLifecycle {
    /// Makes a VM for standby. It has no runner yet, so GitHub knows nothing of it.
    pub(crate) async fn prepare(&self, fleet: &Fleet, request: &RunnerRequest) -> ProvisionOutcome {
        let download = match self.download(fleet).await {
            Ok(download) => download,
            Err(why) => return ProvisionOutcome::Failed(Failure::later(why)),
        };
        let identity = Identity {
            custom_data: cloud_init::prepared(
                &download,
                fleet.bootstrap.install_dependencies,
                &fleet.bootstrap.machine,
                fleet.lifecycle.dead_mans_switch,
            ),
            runner_id: None,
            host_key: None,
            admin_key: self.key_that_nobody_holds(),
            is_for_standby: true,
        };
        self.create(fleet, request, identity).await
    }

    /// Makes a VM on standby a runner: registers it at GitHub, hands the configuration over, starts it. If Azure
    /// refuses, the registration is undone.
    pub(crate) async fn take_from_standby(
        &self,
        fleet: &Fleet,
        vm: &StandbyVm,
        place: Option<&Offering>,
    ) -> ProvisionOutcome {
        let config = runner_config(fleet, vm.runner.clone());
        let github = self.context.github(fleet);
        // An earlier try may have been interrupted.
        let first = github.jit_config(&config).await;
        let runner = match entry::registered_again(github, &config, first).await {
            Ok(runner) => runner,
            Err(outcome) => return outcome,
        };
        let outcome = self.start(fleet, vm, place, &runner).await;
        if outcome.made_no_vm() {
            self.undo(fleet, runner.runner_id).await;
        }
        outcome
    }

    async fn start(
        &self,
        fleet: &Fleet,
        vm: &StandbyVm,
        place: Option<&Offering>,
        runner: &RunnerRegistration,
    ) -> ProvisionOutcome {
        let (azure, (group, name)) = (&self.context.azure, &vm.vm);
        let tags = VmTags::of_use(runner.runner_id, self.context.now());
        let order = standby::order(runner);
        match azure.take_from_standby(group, name, &order, &tags).await {
            Ok(()) => {}
            // A VM that has not got the order powers off again.
            Err(error) if error.kind == CallErrorKind::OutcomeUnknown => {}
            Err(error) => return failed(error),
        }
        let Some(place) = place else {
            return azure.start(group, name).await.map_or_else(failed, |()| ProvisionOutcome::Started);
        };
        let turn = match self.capacity.turn(fleet, place, || self.context.now()).await {
            Ok(turn) => turn,
            Err(why) => return ProvisionOutcome::NoCapacity(why),
        };
        let answer = azure.start(group, name).await;
        let effect = self.capacity.answered(fleet, place, answer.as_ref().copied(), self.context.now());
        drop(turn);
        match (answer, effect) {
            (Ok(()), _) => ProvisionOutcome::Started,
            (Err(error), RefusalEffect::Nothing) => failed(error),
            (Err(error), RefusalEffect::Waits | RefusalEffect::Closes { is_new: false }) => {
                ProvisionOutcome::NoCapacity(error.to_string())
            }
            (Err(error), RefusalEffect::Closes { is_new: true }) => {
                let why = error.to_string();
                report::closed(fleet, &[error]);
                ProvisionOutcome::NoCapacity(why)
            }
        }
    }

    /// Deallocates a VM once it is set up and has powered off, and waits until Azure has done it.
    pub(crate) async fn deallocate(&self, fleet: &Fleet, vm: &StandbyVm) -> VmChangeOutcome {
        let (azure, (group, name)) = (&self.context.azure, &vm.vm);
        let age = elapsed(vm.created_at, self.context.now());
        let until = Instant::now() + fleet.lifecycle.boot_timeout.saturating_sub(age);
        loop {
            let mut pause = PREPARING_PAUSE;
            match azure.power_state(group, name).await {
                Ok(Some(PowerState::Stopped)) => break,
                Ok(Some(PowerState::Deallocated)) => return VmChangeOutcome::Done,
                Ok(Some(_)) => {}
                Ok(None) => return VmChangeOutcome::LeftAlone("Azure has no such VM".to_owned()),
                Err(error) => return VmChangeOutcome::Failed(error.into()),
            }
            if Instant::now() >= until || !self.pause(&mut pause).await {
                return VmChangeOutcome::LeftAlone("it has not powered off yet".to_owned());
            }
        }
        if let Err(error) = azure.deallocate(group, name).await {
            return changed(Err(error));
        }
        let until = Instant::now() + GONE_LIMIT;
        let mut pause = FIRST_POWER_PAUSE;
        while Instant::now() < until && self.pause(&mut pause).await {
            if let Ok(Some(PowerState::Deallocated)) = azure.power_state(group, name).await {
                return VmChangeOutcome::Done;
            }
        }
        VmChangeOutcome::Unclear("it is not deallocated yet".to_owned())
    }

    /// Removes the user data of a VM, which hold the configuration of its runner.
    pub(crate) async fn clear_user_data(&self, vm: &StandbyVm) -> VmChangeOutcome {
        let (group, name) = &vm.vm;
        changed(self.context.azure.note_registration(group, name).await)
    }
}

fn failed(error: CallError) -> ProvisionOutcome {
    match error.kind {
        CallErrorKind::OutcomeUnknown => ProvisionOutcome::Unclear(error.to_string()),
        _ => ProvisionOutcome::Failed(error.into()),
    }
}

fn changed(answer: Result<(), CallError>) -> VmChangeOutcome {
    match answer {
        Ok(()) => VmChangeOutcome::Done,
        Err(error) if error.kind == CallErrorKind::OutcomeUnknown => {
            VmChangeOutcome::Unclear(error.to_string())
        }
        Err(error) => VmChangeOutcome::Failed(error.into()),
    }
}
