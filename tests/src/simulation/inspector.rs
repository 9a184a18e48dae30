//! Looks at the world after everything that happens, and says when a promise is broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_daemon::Board;
use azlin_fleet::scaling::Rule;
use azlin_simcloud::azure::{SimVm, State};
use azlin_simcloud::fault::What;
use azlin_simcloud::github::{JobState, SimJob};
use azlin_simcloud::{Happening, Watch, World};
use tokio::sync::Notify;

use super::others::Others;
use super::promises::{Breach, Promise};
use super::scenario::{Change, FleetPlan, OWNER, Scenario};
use super::trace::Trace;
use super::weather::Disturbances;

const MINUTE: Duration = Duration::from_secs(60);
/// What takes time is looked at this often.
const EVERY: Duration = Duration::from_secs(15);
/// What was decided before a change can still arrive for so long after it.
const ON_ITS_WAY: Duration = Duration::from_secs(300);
/// The cooldown as it comes.
const COOLDOWN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// In calm nothing is without a use for longer: it boots, is found not to have, and is removed.
const LONGEST_USELESS: Duration = Duration::from_secs(25 * 60);
/// In calm nothing that a VM left behind is there for longer.
const LONGEST_LEFT: Duration = Duration::from_secs(70 * 60);
/// In calm a job waits no longer than this once its fleet could have more VMs: the longest backoff after
/// failures, and a round of boots.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);
/// The same where Azure had no room: the longest time for which a place that had none is not asked again.
const LONGEST_WAIT_FOR_ROOM: Duration = Duration::from_secs(40 * 60);
/// A round of boots more, since one runner is started for several jobs.
const ROUND: Duration = Duration::from_secs(4 * 60);
/// What is due by then may be done: a daemon's clock may be ten minutes ahead.
const SOON: Duration = Duration::from_secs(16 * 60);
/// How long it takes to install a runner over SSH, from the request for its VM on.
const INSTALL: Duration = Duration::from_secs(150);
/// In calm a fleet without jobs is at its minimum after this.
const REST: Duration = Duration::from_secs(40 * 60);

/// Looks at the world, and shares what it finds.
#[derive(Clone)]
pub struct Inspector {
    inner: Arc<Mutex<Inspection>>,
    found: Arc<Notify>,
}

struct Inspection {
    fleets: Vec<FleetPlan>,
    /// How many VMs each fleet may have had, since when.
    most: Vec<Vec<(Duration, u32)>>,
    provisioning: u32,
    longest_wait: Duration,
    /// Whether nobody else uses GitHub's limit.
    is_alone: bool,
    /// Polls may be rarer than configured where GitHub's limit is short.
    slack: Duration,
    disturbances: Disturbances,
    others: Others,
    trace: Trace,
    board: Board,
    looked: Duration,
    /// Since when what has been without a use, by its name.
    useless: BTreeMap<String, Duration>,
    left: BTreeMap<String, Duration>,
    /// Requests to GitHub that were not sent, and when the last one was not.
    held_back: u64,
    spent_at: Duration,
    /// When there was last a job that could be given to a runner of a fleet, though it is none of its jobs.
    crowded: Vec<Duration>,
    /// When each fleet last had all VMs that it may have, and when there was last a job for it.
    full: Vec<Duration>,
    worked: Vec<Duration>,
    /// When each fleet last took a scaling action.
    scaled: BTreeMap<String, jiff::Timestamp>,
    /// When something was last changed by a call, once nothing should be any more.
    is_settled: bool,
    breach: Option<Breach>,
}

impl Watch for Inspector {
    fn happened(&mut self, world: &World, what: &Happening<'_>) {
        let mut inner = self.inner();
        if inner.breach.is_some() {
            return;
        }
        inner.look(world, what);
        if inner.breach.is_some() {
            self.found.notify_one();
        }
    }
}

