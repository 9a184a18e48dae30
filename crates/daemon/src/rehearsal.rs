//! The rehearsal of `check --try`: one VM and one runner, made and removed with the daemon's own code.
//!
//! Whatever happens before, the last two steps remove what was made and look whether anything is left. A stop ends the
//! steps before them early. What may be left is known at every moment, so that a second signal can say it.

use std::sync::Arc;

use azlin_fleet::model::{
    BootstrapOutcome, CallError, OrphanKind, PowerState, ProvisionOutcome, ProvisioningState, RunnerInfo,
    RunnerStatus, in_words,
};
use azlin_fleet::ports::rehearsal::{AzureRehearsal, ShownPart};
use azlin_fleet::rehearsal::{
    Leftovers, RehearsalPlan, RehearsalStep, Rehearsed, Sightings, StepEnd, StepRecord,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::act::{RunnerLifecycle, RunnerRequest};
use crate::context::DaemonContext;

mod removal;
#[cfg(test)]
mod tests;

/// Runs a rehearsal. Each step is told when it ends. `left` always has what may be left; `stop` ends the rehearsal
/// early, and what was made is removed then too.
pub async fn rehearse(
    context: DaemonContext,
    azure: &dyn AzureRehearsal,
    plan: &RehearsalPlan,
    left: Arc<Mutex<Leftovers>>,
    stop: CancellationToken,
    told: &(dyn Fn(&StepRecord) + Sync),
) -> Rehearsed {
    // What removes is not stopped.
    let removing = RunnerLifecycle::new(context.clone(), Arc::default(), CancellationToken::new());
    let making = RunnerLifecycle::new(context.clone(), Arc::default(), stop.clone());
    let mut rehearsal = Rehearsal {
        context,
        azure,
        plan,
        making,
        removing,
        stop,
        left,
        told,
        steps: Vec::new(),
        sightings: Sightings::default(),
        was_online: false,
    };
    rehearsal.run().await;
    let Rehearsal { steps, mut sightings, left, context, .. } = rehearsal;
    sightings.remaining = context.azure.remaining();
    sightings.headers = azure.limit_headers();
    let left = left.lock().clone();
    Rehearsed { steps, sightings, left }
}

/// How a step ended, and what it came to.
type Ended = (StepEnd, String);

fn done(told: impl Into<String>) -> Ended {
    (StepEnd::Done, told.into())
}

fn failed(told: impl Into<String>) -> Ended {
    (StepEnd::Failed, told.into())
}

struct Rehearsal<'a> {
    context: DaemonContext,
    azure: &'a dyn AzureRehearsal,
    plan: &'a RehearsalPlan,
    making: RunnerLifecycle,
    removing: RunnerLifecycle,
    stop: CancellationToken,
    left: Arc<Mutex<Leftovers>>,
    told: &'a (dyn Fn(&StepRecord) + Sync),
    steps: Vec<StepRecord>,
    sightings: Sightings,
    was_online: bool,
}

