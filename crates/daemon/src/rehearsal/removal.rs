//! What a rehearsal removes, and how it looks whether anything is left. No stop ends this.

use azlin_fleet::model::{
    Destroy, DestroyOutcome, DrainReason, EntryRef, Orphan, Proof, ScalingReason, VmTags,
};
use azlin_fleet::ports::rehearsal::ShownPart;
use azlin_fleet::rehearsal::{RehearsalPlan, StepEnd};
use tokio::time::{Instant, sleep};

use super::{Ended, Rehearsal, done, failed};

impl Rehearsal<'_> {
    /// Waits until the next look. Returns whether there is one: the patience has not ended.
    async fn again_to_remove(&self, began: Instant) -> bool {
        sleep(self.plan.pause()).await;
        began.elapsed() < self.plan.patience()
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
            vm: Some((fleet.vm.group.clone(), runner.to_string().into())),
            proof,
            frees_room: false,
            why: DrainReason::Surplus(ScalingReason::IDLE),
        }
    }

    /// Asks the VM to drain and removes it, as the daemon removes an idle runner.
    pub(super) async fn drain(&mut self) -> Ended {
        let host_key = match self.sightings.vm.as_ref() {
            Some(Ok(vm)) => VmTags::of(self.plan.runner.as_str(), &vm.tags),
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
    pub(super) async fn remove(&mut self) -> Ended {
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
    pub(super) async fn verify(&mut self) -> Ended {
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