impl Inspector {
    /// For a scenario in a world.
    pub fn of(scenario: &Scenario, others: Others, trace: Trace) -> Self {
        let most = scenario.fleets.iter().map(|fleet| vec![(Duration::ZERO, fleet.max)]).collect();
        let count = scenario.fleets.len();
        let slack = scenario.poll * 5 + if scenario.rate_limit < 5000 { 15 * MINUTE } else { Duration::ZERO };
        let inner = Inspection {
            fleets: scenario.fleets.clone(),
            most,
            provisioning: scenario.provisioning,
            longest_wait: if scenario.has_fault(|what| matches!(what, What::NoCapacity(_))) {
                LONGEST_WAIT_FOR_ROOM
            } else {
                LONGEST_WAIT
            },
            is_alone: !scenario.has_fault(|what| matches!(what, What::BudgetGone)),
            slack,
            disturbances: Disturbances::of(scenario),
            others,
            trace,
            board: Board::default(),
            looked: Duration::ZERO,
            useless: BTreeMap::new(),
            left: BTreeMap::new(),
            held_back: 0,
            spent_at: Duration::ZERO,
            crowded: vec![Duration::ZERO; count],
            full: vec![Duration::ZERO; count],
            worked: vec![Duration::ZERO; count],
            scaled: BTreeMap::new(),
            is_settled: false,
            breach: None,
        };
        Inspector { inner: Arc::new(Mutex::new(inner)), found: Arc::default() }
    }

    /// A daemon is born, with that board.
    pub fn born(&self, at: Duration, board: Board) {
        let mut inner = self.inner();
        inner.disturbances.happened(at);
        inner.board = board;
        inner.scaled.clear();
    }

    /// The clock was set.
    pub fn clock_set(&self, at: Duration) {
        self.inner().disturbances.happened(at);
    }

    /// The configuration changed.
    pub fn edited(&self, at: Duration, fleet: usize, change: &Change) {
        let mut inner = self.inner();
        inner.disturbances.happened(at);
        inner.fleets[fleet].change(change);
        let max = inner.fleets[fleet].max;
        inner.most[fleet].push((at, max));
    }

    /// The fleets whose files are there.
    pub fn fleets(&self) -> Vec<FleetPlan> {
        self.inner().fleets.iter().filter(|fleet| fleet.is_present).cloned().collect()
    }

    /// From now on nothing is to be changed any more for so long; false if something will be due by then.
    pub fn settled(&self, world: &World, time: Duration) -> bool {
        let mut inner = self.inner();
        let is_due = (0..inner.fleets.len()).any(|number| {
            let interval = Duration::from_secs(inner.fleets[number].rotation_min * 60);
            inner.vms(world, number).any(|vm| age(world, vm) + time + SOON > interval)
        });
        inner.is_settled = !is_due;
        !is_due
    }

    /// Waits for a breach.
    pub async fn finds(&self) {
        self.found.notified().await;
    }

    /// The first promise that was broken.
    pub fn breach(&self) -> Option<Breach> {
        self.inner().breach.clone()
    }

    /// A promise is broken, as others see.
    pub fn breaks(&self, at: Duration, promise: Promise, what: String) {
        self.inner().breaks(at, promise, what);
    }

    /// Whether everything is as it is to be without jobs; if not, what is not.
    pub fn at_rest(&self, world: &World) -> Result<(), String> {
        let inner = self.inner();
        let can_run = |job: &&SimJob| (0..inner.fleets.len()).any(|number| inner.can_run(world, number, job));
        if let Some(job) = open_jobs(world).find(can_run) {
            return Err(format!("job {} is {:?}", job.id, job.state));
        }
        for (number, plan) in inner.fleets.iter().enumerate() {
            inner.rests(world, number).map_err(|why| format!("{}: {why}", plan.name))?;
        }
        let left = world.state.azure.left.values().find(|part| !inner.others.is_one(part.name()));
        left.map_or(Ok(()), |part| Err(format!("{} was left behind", part.name())))
    }

    fn inner(&self) -> MutexGuard<'_, Inspection> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspection {
    fn breaks(&mut self, at: Duration, promise: Promise, what: String) {
        let breach = Breach { at, promise, what };
        self.trace.line(at, format_args!("BREACH {}: {}", promise.name(), breach.what));
        self.breach.get_or_insert(breach);
    }

