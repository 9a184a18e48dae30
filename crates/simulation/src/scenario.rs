//! A scenario: plain values, generated before it runs.

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_simcloud::fault::{Fault, FaultKind};
use azlin_simcloud::workload::{Arrival, Overrides, Span, Workload};

/// The account of all fleets.
pub const OWNER: &str = "o";
/// The longest time that a list lags, and that a request takes until it has its effect. A daemon that lost
/// its state file cannot know what a list older than its own crash does not show, so it stays down for longer
/// than this (ARCHITECTURE.md, What always holds).
pub const LONGEST_LAG: Duration = Duration::from_secs(60);
/// The time after which systemd starts a daemon that died (`RestartSec`): what it had asked for has had its effect then,
/// where lists do not lag.
pub const RESTART: Duration = Duration::from_secs(10);

/// When every scenario starts, in seconds of Unix.
pub const BEGAN: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;
/// So long before and after a fleet's hours begin or end, by the world's clock, the daemon may already or still see it
/// otherwise: what they raise holds a boot earlier, and its clock may be ten minutes ahead or behind.
pub const BORDER_BEFORE: Duration = Duration::from_secs(25 * 60);
const BORDER_AFTER: Duration = Duration::from_secs(11 * 60);

/// Everything that will happen, and to whom.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed that it was generated from.
    pub seed: u64,
    /// How long parts happen. After that the world must come to rest.
    pub length: Duration,
    /// The configured interval between polls of the queue.
    pub poll: Duration,
    /// The configured maximum of provisioning operations at the same time.
    pub provisioning: u32,
    /// GitHub's rate limit, in requests an hour.
    pub rate_limit: u32,
    /// How long a call takes, there and back.
    pub answer: Span,
    /// Whether GitHub offers jobs to scale sets, which have to acquire them.
    pub is_offered: bool,
    /// The fleets at the start.
    pub fleets: Vec<FleetSpec>,
    /// What happens, each with a number that `--only` can name.
    pub parts: Vec<(usize, ScenarioPart)>,
}

/// One thing that happens. Any subset of the parts of a scenario is a scenario too.
#[derive(Debug, Clone)]
pub enum ScenarioPart {
    /// Jobs arrive.
    Jobs(Arrival),
    /// Something fails for a while.
    Fault(Fault),
    /// The daemon crashes.
    Crash(Crash),
    /// A person changes a fleet's file.
    Edit(Edit),
    /// The daemon's clock is set.
    Clock(ClockChange),
    /// GitHub delivers job events by webhook.
    Webhooks(WebhookConditions),
    /// Azure refuses requests beyond its limits.
    AzureLimits,
}

/// How reliable webhook deliveries are.
#[derive(Debug, Clone, Copy)]
pub struct WebhookConditions {
    /// The probability that a delivery is lost, from 0 to 1.
    pub lost: f64,
    /// The longest delay of a delivery.
    pub late: Duration,
    /// The probability that a delivery comes a second time, from 0 to 1.
    pub doubled: f64,
    /// The longest delay of the second one.
    pub again: Duration,
}

/// The daemon crashes, and is started again.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The earliest time, from the start.
    pub at: Duration,
    /// How many points at which a crash makes a difference pass before it.
    pub points: u64,
    /// How long no daemon runs.
    pub down: Duration,
    /// What happens to its state files.
    pub disk: Disk,
}

/// The state files that a new daemon finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// As the last daemon wrote them.
    Kept,
    /// None.
    Lost,
    /// As they were when the last daemon started.
    Old,
    /// Some are cut off at a random byte.
    Torn,
}

/// A person changes a fleet's file.
#[derive(Debug, Clone)]
pub struct Edit {
    /// When, from the start.
    pub at: Duration,
    /// The index of the fleet in [`Scenario::fleets`].
    pub fleet: usize,
    /// What is changed.
    pub change: FileChange,
}

