//! What is going to happen in a simulation: plain values, all of them drawn before it begins.

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_simcloud::fault::{Fault, FaultKind};
use azlin_simcloud::workload::{Arrival, Overrides, Span, Workload};

/// The account that all fleets are of.
pub const OWNER: &str = "o";
/// The longest that a list lags, and that a request is on its way before it has its effect. A daemon that
/// lost its state file cannot know what a list that is older than its own death does not show, so it stays
/// down for longer than that (ARCHITECTURE.md, What always holds).
pub const LONGEST_LAG: Duration = Duration::from_secs(60);

/// Everything that is going to happen.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it was drawn from.
    pub seed: u64,
    /// How long things go on happening; then comes rest.
    pub length: Duration,
    /// How often the daemon looks at the queue.
    pub poll: Duration,
    /// How many provisioning operations it may have under way.
    pub provisioning: u32,
    /// Requests in an hour that GitHub allows.
    pub rate_limit: u32,
    /// How long a call takes.
    pub answer: Span,
    /// The fleets as they are at the start.
    pub fleets: Vec<FleetSpec>,
    /// What happens, each with a number by which it can be named.
    pub parts: Vec<(usize, ScenarioPart)>,
}

/// Something that happens. Without it the rest still makes a scenario.
#[derive(Debug, Clone)]
pub enum ScenarioPart {
    /// Jobs arrive.
    Jobs(Arrival),
    /// Something fails for a while.
    Fault(Fault),
    /// The daemon dies.
    Crash(Crash),
    /// Somebody changes the configuration.
    Edit(Edit),
    /// The daemon's clock is set.
    Clock(ClockChange),
    /// GitHub tells of jobs by webhook.
    Webhooks(WebhookConditions),
}

/// What becomes of what GitHub tells by webhook.
#[derive(Debug, Clone, Copy)]
pub struct WebhookConditions {
    /// How likely each is lost.
    pub lost: f64,
    /// How late it may come.
    pub late: Duration,
    /// How likely it comes once more.
    pub doubled: f64,
    /// And how late that may be.
    pub again: Duration,
}

/// The daemon dies, and is started again.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// When, from the start, it begins to be possible.
    pub at: Duration,
    /// After so many more points at which it makes a difference.
    pub points: u64,
    /// How long it stays away.
    pub down: Duration,
    /// What becomes of its state files.
    pub disk: Disk,
}

/// What a new daemon finds of what the last one remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// All of it.
    Kept,
    /// Nothing.
    Lost,
    /// What was there when the last one began.
    Old,
    /// Files that end half-way.
    Torn,
}

/// Somebody changes a fleet's file.
#[derive(Debug, Clone)]
pub struct Edit {
    /// When, from the start.
    pub at: Duration,
    /// Which fleet: its place in the list.
    pub fleet: usize,
    /// What becomes of it.
    pub change: FileChange,
}

/// A change of a fleet's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// `enabled`.
    Enabled(bool),
    /// `scaling.manual_count`, no more than the maximum.
    Manual(Option<u32>),
    /// `scaling.min_runners` and `max_runners`.
    Scale(u32, u32),
    /// A tag of the VMs, which makes those that are there out of date.
    Tag(u32),
    /// `vm.resource_group`.
    Group(u32),
    /// The repository is spelled in upper case, or as it was.
    Spelling(bool),
    /// The file is there, or not.
    Present(bool),
}

/// The daemon's clock is set.
#[derive(Debug, Clone, Copy)]
pub struct ClockChange {
    /// When, from the start.
    pub at: Duration,
    /// How far it is ahead from then on.
    pub ahead_s: i64,
}

/// A fleet's file, as far as simulations vary it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSpec {
    /// Its name.
    pub name: &'static str,
    /// The name of its repository.
    pub repo: &'static str,
    /// Whether it serves the whole account's repositories.
    pub is_of_account: bool,
    /// `labels`.
    pub labels: Vec<&'static str>,
    /// `enabled`.
    pub enabled: bool,
    /// `scaling.min_runners`.
    pub min: u32,
    /// `scaling.max_runners`.
    pub max: u32,
    /// `scaling.manual_count`.
    pub manual: Option<u32>,
    /// `scaling.jobs_per_runner`.
    pub jobs_per_runner: u32,
    /// `lifecycle.rotation_interval`, in minutes.
    pub rotation_min: u64,
    /// Whether it bootstraps over SSH, and jobs for each runner.
    pub ssh: Option<u32>,
    /// Whether its VMs are spot VMs.
    pub spot: bool,
    /// A tag of its VMs.
    pub tag: u32,
    /// Which resource group.
    pub group: u32,
    /// Whether its repository is spelled in upper case.
    pub shouts: bool,
    /// Whether its file is there.
    pub is_present: bool,
}