    fn look(&mut self, world: &World, what: &Happening<'_>) {
        let at = world.age();
        match what {
            Happening::Event(event) => self.trace.line(at, format_args!("world {event:?}")),
            Happening::Step { vm, step } => self.trace.line(at, format_args!("ssh {vm} {step}")),
            Happening::Call { method, path, refused, .. } => {
                let refused = refused.map_or(String::new(), |why| format!(": {why}"));
                self.trace.line(at, format_args!("call {method} {path}{refused}"));
            }
        }
        self.count(world, at);
        if matches!(what, Happening::Event(_)) || at >= self.looked + EVERY {
            for number in 0..self.fleets.len() {
                if open_jobs(world).any(|job| self.can_run(world, number, job)) {
                    self.worked[number] = at;
                }
            }
        }
        if let Happening::Call { method, path, refused, is_awaited, .. } = *what
            && method != "GET"
        {
            self.changed(world, at, (method, path), refused.is_some(), is_awaited);
        }
        if at >= self.looked + EVERY {
            self.looked = at;
            self.look_around(world, at);
        }
    }

    /// What the world has counted.
    fn count(&mut self, world: &World, at: Duration) {
        let ledger = &world.ledger;
        if ledger.jobs_killed > 0 {
            self.breaks(at, Promise::NoJobKilled, "the VM of a running job was removed".to_owned());
        }
        if ledger.overwrites > 0 || ledger.names_reused > 0 {
            self.breaks(at, Promise::NamesOnce, "a VM's name was used twice".to_owned());
        }
        if ledger.peak_open_starts > self.provisioning {
            let (open, limit) = (ledger.peak_open_starts, self.provisioning);
            self.breaks(
                at,
                Promise::Provisioning,
                format!("{open} requests to make something at once, of {limit}"),
            );
        }
        if ledger.requests_beyond_limit > 0 && self.is_alone {
            self.breaks(at, Promise::Budget, "GitHub refused a request beyond its limit".to_owned());
        }
        for number in 0..self.fleets.len() {
            let mine = self.vms(world, number).count();
            let since = at.saturating_sub(ON_ITS_WAY);
            let most = &self.most[number];
            let before = most.iter().rposition(|(from, _)| *from <= since).unwrap_or(0);
            let most = most[before..].iter().map(|(_, max)| *max).max().unwrap_or_default() as usize;
            if mine >= self.fleets[number].max as usize {
                self.full[number] = at;
            }
            // Those that were there before the maximum was lowered are no breach; one more is.
            let youngest = self.vms(world, number).map(|vm| vm.created_at).max();
            if mine > most && youngest == Some(world.now()) {
                let name = self.fleets[number].name;
                self.breaks(at, Promise::Maximum, format!("{name} has {mine} VMs, and may have {most}"));
            }
        }
    }

    /// A call has changed something, or tried to.
    fn changed(
        &mut self,
        world: &World,
        at: Duration,
        (method, path): (&str, &str),
        is_refused: bool,
        is_awaited: bool,
    ) {
        if self.others.has(path) {
            self.breaks(at, Promise::OthersUntouched, format!("{method} {path}"));
        }
        if is_refused || path.ends_with("/registration-token") {
            return;
        }
        if self.is_settled {
            self.breaks(at, Promise::Settles, format!("{method} {path}, though all was as it is to be"));
        }
        // Of what nobody waits for any more nothing is said, and parts are removed by none of the fleets.
        let (kind, name) = path.rsplit_once('/').unwrap_or_default();
        if !is_awaited || !kind.ends_with("/virtualMachines") {
            return;
        }
        let posted = self.board.read();
        // Where the runners cannot be seen, none is shown.
        if posted.fleets.values().any(|fleet| !fleet.runners_known) {
            return;
        }
        let shown = posted.fleets.values().find_map(|fleet| {
            let shown = fleet.runners.iter().find(|runner| runner.runner_name.as_str() == name)?;
            Some((shown.doing.clone(), fleet.decision.reason.clone()))
        });
        let is_said = shown.as_ref().is_some_and(|(doing, reason)| {
            let begins = |words: [&str; 3]| words.iter().any(|word| doing.starts_with(word));
            !reason.is_empty()
                && match method {
                    "PUT" => begins(["is being made", "is being installed", "awaits its VM"]),
                    _ => begins(["is to be removed", "is being removed", "is being removed"]),
                }
        });
        let is_configured = world.state.azure.vms.values().any(|vm| {
            vm.name == name
                && self
                    .fleets
                    .iter()
                    .any(|fleet| fleet.is_present && vm.tag("azlin-pool") == Some(fleet.name))
        });
        if !is_said && is_configured {
            self.breaks(at, Promise::Said, format!("{method} of {name}, of which the board says {shown:?}"));
        }
    }