/// A change of a fleet's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// `enabled`.
    Enabled(bool),
    /// `scaling.manual_count`, at most the maximum.
    Manual(Option<u32>),
    /// `scaling.min_runners` and `max_runners`.
    Scale(u32, u32),
    /// The value of a tag of the VMs, which makes existing VMs outdated.
    Tag(u32),
    /// The number in the name of `vm.resource_group`.
    Group(u32),
    /// Whether the repository is spelled in upper case.
    Spelling(bool),
    /// Whether the file exists.
    Present(bool),
    /// The file stays, and its hours come or go.
    Hours(HoursPhase),
    /// The file has no hours any more.
    NoHours,
    /// `warm.standby`.
    Standby(u32),
}

/// Whether the hours of a fleet hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoursPhase {
    /// They do not.
    Out,
    /// They may: they begin or end about now.
    Changing,
    /// They do.
    In,
}

impl HoursPhase {
    /// Whether these hours hold when a scenario of this length starts.
    pub fn at_start(hours: &DailyHours, length: Duration) -> Self {
        let holds = hours.spans(BEGAN, length).iter().any(|(from, _)| from.is_zero());
        if holds { HoursPhase::In } else { HoursPhase::Out }
    }
}

/// Hours of every day, by a clock that is five hours and a half ahead of UTC in summer and in winter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyHours {
    /// When they begin, in hours.
    pub from: u8,
    /// When they end, in hours, later on that day.
    pub to: u8,
    /// `hours.min_runners`.
    pub min: u32,
    /// `hours.max_runners`.
    pub max: u32,
    /// `hours.standby`.
    pub standby: u32,
}

impl DailyHours {
    const ZONE: &str = "Asia/Kolkata";
    const AHEAD: u64 = 5 * 3600 + 1800;

    /// When they begin and end in a scenario of this length that starts at this time.
    pub fn spans(&self, began: u64, length: Duration) -> Vec<(Duration, Duration)> {
        let today = (began + Self::AHEAD) / DAY * DAY - Self::AHEAD;
        let at = |days: u64, hour: u8| {
            Duration::from_secs((today + days * DAY + u64::from(hour) * 3600).saturating_sub(began))
        };
        let spans =
            (0..length.as_secs().div_ceil(DAY) + 2).map(|days| (at(days, self.from), at(days, self.to)));
        spans.filter(|(from, to)| *from < length && !to.is_zero()).collect()
    }
}

/// The daemon's clock is set.
#[derive(Debug, Clone, Copy)]
pub struct ClockChange {
    /// When, from the start.
    pub at: Duration,
    /// How far the clock is ahead from then on, in seconds; negative if behind.
    pub ahead_s: i64,
}

/// A fleet's file, as far as scenarios vary it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSpec {
    /// The fleet's name.
    pub name: &'static str,
    /// The repository's name, without its owner.
    pub repo: &'static str,
    /// Whether the fleet serves all repositories of the account.
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
    /// `lifecycle.max_job_count` of a fleet that bootstraps over SSH; `None` where VMs bootstrap themselves.
    pub ssh: Option<u32>,
    /// `vm.spot`.
    pub spot: bool,
    /// The value of the tag `build` of its VMs.
    pub tag: u32,
    /// The number in the name of `vm.resource_group`.
    pub group: u32,
    /// Whether the repository is spelled in upper case.
    pub shouts: bool,
    /// Whether the file exists.
    pub is_present: bool,
    /// `warm.keep_for`, in minutes.
    pub keep_for_min: u64,
    /// `warm.standby`.
    pub standby: u32,
    /// Whether `demand.source` is a scale set.
    pub has_scale_set: bool,
    /// Its hours, if it has some, and whether they hold.
    pub hours: Option<DailyHours>,
    /// Whether they hold.
    pub phase: HoursPhase,
}

