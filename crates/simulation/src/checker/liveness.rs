//! Liveness: what the product promises within a time.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::model::Rule;
use azlin_simcloud::World;
use azlin_simcloud::azure::{SimVm, SimVmState};
use azlin_simcloud::github::{SimJob, SimRunner};

use super::ownership::{age, is_useful};
use super::{CheckerState, Invariant, MINUTE, SOON};

/// In calm, an entry without a VM that GitHub would remove exists no longer than this: the longest backoff.
const LONGEST_KEPT: Duration = Duration::from_secs(2 * 3600);
/// The default cooldown.
const COOLDOWN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// In calm, nothing is useless for longer: a VM boots, fails its boot timeout, and is deleted.
const LONGEST_USELESS: Duration = Duration::from_secs(25 * 60);
/// In calm, what a VM left behind exists no longer than this.
const LONGEST_LEFT: Duration = Duration::from_secs(70 * 60);
/// One more round of boots, since one runner is started for several jobs.
const ROUND: Duration = Duration::from_secs(4 * 60);
/// How long it takes from the request for a VM until its runner is installed over SSH.
const INSTALL: Duration = Duration::from_secs(150);
/// In calm, a fleet without jobs is at its minimum after this time.
const REST: Duration = Duration::from_secs(40 * 60);

impl CheckerState {
    /// Checks everything that is promised within a time.
    pub(super) fn check_liveness(&mut self, world: &World, at: Duration) {
        if world.statistics.requests_held_back > self.held_back {
            // While GitHub's limit is used up, the daemon can know nothing until the window ends.
            (self.held_back, self.spent_at) = (world.statistics.requests_held_back, at);
        }
        let calm = self.fault_schedule.calm_since(at).max(self.spent_at);
        self.check_useless(world, at, calm);
        self.check_kept(world, at, calm);
        self.check_starving(world, at, calm);
        self.check_rest(world, at, calm);
        self.check_cooldown(at, calm);
    }

    /// Checks the cooldown between two scaling actions of the formula. Every other rule overrides the
    /// cooldown.
    fn check_cooldown(&mut self, at: Duration, calm: Duration) {
        let posted = self.board.read();
        for status in posted.fleets.values() {
            let Some(now) = status.last_scaling else {
                self.scaled.remove(status.pool.as_str());
                continue;
            };
            let before = self.scaled.get(status.pool.as_str()).copied();
            if before == Some(now) {
                continue;
            }
            self.scaled.insert(status.pool.to_string(), now);
            let Some(before) = before else { continue };
            let waited = now.duration_since(before);
            // A fleet need not wait after a change of its file, nor after a start that failed.
            let is_disturbed = at <= calm + 7 * MINUTE;
            if status.decision.rule == Rule::Formula && waited < COOLDOWN && !is_disturbed {
                let reason = &status.decision.reason;
                let what = format!("{} scaled twice within {waited:#}: {reason}", status.pool);
                return self.violate(at, Invariant::Cooldown, what);
            }
        }
    }

    fn check_useless(&mut self, world: &World, at: Duration, calm: Duration) {
        let mut useless = BTreeMap::new();
        let mut note = |name: &str| {
            let since = self.useless.get(name).copied().unwrap_or(at);
            useless.insert(name.to_owned(), since);
        };
        for number in 0..self.fleets.len() {
            if !self.fleets[number].is_present {
                continue;
            }
            for vm in self.vms(world, number).filter(|vm| !is_useful(world, vm)) {
                note(&vm.name);
            }
            let prefix = self.fleets[number].name;
            for runner in world.state.github.runners.values() {
                let is_mine = runner.name.rsplit_once('-').is_some_and(|(head, _)| head == prefix);
                let has_vm = || world.state.azure.vms.values().any(|vm| vm.name == runner.name);
                if is_mine
                    && !self.bystanders.has_name(&runner.name)
                    && !runner.online
                    && !runner.is_busy()
                    && !has_vm()
                {
                    note(&runner.name);
                }
            }
        }
        self.useless = useless;
        let too_long =
            self.useless.iter().find(|(_, since)| at > (**since).max(calm) + LONGEST_USELESS + self.slack);
        if let Some((name, since)) = too_long {
            let for_s = (at - *since).as_secs();
            let what = format!("{name} has existed for {for_s} s without use");
            self.violate(at, Invariant::NothingLeaks, what);
        }
        let left = world.state.azure.left.values().filter(|part| !self.bystanders.has_name(part.name()));
        self.left = left
            .map(|part| {
                // Nothing of a fleet whose file is missing is touched.
                let is_absent = self
                    .fleets
                    .iter()
                    .any(|fleet| !fleet.is_present && part.name().starts_with(&format!("{}-", fleet.name)));
                let since = self.left.get(part.name()).copied().filter(|_| !is_absent).unwrap_or(at);
                (part.name().to_owned(), since)
            })
            .collect();
        let too_long = self.left.iter().find(|(_, since)| at > (**since).max(calm) + LONGEST_LEFT);
        if let Some((name, _)) = too_long {
            let what = format!("{name} was left behind by a VM and still exists");
            self.violate(at, Invariant::NothingLeaks, what);
        }
    }