    /// What is promised within a time.
    fn look_around(&mut self, world: &World, at: Duration) {
        if world.ledger.requests_held_back > self.held_back {
            // With GitHub's limit used up, nothing can be known until its window ends.
            (self.held_back, self.spent_at) = (world.ledger.requests_held_back, at);
        }
        let calm = self.disturbances.calm_since(at).max(self.spent_at);
        self.look_for_useless(world, at, calm);
        self.look_for_starving(world, at, calm);
        self.look_at_rest(world, at, calm);
        self.look_at_cooldown(at, calm);
    }

    /// Whether the formula waits between two scaling actions. Every other rule stands over the cooldown.
    fn look_at_cooldown(&mut self, at: Duration, calm: Duration) {
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
            // After a change of its file a fleet need not wait, nor after a start that came to nothing.
            let is_disturbed = at <= calm + 7 * MINUTE;
            if status.decision.rule == Rule::Formula && waited < COOLDOWN && !is_disturbed {
                let reason = &status.decision.reason;
                let what = format!("{} scaled twice within {waited:#}: {reason}", status.pool);
                return self.breaks(at, Promise::Cooldown, what);
            }
        }
    }

    fn look_for_useless(&mut self, world: &World, at: Duration, calm: Duration) {
        let mut useless = BTreeMap::new();
        let mut note = |name: &str| {
            let since = self.useless.get(name).copied().unwrap_or(at);
            useless.insert(name.to_owned(), since);
        };
        for number in 0..self.fleets.len() {
            if !self.fleets[number].is_present {
                continue;
            }
            for vm in self.vms(world, number).filter(|vm| !is_of_use(world, vm)) {
                note(&vm.name);
            }
            let prefix = self.fleets[number].name;
            for runner in world.state.github.runners.values() {
                let is_mine = runner.name.rsplit_once('-').is_some_and(|(head, _)| head == prefix);
                let has_vm = || world.state.azure.vms.values().any(|vm| vm.name == runner.name);
                if is_mine
                    && !self.others.is_one(&runner.name)
                    && !runner.online
                    && runner.job.is_none()
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
            let what = format!("{name} has been there for {for_s} s without being of use");
            self.breaks(at, Promise::NothingLeaks, what);
        }
        let left = world.state.azure.left.values().filter(|part| !self.others.is_one(part.name()));
        self.left = left
            .map(|part| {
                // Of a fleet whose file is not there nothing is touched.
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
            let what = format!("{name} was left behind by a VM and is still there");
            self.breaks(at, Promise::NothingLeaks, what);
        }
    }

    fn look_for_starving(&mut self, world: &World, at: Duration, calm: Duration) {
        let github = &world.state.github;
        let queued: Vec<&SimJob> = github.queued.iter().filter_map(|id| github.jobs.get(id)).collect();
        // GitHub gives a runner to any job that it can run, the oldest first.
        for number in 0..self.fleets.len() {
            let is_others = |job: &&&SimJob| self.owner(world, job) != Some(number);
            if queued.iter().filter(is_others).any(|job| self.can_run(world, number, job)) {
                self.crowded[number] = at;
            }
        }
        for job in &queued {
            let Some(number) = self.owner(world, job) else { continue };
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
            // Over SSH a runner is in the making until it is installed, and only so many are at once.
            let installs = match self.fleets.iter().any(|fleet| fleet.ssh.is_some()) {
                true => INSTALL * queued.len() as u32 / self.provisioning,
                false => Duration::ZERO,
            };
            if at > since + self.longest_wait + ROUND * rounds + installs + self.slack {
                let what = format!(
                    "job {} waits since {:?}, though {} could have more VMs",
                    job.id, since, plan.name
                );
                return self.breaks(at, Promise::NoJobStarves, what);
            }
        }
    }

    fn look_at_rest(&mut self, world: &World, at: Duration, calm: Duration) {
        for number in 0..self.fleets.len() {
            // While one takes another's place there is one more, or one less.
            let due = Duration::from_secs(self.fleets[number].rotation_min * 60).saturating_sub(SOON);
            let is_rotating = self.vms(world, number).any(|vm| age(world, vm) >= due);
            if is_rotating {
                self.worked[number] = at;
            }
            let since = self.worked[number].max(calm);
            if at > since + REST + self.slack
                && let Err(why) = self.rests(world, number)
            {
                let what = format!("{}: {why}", self.fleets[number].name);
                return self.breaks(at, Promise::Rest, what);
            }
        }
    }

    /// Whether a fleet that has nothing to do has exactly the runners that it is to have.
    fn rests(&self, world: &World, number: usize) -> Result<(), String> {
        let plan = &self.fleets[number];
        if !plan.is_present {
            return Ok(());
        }
        let wanted = plan.at_rest() as usize;
        let vms: Vec<&SimVm> = self.vms(world, number).filter(|vm| vm.state != State::Deleting).collect();
        if vms.len() != wanted {
            return Err(format!("{} VMs at rest, where {wanted} are wanted", vms.len()));
        }
        let runners = &world.state.github.runners;
        let is_mine = |name: &str| name.rsplit_once('-').is_some_and(|(head, _)| head == plan.name);
        let entries =
            runners.values().filter(|runner| is_mine(&runner.name) && !self.others.is_one(&runner.name));
        let (online, all) = (entries.clone().filter(|runner| runner.online).count(), entries.count());
        if (online, all) != (wanted, wanted) {
            return Err(format!("{online} of {all} runners are online at rest, where {wanted} are wanted"));
        }
        Ok(())
    }

    /// The VMs of a fleet.
    fn vms<'w>(&'w self, world: &'w World, number: usize) -> impl Iterator<Item = &'w SimVm> {
        let name = self.fleets[number].name;
        let is_mine = move |vm: &&SimVm| vm.tag("azlin-pool") == Some(name) && !self.others.is_one(&vm.name);
        world.state.azure.vms.values().filter(is_mine)
    }

    /// Whether a fleet's runners could run a job.
    fn can_run(&self, world: &World, number: usize, job: &SimJob) -> bool {
        let plan = &self.fleets[number];
        let own = ["self-hosted", "linux", "x64"];
        let offered =
            |wanted: &String| own.iter().chain(&plan.labels).any(|label| label.eq_ignore_ascii_case(wanted));
        let repo = world.state.github.runs.get(&job.run).map(|run| run.repo.as_str()).unwrap_or_default();
        let is_there = plan.is_of_account || repo.eq_ignore_ascii_case(&format!("{OWNER}/{}", plan.repo));
        is_there && job.labels.iter().all(offered)
    }

    /// The fleet that has to serve a job, where it is certain that it will.
    fn owner(&self, world: &World, job: &SimJob) -> Option<usize> {
        let able = (0..self.fleets.len()).filter(|number| {
            let plan = &self.fleets[*number];
            plan.is_present && plan.enabled && self.can_run(world, *number, job)
        });
        let not_asked_for = |number: &usize| {
            let plan = &self.fleets[*number];
            let is_asked = |label: &&str| job.labels.iter().any(|wanted| wanted.eq_ignore_ascii_case(label));
            (plan.labels.iter().filter(|label| !is_asked(label)).count(), plan.name)
        };
        let owner = able.min_by_key(not_asked_for)?;
        // A count that was set by hand is all there is.
        self.fleets[owner].manual.is_none().then_some(owner)
    }
}

/// Jobs that wait or run.
fn open_jobs(world: &World) -> impl Iterator<Item = &SimJob> {
    let github = &world.state.github;
    let runs = github.active.values().flatten().filter_map(|id| github.runs.get(id));
    let jobs = runs.flat_map(|run| &run.jobs).filter_map(|id| github.jobs.get(id));
    jobs.filter(|job| !matches!(job.state, JobState::Completed(_)))
}

fn age(world: &World, vm: &SimVm) -> Duration {
    Duration::try_from(world.now().duration_since(vm.created_at)).unwrap_or_default()
}

/// Whether a VM does something, comes, or goes.
fn is_of_use(world: &World, vm: &SimVm) -> bool {
    let entry = vm.runner.and_then(|id| world.state.github.runners.get(&id));
    vm.state == State::Deleting
        || age(world, vm) < 12 * MINUTE
        // A runner that was lost in its job is busy for as long as GitHub says so.
        || entry.is_some_and(|entry| entry.online || entry.job.is_some())
}