impl FleetSpec {
    /// The fleet that this file describes.
    ///
    /// # Panics
    /// If the file is invalid.
    pub fn fleet(&self) -> Fleet {
        let place = format!("{OWNER}/{}", self.repo);
        let place = if self.shouts { place.to_uppercase() } else { place };
        let scope = if self.is_of_account {
            format!("org = \"{OWNER}\"\nrepositories = [\"{OWNER}/*\"]\n")
        } else {
            format!("repo = \"{place}\"\n")
        };
        let manual = self.manual.map(|count| format!("manual_count = {}\n", count.min(self.max)));
        let hours = self.hours.map_or(String::new(), |hours| {
            let DailyHours { from, to, min, max, standby } = hours;
            let zone = DailyHours::ZONE;
            let standby = if standby > 0 { format!("standby = {standby}\n") } else { String::new() };
            format!(
                "[[hours]]\nfrom = \"{from:02}:00\"\nto = \"{to:02}:00\"\ntime_zone = \"{zone}\"\nmin_runners = {min}\n\
                 max_runners = {max}\n{standby}"
            )
        });
        let demand = if self.has_scale_set { "[demand]\nsource = \"scale-set\"\n" } else { "" };
        let bootstrap = if self.ssh.is_some() { "[bootstrap]\nmethod = \"ssh\"\n" } else { "" };
        let text = format!(
            "enabled = {}\n{scope}labels = {:?}\n{demand}[scaling]\nmin_runners = {}\nmax_runners = {}\njobs_per_runner = {}\n\
             scale_up_threshold = {}\n{}[warm]\nkeep_for = \"{}m\"\nstandby = {}\n{hours}\
             [lifecycle]\nmax_job_count = {}\nrotation_interval = \"{}m\"\ndead_mans_switch = \"{}m\"\n{bootstrap}[vm]\n\
             subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg{}\"\n\
             location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\nimage = \"a:b:c:d\"\n\
             subnet_id = \"/subscriptions/0/s\"\nspot = {}\ntags = {{ build = \"{}\" }}\n",
            self.enabled,
            self.labels,
            self.min,
            self.max,
            self.jobs_per_runner,
            self.scale_up_threshold(),
            manual.unwrap_or_default(),
            self.keep_for_min,
            self.standby,
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

    /// `scaling.scale_up_threshold`: as `enable` writes it where each job gets a runner, and else the default.
    pub fn scale_up_threshold(&self) -> u32 {
        if self.jobs_per_runner == 1 { 0 } else { 2 }
    }

    /// The least runners that are available now.
    pub fn least(&self) -> u32 {
        match (self.hours, self.phase) {
            (Some(hours), HoursPhase::In) => hours.min,
            (Some(hours), HoursPhase::Changing) => hours.min.min(self.min),
            _ => self.min,
        }
    }

    /// The most VMs that may be there now.
    pub fn most(&self) -> u32 {
        match (self.hours, self.phase) {
            (Some(hours), HoursPhase::In) => hours.max,
            (Some(hours), HoursPhase::Changing) => hours.max.max(self.max),
            _ => self.max,
        }
    }

    /// The VMs with which it may have no room for more.
    pub fn full_with(&self) -> u32 {
        match (self.hours, self.phase) {
            (Some(hours), HoursPhase::Changing) => hours.max.min(self.max),
            _ => self.most(),
        }
    }

    /// How many runners the fleet has without jobs.
    pub fn at_rest(&self) -> u32 {
        let wanted = self.manual.unwrap_or(self.least()).min(self.most());
        if self.enabled { wanted } else { 0 }
    }

    /// How many VMs may be on standby.
    pub fn most_on_standby(&self) -> u32 {
        let most = match (self.hours.map(|hours| hours.standby), self.phase) {
            (Some(within), HoursPhase::In) if within > 0 => within,
            (Some(within), HoursPhase::Changing) => within.max(self.standby),
            _ => self.standby,
        };
        if self.enabled { most } else { 0 }
    }

    /// Applies a change.
    pub fn change(&mut self, change: &FileChange) {
        match *change {
            FileChange::Enabled(enabled) => self.enabled = enabled,
            FileChange::Manual(count) => self.manual = count,
            FileChange::Scale(min, max) => (self.min, self.max) = (min, max),
            FileChange::Tag(tag) => self.tag = tag,
            FileChange::Group(group) => self.group = group,
            FileChange::Spelling(shouts) => self.shouts = shouts,
            FileChange::Present(is_present) => self.is_present = is_present,
            FileChange::Hours(phase) => self.phase = phase,
            FileChange::NoHours => (self.hours, self.phase) = (None, HoursPhase::Out),
            FileChange::Standby(standby) => self.standby = standby,
        }
    }
}

impl Scenario {
    /// The jobs and faults as a workload of simcloud.
    pub fn workload(&self) -> Workload {
        let settings = Overrides {
            seed: Some(self.seed),
            rate_limit: Some(self.rate_limit),
            answer: Some(self.answer),
            scale_set_offers: Some(self.is_offered),
            azure_limits: Some(self.parts.iter().any(|(_, part)| matches!(part, ScenarioPart::AzureLimits))),
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

    /// The same scenario with at most this many fleets.
    #[must_use]
    pub fn with_fleets(mut self, most: usize) -> Scenario {
        self.fleets.truncate(most);
        let is_there = |part: &ScenarioPart| !matches!(part, ScenarioPart::Edit(edit) if edit.fleet >= most);
        self.parts.retain(|(_, part)| is_there(part));
        self
    }

    /// Whether the scenario has a fault of this kind.
    pub fn has_fault(&self, is_it: impl Fn(&FaultKind) -> bool) -> bool {
        self.parts.iter().any(|(_, part)| matches!(part, ScenarioPart::Fault(fault) if is_it(&fault.what)))
    }

    /// The crashes, file changes and clock changes, in order of time.
    pub fn timeline(&self) -> Vec<(Duration, ScenarioPart)> {
        let mut all = self.of(|part| match part {
            ScenarioPart::Crash(crash) => Some((crash.at, part.clone())),
            ScenarioPart::Edit(edit) => Some((edit.at, part.clone())),
            ScenarioPart::Clock(clock) => Some((clock.at, part.clone())),
            ScenarioPart::Jobs(_)
            | ScenarioPart::Fault(_)
            | ScenarioPart::Webhooks(_)
            | ScenarioPart::AzureLimits => None,
        });
        for (fleet, spec) in self.fleets.iter().enumerate() {
            let Some(hours) = spec.hours else { continue };
            let edit = |at, change| (at, ScenarioPart::Edit(Edit { at, fleet, change }));
            for (from, to) in hours.spans(BEGAN, self.length) {
                // Hours that hold at the start began before.
                let begin = (!from.is_zero()).then_some((from, HoursPhase::In));
                for (border, phase) in begin.into_iter().chain([(to, HoursPhase::Out)]) {
                    let begins = border.saturating_sub(BORDER_BEFORE);
                    let ends = border + BORDER_AFTER;
                    if ends < self.length {
                        all.push(edit(begins, FileChange::Hours(HoursPhase::Changing)));
                        all.push(edit(ends, FileChange::Hours(phase)));
                    } else if begins < self.length {
                        all.push(edit(begins, FileChange::Hours(HoursPhase::Changing)));
                    }
                }
            }
            all.push(edit(self.length, FileChange::NoHours));
        }
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// How reliable webhooks are; `None` where GitHub sends none.
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
                let Arrival { repo, jobs, labels, group, then, every, .. } = arrival;
                let (from, to) = (at(arrival.duration.from), at(arrival.duration.to));
                write!(
                    f,
                    "{} jobs {jobs:?} for {repo} {labels:?} {group:?} of {from} to {to}, then {then}",
                    at(arrival.at)
                )?;
                every.map_or(Ok(()), |every| write!(f, ", again after {:?} to {:?}", every.from, every.to))
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
            ScenarioPart::AzureLimits => f.write_str("Azure refuses requests beyond its limits"),
            ScenarioPart::Clock(ClockChange { at: when, ahead_s }) => {
                write!(f, "{} the clock is {ahead_s} s ahead", at(*when))
            }
        }
    }
}
