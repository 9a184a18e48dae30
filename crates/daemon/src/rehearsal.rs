//! The rehearsal of `check --try`: one VM and one runner, made and removed with the daemon's own code.
//!
//! Whatever happens before, the last two steps remove what was made and look whether anything is left. A stop ends the
//! steps before them early. What may be left is known at every moment, so that a second signal can say it.

use std::sync::Arc;

use azlin_fleet::model::{
    BootstrapOutcome, CallError, Destroy, DestroyOutcome, DrainReason, EntryRef, Orphan, OrphanKind,
    PowerState, Proof, ProvisionOutcome, RunnerInfo, RunnerStatus, ScalingReason, in_words,
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

    /// The same while something is removed, which nothing stops.
    async fn again_to_remove(&self, began: Instant) -> bool {
        sleep(self.plan.pause()).await;
        began.elapsed() < self.plan.patience()
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
        let request = RunnerRequest { name: runner.clone(), replaces: None, offerings: offerings.clone() };
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
            if let Ok(Some(failure)) = self.context.azure.failure(&fleet.vm.group, runner.as_str()).await
                && !matches!(self.power().await, Ok(Some(PowerState::Running)))
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

    fn destroy(&self, proof: Proof) -> Destroy {
        let RehearsalPlan { fleet, runner, .. } = self.plan;
        let id = self.left.lock().runner_id;
        let entry = match (&proof, id) {
            (Proof::Drain(_), Some(id)) => EntryRef::Listed(id),
            (_, id) => EntryRef::Unlisted(id),
        };
        Destroy {
            runner: runner.clone(),
            scope: fleet.scope.clone(),
            entry,
            vm: Some((fleet.vm.group.clone(), runner.to_string())),
            proof,
            frees_room: false,
            why: DrainReason::Surplus(ScalingReason::IDLE),
        }
    }

    /// Asks the VM to drain and removes it, as the daemon removes an idle runner.
    async fn drain(&mut self) -> Ended {
        let host_key = match self.sightings.vm.as_ref() {
            Some(Ok(vm)) => azlin_fleet::model::VmTags::of(self.plan.runner.as_str(), &vm.tags),
            Some(Err(_)) | None => None,
        };
        let proof = Proof::Drain(host_key.and_then(|tags| tags.host_key));
        let (began, mut tries) = (Instant::now(), 0_u32);
        loop {
            tries += 1;
            let outcome = self.removing.destroy(&self.plan.fleet, &self.destroy(proof.clone())).await;
            let why = match outcome {
                DestroyOutcome::Removed | DestroyOutcome::Gone => {
                    let again = if tries > 1 { format!(", asked {tries} times") } else { String::new() };
                    return done(format!("the VM ended its runner and stopped{again}"));
                }
                DestroyOutcome::Busy => "its VM says that a job runs".to_owned(),
                DestroyOutcome::Asked(why) | DestroyOutcome::LeftAlone(why) => why,
                DestroyOutcome::Failed(failure) => failure.why,
            };
            if self.stop.is_cancelled() {
                return (StepEnd::Interrupted, format!("interrupted by a signal; {why}"));
            }
            if !self.again_to_remove(began).await {
                return failed(format!("asked {tries} times: {why}"));
            }
        }
    }

    /// Removes entry and VM, and waits until Azure has no such VM. Only a runner that GitHub calls busy stays.
    async fn remove(&mut self) -> Ended {
        let (began, mut tries, mut first) = (Instant::now(), 0_u32, None);
        let mut asked: Option<Instant> = None;
        loop {
            let why = match self.power().await {
                Ok(None) => {
                    self.left.lock().vm = false;
                    let after = first.map_or(String::new(), |why| format!(", at first: {why}"));
                    return done(format!("Azure has no such VM any more{after}"));
                }
                // A removal that Azure has accepted is not asked for again at once.
                Ok(Some(_)) if asked.is_some_and(|at| at.elapsed() < self.plan.patience() / 3) => None,
                Ok(Some(_)) => {
                    tries += 1;
                    match self.remove_once().await {
                        Ok(()) => {
                            asked = Some(Instant::now());
                            None
                        }
                        Err(why) => Some(why),
                    }
                }
                Err(error) => Some(error.to_string()),
            };
            if first.is_none() {
                first.clone_from(&why);
            }
            if !self.again_to_remove(began).await {
                let why = why.or(first).unwrap_or_else(|| "Azure still shows it".to_owned());
                return failed(format!("the VM is not removed, after {tries} tries: {why}"));
            }
        }
    }

    /// Asks Azure to remove the VM, whatever it answered to the drain, unless a job runs on it.
    async fn remove_once(&self) -> Result<(), String> {
        if self.was_online {
            let entry = self.entry().await.map_err(|error| error.to_string())?;
            if entry.is_some_and(|entry| entry.busy) {
                return Err("GitHub says that it runs a job".to_owned());
            }
        }
        match self.removing.destroy(&self.plan.fleet, &self.destroy(Proof::Waived)).await {
            DestroyOutcome::Removed | DestroyOutcome::Gone => Ok(()),
            DestroyOutcome::Busy => Err("GitHub says that it runs a job".to_owned()),
            DestroyOutcome::Asked(why) | DestroyOutcome::LeftAlone(why) => Err(why),
            DestroyOutcome::Failed(failure) => Err(failure.why),
        }
    }

    /// Looks until neither an entry nor a part is left, and removes what is.
    async fn verify(&mut self) -> Ended {
        let (began, mut discarded) = (Instant::now(), Vec::new());
        loop {
            let entry = self.remove_entry().await;
            let parts = self.parts().await.map_err(|error| error.to_string());
            let mut trouble: Vec<String> = entry.err().into_iter().collect();
            match &parts {
                Ok(parts) => trouble.extend(self.discard(parts, &mut discarded).await),
                Err(why) => trouble.push(why.clone()),
            }
            let is_empty = {
                let mut left = self.left.lock();
                // With its VM, Azure removes what the VM holds.
                let is_own = |part: &ShownPart| !(left.vm && part.is_held);
                let parts = parts.into_iter().flatten().filter(is_own);
                left.parts = parts.map(|part| (part.kind, part.name)).collect();
                left.is_empty()
            };
            if is_empty && trouble.is_empty() {
                let kept = match discarded.as_slice() {
                    [] => String::new(),
                    kept => format!("; Azure had kept, and azlin removed: {}", kept.join(", ")),
                };
                return done(format!("no VM, no part of it and no entry is left{kept}"));
            }
            if !self.again_to_remove(began).await {
                trouble.dedup();
                let why =
                    if trouble.is_empty() { "it is still there".to_owned() } else { trouble.join("; ") };
                return failed(why);
            }
        }
    }

    async fn remove_entry(&self) -> Result<(), String> {
        let fleet = &self.plan.fleet;
        match self.entry().await {
            Ok(None) => {
                self.left.lock().entry = false;
                Ok(())
            }
            Ok(Some(entry)) => {
                self.left.lock().runner_id = Some(entry.runner_id);
                let removed = self.context.github(fleet).deregister(&fleet.scope, entry.runner_id).await;
                removed.map(drop).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes the parts that nothing holds and that have our tags. Returns what went wrong.
    async fn discard(&self, parts: &[ShownPart], discarded: &mut Vec<String>) -> Vec<String> {
        let mut trouble = Vec::new();
        for part in parts.iter().filter(|part| !part.is_held) {
            let group = &self.plan.fleet.vm.group;
            let Some(orphan) = Orphan::of(group, part.kind, &part.name, &part.tags) else { continue };
            match self.context.azure.discard(&orphan).await {
                Ok(()) => discarded.push(format!("{} {}", part.kind, part.name)),
                Err(error) => trouble.push(error.to_string()),
            }
        }
        discarded.sort();
        discarded.dedup();
        trouble
    }
}
