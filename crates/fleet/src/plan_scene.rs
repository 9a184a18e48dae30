//! A fleet's world in the making, for the planner's tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Fleet;
use crate::demand::{Demand, OldestPending, QueueMetrics};
use crate::job::JobId;
use crate::memory::{Memory, Remembered};
use crate::plan::{Action, Deregister, Plan, plan};
use crate::runner::{RunnerId, RunnerInfo, RunnerStatus};
use crate::runner_name::RunnerName;
use crate::snapshot::Snapshot;
use crate::testing::{at, fleet};
use crate::vm::{PowerState, ProvisioningState, Vm, VmTags};

pub(crate) const NOW: i64 = 100_000;

/// A fleet's world in the making. Runners are numbered: the number is their random part and id.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) seen: Snapshot,
    pub(crate) memory: Memory,
    /// The VM that was added last.
    pub(crate) last_vm: Option<RunnerName>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Entry {
    Absent,
    Offline,
    Idle,
    Busy,
}

impl Scene {
    pub(crate) fn new(scaling: &str) -> Self {
        let seen = Snapshot {
            demand: Ok(Demand::none(at(NOW))),
            entries: Ok(BTreeMap::new()),
            vms: Ok(BTreeMap::new()),
            unread: BTreeMap::new(),
            working: BTreeMap::new(),
            slowed: None,
            expiring: None,
            in_flight: BTreeMap::new(),
        };
        Scene { fleet: fleet("ci", scaling), seen, memory: Memory::default(), last_vm: None }
    }

    pub(crate) fn name(&self, number: u32, age: i64) -> RunnerName {
        RunnerName::new(&self.fleet.name, at(NOW - age), number)
    }

    pub(crate) fn pending(mut self, jobs: u32, waited: i64) -> Self {
        let metrics = QueueMetrics {
            pending_jobs: jobs,
            queued_jobs: jobs,
            total_jobs: jobs,
            ..QueueMetrics::none(at(NOW))
        };
        let oldest = OldestPending { id: JobId(1), name: "build".to_owned(), since: at(NOW - waited) };
        self.seen.demand =
            Ok(Demand { metrics, oldest_pending: (jobs > 0).then_some(oldest), ..Demand::none(at(NOW)) });
        self
    }

    /// A runner whose VM is there.
    pub(crate) fn runner(self, number: u32, age: i64, entry: Entry) -> Self {
        self.vm(number, age, ProvisioningState::Succeeded, PowerState::Running).entry(number, age, entry)
    }

    pub(crate) fn vm(
        mut self,
        number: u32,
        age: i64,
        provisioning: ProvisioningState,
        power: PowerState,
    ) -> Self {
        let tags = VmTags {
            pool: self.fleet.name.clone(),
            runner_name: self.name(number, age),
            github: self.fleet.github.clone(),
            scope: self.fleet.scope.clone(),
            created_at: at(NOW - age),
            config_hash: self.fleet.config_hash().to_owned(),
            runner_id: Some(RunnerId(u64::from(number))),
            replaces: None,
            host_key: None,
        };
        let (name, group) = (self.name(number, age), self.fleet.vm.group.clone());
        let (size, called) = ("Standard_D4s_v5".to_owned(), name.to_string());
        let location = self.fleet.vm.location.clone();
        let (zone, spot, failure) = (None, false, None);
        let vm = Arc::new(Vm {
            name: called,
            group,
            size,
            location,
            zone,
            spot,
            provisioning,
            failure,
            power,
            tags,
        });
        self.last_vm = Some(name.clone());
        self.vms().insert(name, vm);
        self
    }

    pub(crate) fn entry(mut self, number: u32, age: i64, entry: Entry) -> Self {
        let runner_name = self.name(number, age).to_string();
        let status = if entry == Entry::Offline { RunnerStatus::Offline } else { RunnerStatus::Online };
        let info = RunnerInfo {
            runner_id: RunnerId(u64::from(number)),
            runner_name,
            status,
            busy: entry == Entry::Busy,
            labels: vec![],
        };
        if entry != Entry::Absent {
            let name = self.name(number, age);
            self.seen.entries.as_mut().expect("set above").insert(name, Arc::new(info));
        }
        self
    }

    /// A runner whose VM is there, bootstrapped over SSH.
    pub(crate) fn ssh(self, number: u32, age: i64, entry: Entry) -> Self {
        let scene = self.vm(number, age, ProvisioningState::Succeeded, PowerState::Running);
        // Seen without an entry for as long as it has been there.
        let scene = scene.remember(number, age, |known| known.unregistered_since = Some(at(NOW - age)));
        scene.entry(number, age, entry).last_vm(|vm| {
            vm.tags.runner_id = None;
            vm.tags.host_key = Some("ssh-ed25519 AAAA".to_owned());
        })
    }

    pub(crate) fn vms(&mut self) -> &mut BTreeMap<RunnerName, Arc<Vm>> {
        self.seen.vms.as_mut().expect("a scene's list is readable until it is made unreadable")
    }

    pub(crate) fn last_vm(mut self, change: impl FnOnce(&mut Vm)) -> Self {
        let last = self.last_vm.clone().expect("a VM was added");
        change(Arc::make_mut(self.vms().get_mut(&last).expect("it is there")));
        self
    }

    pub(crate) fn remember(mut self, number: u32, age: i64, change: impl FnOnce(&mut Remembered)) -> Self {
        let name = self.name(number, age);
        change(self.memory.runners.entry(&name));
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.fleet, &self.seen, &self.memory, at(NOW))
    }

    /// The plan's actions in brief: "+" for each start, "*N" for the installation and "-N" for the
    /// removal of runner N.
    pub(crate) fn brief(&self) -> String {
        let word = |action: &Action| match action {
            Action::Provision { replaces: None, .. } => "+".to_owned(),
            Action::Provision { replaces: Some(old), .. } => format!("+for{}", self.number(old)),
            Action::Install(install) => format!("*{}", self.number(&install.runner)),
            Action::Destroy(destroy) => {
                let first = match destroy.first {
                    Deregister::Entry(_) => "",
                    Deregister::ConfirmGone(_) | Deregister::Unregistered(_) => "?",
                    Deregister::Elsewhere(_) => "@",
                    Deregister::IfPossible(_) => "~",
                    Deregister::Regardless(_) => "x",
                    Deregister::Nothing => "!",
                };
                format!("-{}{first}", self.number(&destroy.runner))
            }
        };
        self.plan().actions.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn number(&self, name: &RunnerName) -> u32 {
        let age = at(NOW).duration_since(name.created_at()).as_secs();
        (0..100).find(|number| self.name(*number, age) == *name).expect("a runner of the scene")
    }
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene")
            .field("scaling", &self.fleet.scaling)
            .field("seen", &self.seen)
            .field("memory", &self.memory)
            .finish()
    }
}