    /// Entries of the fleets that GitHub keeps as busy, although their runners have ended and their VMs are gone.
    pub(super) fn kept_entries<'w>(&'w self, world: &'w World) -> impl Iterator<Item = &'w SimRunner> {
        let is_ours = |name: &str| {
            let fleet = name.rsplit_once('-').map(|(head, _)| head);
            self.fleets.iter().any(|plan| plan.is_present && Some(plan.name) == fleet)
        };
        let has_vm = |name: &str| world.state.azure.vms.values().any(|vm| vm.name == name);
        world.state.github.runners.values().filter(move |runner| {
            runner.stays_until.is_some() && is_ours(&runner.name) && !has_vm(&runner.name)
        })
    }

    fn check_kept(&mut self, world: &World, at: Duration, calm: Duration) {
        let now = world.now();
        let kept =
            self.kept_entries(world).filter(|entry| entry.stays_until.is_some_and(|until| until <= now));
        let since = |name: &str| self.removable.get(name).copied().unwrap_or(at);
        let kept: BTreeMap<String, Duration> =
            kept.map(|entry| (entry.name.clone(), since(&entry.name))).collect();
        self.removable = kept;
        let too_long = self.removable.iter().find(|(_, since)| at > (**since).max(calm) + LONGEST_KEPT);
        if let Some((name, _)) = too_long {
            let what = format!("the entry {name} has no VM, GitHub would remove it, and it still exists");
            self.violate(at, Invariant::EntriesGo, what);
        }
    }

    fn check_starving(&mut self, world: &World, at: Duration, calm: Duration) {
        let github = &world.state.github;
        let queued: Vec<&SimJob> = github.queued.iter().filter_map(|id| github.jobs.get(id)).collect();
        let owners: Vec<Option<usize>> = queued.iter().map(|job| self.owner(world, job)).collect();
        // GitHub gives a runner to any job that it can run, the oldest first.
        for number in 0..self.fleets.len() {
            let mut bystanders = queued.iter().zip(&owners).filter(|(_, owner)| **owner != Some(number));
            if bystanders.any(|(job, _)| self.can_run(world, number, job)) {
                self.crowded[number] = at;
            }
        }
        for (job, owner) in queued.iter().zip(&owners) {
            let Some(number) = *owner else { continue };
            let since_start = |moment: jiff::Timestamp| {
                Duration::try_from(moment.duration_since(world.began_at())).unwrap_or_default()
            };
            let since = since_start(job.queued_at).max(calm).max(self.full[number]).max(self.crowded[number]);
            let plan = &self.fleets[number];
            let rounds = match plan.jobs_per_runner {
                1 => 0,
                jobs => {
                    let pending = queued.len() as f64;
                    (pending.ln() / (f64::from(jobs) / f64::from(jobs - 1)).ln()).ceil() as u32
                }
            };
            // Over SSH a runner counts as provisioning until it is installed, and that number is limited.
            let installs = match self.fleets.iter().any(|fleet| fleet.ssh.is_some()) {
                true => INSTALL * queued.len() as u32 / self.provisioning,
                false => Duration::ZERO,
            };
            if at > since + self.longest_wait + ROUND * rounds + installs + self.slack {
                let what = format!(
                    "job {} waits since {:?}, though {} could have more VMs",
                    job.id, since, plan.name
                );
                return self.violate(at, Invariant::NoJobStarves, what);
            }
        }
    }

    fn check_rest(&mut self, world: &World, at: Duration, calm: Duration) {
        for number in 0..self.fleets.len() {
            // During a rotation there is one runner more or less.
            let due = Duration::from_secs(self.fleets[number].rotation_min * 60).saturating_sub(SOON);
            let is_rotating = self.vms(world, number).any(|vm| age(world, vm) >= due);
            if is_rotating {
                self.worked[number] = at;
            }
            let since = self.worked[number].max(calm);
            let warm = MINUTE * self.fleets[number].keep_for_min as u32;
            if at > since + REST + warm + self.slack
                && let Err(why) = self.rests(world, number)
            {
                let what = format!("{}: {why}", self.fleets[number].name);
                return self.violate(at, Invariant::Rest, what);
            }
        }
    }

    /// Whether a fleet without work has exactly the runners that it must have; if not, what is wrong.
    pub(super) fn rests(&self, world: &World, number: usize) -> Result<(), String> {
        let plan = &self.fleets[number];
        if !plan.is_present {
            return Ok(());
        }
        let wanted = plan.at_rest() as usize;
        let vms: Vec<&SimVm> =
            self.running(world, number).filter(|vm| vm.state != SimVmState::Deleting).collect();
        if vms.len() != wanted {
            return Err(format!("{} VMs at rest, but {wanted} are wanted", vms.len()));
        }
        // A VM is set up for standby only where max_runners leaves room for it.
        let (standby, most) = (self.on_standby(world, number), plan.most_on_standby() as usize);
        let has_room = plan.full_with() as usize > wanted;
        if standby > most || has_room && standby < most {
            return Err(format!("{standby} VMs on standby at rest, but {most} are wanted"));
        }
        let runners = &world.state.github.runners;
        let is_mine = |name: &str| name.rsplit_once('-').is_some_and(|(head, _)| head == plan.name);
        // What GitHub keeps without a runner is looked at by itself.
        let entries = runners.values().filter(|runner| {
            is_mine(&runner.name) && !self.bystanders.has_name(&runner.name) && runner.stays_until.is_none()
        });
        let (online, all) = (entries.clone().filter(|runner| runner.online).count(), entries.count());
        if (online, all) != (wanted, wanted) {
            return Err(format!("{online} of {all} runners are online at rest, but {wanted} are wanted"));
        }
        Ok(())
    }
}