impl FleetSpec {
    /// The fleet as its file says.
    ///
    /// # Panics
    /// When the file is wrong.
    pub fn fleet(&self) -> Fleet {
        let place = format!("{OWNER}/{}", self.repo);
        let place = if self.shouts { place.to_uppercase() } else { place };
        let scope = if self.is_of_account {
            format!("org = \"{OWNER}\"\nrepositories = [\"{OWNER}/*\"]\n")
        } else {
            format!("repo = \"{place}\"\n")
        };
        let manual = self.manual.map(|count| format!("manual_count = {}\n", count.min(self.max)));
        let bootstrap = if self.ssh.is_some() { "[bootstrap]\nmethod = \"ssh\"\n" } else { "" };
        let text = format!(
            "enabled = {}\n{scope}labels = {:?}\n[scaling]\nmin_runners = {}\nmax_runners = {}\njobs_per_runner = {}\n{}\
             [lifecycle]\nmax_job_count = {}\nrotation_interval = \"{}m\"\ndead_mans_switch = \"{}m\"\n{bootstrap}[vm]\n\
             subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg{}\"\n\
             location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\nimage = \"a:b:c:d\"\n\
             subnet_id = \"/subscriptions/0/s\"\nspot = {}\ntags = {{ build = \"{}\" }}\n",
            self.enabled,
            self.labels,
            self.min,
            self.max,
            self.jobs_per_runner,
            manual.unwrap_or_default(),
            self.ssh.unwrap_or(1),
            self.rotation_min,
            self.rotation_min + 60,
            self.group,
            self.spot,
            self.tag,
        );
        let name = self.name.parse().unwrap_or_else(|error| panic!("{error}"));
        Fleet::parse(self.name, name, &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    /// How many runners it has when there are no jobs.
    pub fn at_rest(&self) -> u32 {
        let wanted = self.manual.unwrap_or(self.min).min(self.max);
        if self.enabled { wanted } else { 0 }
    }

    /// Takes in a change.
    pub fn change(&mut self, change: &FileChange) {
        match *change {
            FileChange::Enabled(enabled) => self.enabled = enabled,
            FileChange::Manual(count) => self.manual = count,
            FileChange::Scale(min, max) => (self.min, self.max) = (min, max),
            FileChange::Tag(tag) => self.tag = tag,
            FileChange::Group(group) => self.group = group,
            FileChange::Spelling(shouts) => self.shouts = shouts,
            FileChange::Present(is_present) => self.is_present = is_present,
        }
    }
}

impl Scenario {
    /// The jobs and faults, as the world takes them.
    pub fn workload(&self) -> Workload {
        let settings = Overrides {
            seed: Some(self.seed),
            rate_limit: Some(self.rate_limit),
            answer: Some(self.answer),
            ..Overrides::default()
        };
        let repositories = self.fleets.iter().map(|fleet| format!("{OWNER}/{}", fleet.repo)).collect();
        let arrivals = self.of(|part| match part {
            ScenarioPart::Jobs(arrival) => Some(arrival.clone()),
            _ => None,
        });
        let faults = self.of(|part| match part {
            ScenarioPart::Fault(fault) => Some(fault.clone()),
            _ => None,
        });
        Workload { settings, repositories, arrivals, faults, ..Workload::default() }
    }

    /// The same with no more than so many fleets.
    #[must_use]
    pub fn with_fleets(mut self, most: usize) -> Scenario {
        self.fleets.truncate(most);
        let is_there = |part: &ScenarioPart| !matches!(part, ScenarioPart::Edit(edit) if edit.fleet >= most);
        self.parts.retain(|(_, part)| is_there(part));
        self
    }

    /// Whether something fails in such a way.
    pub fn has_fault(&self, is_it: impl Fn(&FaultKind) -> bool) -> bool {
        self.parts.iter().any(|(_, part)| matches!(part, ScenarioPart::Fault(fault) if is_it(&fault.what)))
    }

    /// What is done to the daemon and its configuration, in order.
    pub fn timeline(&self) -> Vec<(Duration, ScenarioPart)> {
        let mut all = self.of(|part| match part {
            ScenarioPart::Crash(crash) => Some((crash.at, part.clone())),
            ScenarioPart::Edit(edit) => Some((edit.at, part.clone())),
            ScenarioPart::Clock(clock) => Some((clock.at, part.clone())),
            ScenarioPart::Jobs(_) | ScenarioPart::Fault(_) | ScenarioPart::Webhooks(_) => None,
        });
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// What becomes of GitHub's webhooks, where there are any.
    pub fn webhooks(&self) -> Option<WebhookConditions> {
        let webhooks = |part: &ScenarioPart| {
            if let ScenarioPart::Webhooks(webhooks) = part { Some(*webhooks) } else { None }
        };
        self.of(webhooks).pop()
    }

    fn of<T>(&self, pick: impl Fn(&ScenarioPart) -> Option<T>) -> Vec<T> {
        self.parts.iter().filter_map(|(_, part)| pick(part)).collect()
    }
}

impl std::fmt::Display for ScenarioPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |at: Duration| humantime::format_duration(Duration::from_secs(at.as_secs()));
        match self {
            ScenarioPart::Jobs(arrival) => {
                let Arrival { repo, jobs, labels, then, .. } = arrival;
                let (from, to) = (at(arrival.duration.from), at(arrival.duration.to));
                write!(
                    f,
                    "{} jobs {jobs:?} for {repo} {labels:?} of {from} to {to}, then {then}",
                    at(arrival.at)
                )
            }
            ScenarioPart::Fault(fault) => {
                let until = fault.until.map_or("the end".to_owned(), |until| at(until).to_string());
                let Fault { what, side, method, probability, .. } = fault;
                write!(f, "{} to {until} {what:?} {side:?} {method:?} p={probability:.2}", at(fault.from))
            }
            ScenarioPart::Crash(Crash { at: when, points, down, disk }) => {
                write!(
                    f,
                    "{} the daemon dies {points} points later, is down for {}, disk {disk:?}",
                    at(*when),
                    at(*down)
                )
            }
            ScenarioPart::Edit(Edit { at: when, fleet, change }) => {
                write!(f, "{} fleet {fleet}: {change:?}", at(*when))
            }
            ScenarioPart::Webhooks(WebhookConditions { lost, late, doubled, again }) => {
                let (late, again) = (at(*late), at(*again));
                write!(f, "webhooks, lost p={lost:.2}, late up to {late}, again p={doubled:.2} up to {again}")
            }
            ScenarioPart::Clock(ClockChange { at: when, ahead_s }) => {
                write!(f, "{} the clock is {ahead_s} s ahead", at(*when))
            }
        }
    }
}