impl Rehearsal<'_> {
    async fn run(&mut self) {
        let began = Instant::now();
        if self.stop.is_cancelled() {
            let ended = (StepEnd::Interrupted, "interrupted before anything was made".to_owned());
            return self.ended(RehearsalStep::Create, ended, began);
        }
        let (ended, may_be_made) = self.create().await;
        self.ended(RehearsalStep::Create, ended, began);
        if may_be_made {
            let began = Instant::now();
            let ended = self.online().await;
            self.was_online = ended.0 == StepEnd::Done;
            self.ended(RehearsalStep::Online, ended, began);
            if !self.stop.is_cancelled() {
                let began = Instant::now();
                let ended = self.look().await;
                self.ended(RehearsalStep::Look, ended, began);
            }
        }
        if self.was_online {
            let began = Instant::now();
            let ended = self.drain().await;
            self.ended(RehearsalStep::Drain, ended, began);
        }
        let began = Instant::now();
        let ended = self.remove().await;
        self.ended(RehearsalStep::Remove, ended, began);
        let began = Instant::now();
        let ended = self.verify().await;
        self.ended(RehearsalStep::Verify, ended, began);
    }

    fn ended(&mut self, step: RehearsalStep, (end, told): Ended, began: Instant) {
        let record = StepRecord { step, end, told, took: began.elapsed() };
        (self.told)(&record);
        self.steps.push(record);
    }

    /// Waits until the next look. Returns whether there is one: neither the patience nor the rehearsal has ended.
    async fn again(&self, began: Instant) -> bool {
        let pause = sleep(self.plan.pause());
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = pause => began.elapsed() < self.plan.patience(),
        }
    }

    fn gave_up(&self, what: &str) -> Ended {
        if self.stop.is_cancelled() {
            return (StepEnd::Interrupted, "interrupted by a signal".to_owned());
        }
        failed(format!("{what} within {} (boot_timeout)", in_words(self.plan.patience())))
    }

    /// The entry at GitHub, and the request for the VM, as the daemon makes them. Returns whether the VM may exist.
    async fn create(&mut self) -> (Ended, bool) {
        let RehearsalPlan { fleet, runner, offerings, .. } = self.plan;
        {
            let mut left = self.left.lock();
            (left.vm, left.entry) = (true, true);
        }
        let request = RunnerRequest {
            name: runner.clone(),
            is_resumed: false,
            replaces: None,
            offerings: offerings.clone(),
        };
        let outcome = self.making.provision(fleet, &request).await;
        let (answer, ended, may_be_made) = match outcome {
            ProvisionOutcome::Started => (Ok(()), done("Azure makes the VM"), true),
            ProvisionOutcome::Bootstrap(BootstrapOutcome::Installed { took, .. }) => (
                Ok(()),
                done(format!("the VM is there, and the runner is installed over SSH ({took})")),
                true,
            ),
            ProvisionOutcome::Bootstrap(BootstrapOutcome::Ended(_)) => {
                (Ok(()), failed("the runner has ended already"), true)
            }
            ProvisionOutcome::Bootstrap(BootstrapOutcome::Broken { why, .. }) => {
                (Ok(()), failed(format!("the VM does not become a runner: {why}")), true)
            }
            ProvisionOutcome::Unclear(why) => {
                (Ok(()), failed(format!("whether Azure makes the VM is not known: {why}")), true)
            }
            ProvisionOutcome::NoCapacity(why) => {
                (Err(why.clone()), failed(format!("Azure has no room: {why}")), false)
            }
            ProvisionOutcome::LeftAlone(why) => (Err(why.clone()), failed(why), false),
            ProvisionOutcome::Failed(failure) => (Err(failure.why.clone()), failed(failure.why), false),
        };
        self.sightings.create = Some(answer);
        (ended, may_be_made)
    }

    async fn entry(&self) -> Result<Option<RunnerInfo>, CallError> {
        let RehearsalPlan { fleet, runner, .. } = self.plan;
        self.context.github(fleet).runner_named(&fleet.scope, runner).await
    }

    async fn power(&self) -> Result<Option<PowerState>, CallError> {
        let RehearsalPlan { fleet, runner, .. } = self.plan;
        self.context.azure.power_state(&fleet.vm.group, runner.as_str()).await
    }

    /// Waits until the runner is online.
    async fn online(&mut self) -> Ended {
        let RehearsalPlan { fleet, runner, .. } = self.plan;
        let (began, mut last) = (Instant::now(), "GitHub has no such runner".to_owned());
        loop {
            match self.entry().await {
                Ok(Some(entry)) => {
                    self.left.lock().runner_id = Some(entry.runner_id);
                    if entry.status == RunnerStatus::Online {
                        self.sightings.labels =
                            Some(Ok(entry.labels.iter().map(ToString::to_string).collect()));
                        return done("the runner is online");
                    }
                    last = "GitHub calls it offline".to_owned();
                }
                Ok(None) => {}
                Err(error) => last = error.to_string(),
            }
            // A VM that runs may still become a runner, whatever else of it failed.
            if let Ok(view) = self.context.azure.failure(&fleet.vm.group, runner.as_str()).await
                && ProvisioningState::of_failed(Some(&view)) != ProvisioningState::Impaired
                && let Some(failure) = view.failure
            {
                return failed(format!("Azure did not make the VM: {failure}"));
            }
            if !self.again(began).await {
                return self.gave_up(&format!("the runner was not online ({last})"));
            }
        }
    }

    /// How Azure shows what was made. What cannot be seen does not fail the rehearsal.
    async fn look(&mut self) -> Ended {
        let (group, name) = (&self.plan.fleet.vm.group, self.plan.runner.as_str());
        let text = |error: CallError| error.to_string();
        let (vm, in_group, states) = tokio::join!(
            self.azure.shown_vm(group, name),
            self.azure.shown_group(group, name),
            self.azure.shown_states(group, name),
        );
        let vm = vm.map_err(text).and_then(|vm| vm.ok_or_else(|| "Azure has no such VM".to_owned()));
        let parts = self.parts().await.map_err(text);
        let unseen = [vm.as_ref().err(), parts.as_ref().err()].into_iter().flatten().cloned();
        let unseen: Vec<String> = unseen
            .chain(
                [in_group.as_ref().err(), states.as_ref().err()]
                    .into_iter()
                    .flatten()
                    .map(ToString::to_string),
            )
            .collect();
        self.sightings.vm = Some(vm);
        self.sightings.parts = Some(parts);
        self.sightings.group = Some(in_group.map_err(text));
        self.sightings.states = Some(states.map_err(text));
        match unseen.as_slice() {
            [] => done("all answers were read"),
            unseen => done(format!("not all could be read: {}", unseen.join("; "))),
        }
    }

    /// The parts that were made with the VM: by their tags, or by a name that begins with the VM's.
    async fn parts(&self) -> Result<Vec<ShownPart>, CallError> {
        let RehearsalPlan { fleet, runner, .. } = self.plan;
        let is_its = |part: &ShownPart| {
            let is_tagged = part.tags.values().any(|value| value.eq_ignore_ascii_case(runner.as_str()));
            is_tagged || part.name.to_ascii_lowercase().starts_with(runner.as_str())
        };
        let mut parts = Vec::new();
        for kind in OrphanKind::ALL {
            if kind != OrphanKind::PublicIp || fleet.vm.public_ip {
                parts.extend(self.azure.shown_parts(&fleet.vm.group, kind).await?.into_iter().filter(is_its));
            }
        }
        Ok(parts)
    }
}
