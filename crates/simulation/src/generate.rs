//! Generates scenarios from seeds.

use std::time::Duration;

use azlin_simcloud::fault::{Fault, FaultKind, Side};
use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Span};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::azure_weather::azure_weather;
use super::calm_weather::calm_weather;
use super::flood_weather::flood_weather;
use super::github_weather::github_weather;
use super::hours_weather::hours_weather;
use super::names_weather::names_weather;
use super::scenario::{
    ClockChange, Crash, Disk, Edit, FileChange, FleetSpec, HoursPhase, LONGEST_LAG, OWNER, RESTART, Scenario,
    ScenarioPart, WebhookConditions,
};
use super::set_weather::set_weather;
use super::standby_weather::standby_weather;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Jobs arrive by day, so that fleets come to rest at night. In seconds from midnight.
const WORKDAY: u64 = 17 * HOUR;

/// The random source and what it has generated so far.
struct Generator {
    rng: StdRng,
    length: u64,
    parts: Vec<ScenarioPart>,
}

/// Generates the scenario of a seed, over this many days.
pub fn generate(seed: u64, days: f64) -> Scenario {
    let length = (days * DAY as f64) as u64;
    let mut generator = Generator { rng: StdRng::seed_from_u64(seed), length, parts: Vec::new() };
    let fleets = generator.fleets();
    let poll = Duration::from_secs(*generator.one_of(&[60, 60, 60, 60, 60, 60, 90, 30, 20]));
    let provisioning = *generator.one_of(&[10, 10, 10, 3, 1]);
    let rate_limit = *generator.one_of(&[5000, 5000, 5000, 1500]);
    let answer = match generator.rng.random_range(0..6) {
        0 => Span::exactly(Duration::ZERO),
        1 => generator.span(0, 10),
        _ => generator.span(0, 1),
    };
    generator.jobs(&fleets);
    generator.faults();
    generator.edits(&fleets);
    generator.clocks();
    generator.crashes();
    generator.webhooks();
    generator.parts.extend(github_weather(seed, Duration::from_secs(length)));
    generator.parts.extend(azure_weather(seed, Duration::from_secs(length)));
    generator.parts.extend(names_weather(seed, Duration::from_secs(length)));
    generator.parts.extend(flood_weather(seed, &fleets, Duration::from_secs(length)));
    let length = Duration::from_secs(length);
    let mut fleets = fleets;
    hours_weather(seed, &mut fleets, length);
    let edits = standby_weather(seed, &mut fleets, length);
    generator.parts.extend(edits.into_iter().map(ScenarioPart::Edit));
    let (faults, is_offered) = set_weather(seed, &mut fleets, length);
    generator.parts.extend(faults);
    let parts = generator.parts.into_iter().enumerate().collect();
    let mut scenario =
        Scenario { seed, length, poll, provisioning, rate_limit, answer, is_offered, fleets, parts };
    calm_weather(&mut scenario);
    scenario
}

impl Generator {
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.rng.random_range(0..all.len())]
    }

    fn span(&self, from: u64, to: u64) -> Span {
        Span { from: Duration::from_secs(from), to: Duration::from_secs(to) }
    }

    /// A random time from the start, not within the last 20 minutes.
    fn moment(&mut self) -> Duration {
        let last = (self.length * 1000).saturating_sub(20 * MINUTE * 1000).max(1);
        Duration::from_millis(self.rng.random_range(0..last))
    }

    /// A random count of events, of which there are at most this many a day: often none.
    fn some(&mut self, most_a_day: u64) -> u64 {
        let days = self.length.div_ceil(DAY);
        let most = *self.one_of(&[0, most_a_day / 4, most_a_day / 2, most_a_day]);
        if most == 0 { 0 } else { self.rng.random_range(0..=most * days) }
    }

    fn fleets(&mut self) -> Vec<FleetSpec> {
        let count = self.rng.random_range(1..=3_usize);
        let is_shared = self.rng.random_bool(0.7);
        let kinds = [("large", vec!["docker"]), ("small", vec!["docker", "gpu"]), ("any", vec![])];
        let plan = |(number, (name, labels)): (usize, (&'static str, Vec<&'static str>))| {
            let max = self.rng.random_range(1..=8);
            let has_minimum = self.rng.random_bool(0.4);
            let by_ssh = self.rng.random_bool(0.3);
            FleetSpec {
                name,
                repo: if is_shared || number == 0 { "r" } else { "s" },
                is_of_account: self.rng.random_bool(0.1),
                labels,
                enabled: true,
                min: if has_minimum { self.rng.random_range(1..=max.min(2)) } else { 0 },
                max,
                manual: None,
                jobs_per_runner: *self.one_of(&[1, 1, 2, 2, 4]),
                rotation_min: *self.one_of(&[24 * 60, 24 * 60, 6 * 60, 70]),
                ssh: by_ssh.then(|| *self.one_of(&[1, 1, 3])),
                spot: self.rng.random_bool(0.2),
                tag: 0,
                group: 0,
                shouts: false,
                is_present: true,
                keep_for_min: 0,
                standby: 0,
                has_scale_set: false,
                hours: None,
                phase: HoursPhase::Out,
            }
        };
        kinds.into_iter().take(count).enumerate().map(plan).collect()
    }

    fn jobs(&mut self, fleets: &[FleetSpec]) {
        let days = self.length.div_ceil(DAY);
        let runs = self.rng.random_range(4..=40 * days.max(1)) * fleets.len() as u64;
        for _ in 0..runs {
            let fleet = self.one_of(fleets).clone();
            let day = self.rng.random_range(0..days) * DAY;
            let at = (day + self.rng.random_range(0..WORKDAY)) % self.length.max(1);
            let mut labels = vec!["self-hosted".to_owned()];
            if self.rng.random_bool(0.2) {
                labels.push("Linux".to_owned());
            }
            labels.extend(fleet.labels.iter().map(|label| (*label).to_owned()));
            if self.rng.random_bool(0.2) {
                labels.iter_mut().for_each(|label| *label = label.to_uppercase());
            }
            let duration = match self.rng.random_range(0..20) {
                0 => self.span(HOUR, 5 * HOUR),
                1..4 => self.span(15 * MINUTE, HOUR),
                4 => self.span(1, 10),
                _ => self.span(20, 12 * MINUTE),
            };
            let (mut jobs, mut then, mut held, mut every) = (JobCount::Between(1, 3), 0, None, None);
            match self.rng.random_range(0..21) {
                0..3 if duration.to < Duration::from_secs(HOUR) => jobs = JobCount::Between(4, 20),
                3..5 => then = self.rng.random_range(1..=3),
                5 => held = Some(self.span(MINUTE, 40 * MINUTE)),
                // No fleet serves these jobs.
                6 => labels.push("fpga".to_owned()),
                7 => labels = vec!["ubuntu-latest".to_owned()],
                // One job after another, for an hour.
                8 if duration.to < Duration::from_secs(HOUR) => {
                    (jobs, every) = (JobCount::Exactly(1), Some(self.span(20, 3 * MINUTE)));
                }
                _ => {}
            }
            self.parts.push(ScenarioPart::Jobs(Arrival {
                at: Duration::from_secs(at),
                until: every.map(|_| Duration::from_secs((at + HOUR).min(self.length))),
                every,
                repo: format!("{OWNER}/{}", fleet.repo),
                jobs,
                labels,
                group: None,
                duration,
                script: None,
                held,
                held_by: HeldBy::Environment,
                then,
                hosted: false,
            }));
        }
    }

    /// Faults come in groups of one to three.
    fn faults(&mut self) {
        for _ in 0..self.some(8) {
            let from = self.moment();
            let until = from + Duration::from_secs(self.rng.random_range(20..HOUR));
            for _ in 0..self.rng.random_range(1..=3) {
                let fault = self.fault(from, until.min(Duration::from_secs(self.length)));
                self.parts.push(ScenarioPart::Fault(fault));
            }
        }
    }

    fn fault(&mut self, from: Duration, until: Duration) -> Fault {
        let (azure, github) = (Some(Side::Azure), Some(Side::Github));
        let lag = self.span(5, LONGEST_LAG.as_secs());
        let (what, side, method) = match self.rng.random_range(0..25) {
            0 => (FaultKind::Latency(self.span(1, 50)), None, None),
            1 => (FaultKind::Latency(self.span(20, 2 * LONGEST_LAG.as_secs() - 10)), azure, None),
            2 => (FaultKind::Status(502, None), github, None),
            3 => (FaultKind::Status(500, None), azure, None),
            4 => (FaultKind::Status(403, Some(120)), github, None),
            5 => (FaultKind::Status(429, None), azure, None),
            6 => (FaultKind::Reset, None, None),
            7 => (FaultKind::Truncated, None, None),
            8 => (FaultKind::LostAnswer, azure, Some("PUT")),
            9 => (FaultKind::LostAnswer, github, Some("POST")),
            10 => (FaultKind::LostAnswer, None, Some("DELETE")),
            11 => (FaultKind::Twice, None, None),
            12 => (FaultKind::NoCapacity(None), None, None),
            13 => (FaultKind::CreateFails(None), None, None),
            14 => (FaultKind::NeverBoots, None, None),
            15 => (FaultKind::NeverRegisters, None, None),
            16 => (FaultKind::DiesInJob, None, None),
            17 => (FaultKind::Eviction, None, None),
            18 => (FaultKind::Cancelled, None, None),
            19 => (FaultKind::StepFails(None), None, None),
            20 => (FaultKind::ConnectionLost(None), None, None),
            21 => (FaultKind::LeavesBehind, None, None),
            22 => (FaultKind::BudgetGone, None, None),
            23 => (FaultKind::Patchy(lag), None, Some("GET")),
            _ => (FaultKind::Stale(lag), None, Some("GET")),
        };
        let probability = match what {
            FaultKind::BudgetGone => 0.01,
            _ if self.rng.random_bool(0.3) => 1.0,
            _ => self.rng.random_range(0.05..0.6),
        };
        let method = method.map(str::to_owned);
        Fault { what, side, method, path: None, from, until: Some(until), probability, times: None }
    }

    fn edits(&mut self, fleets: &[FleetSpec]) {
        for _ in 0..self.some(8) {
            let number = self.rng.random_range(0..fleets.len());
            let fleet = &fleets[number];
            let at = self.moment();
            let max = self.rng.random_range(1..=8_u32);
            // Most changes are undone some time later.
            let (change, back) = match self.rng.random_range(0..12) {
                0 | 1 => (FileChange::Enabled(false), Some(FileChange::Enabled(true))),
                2..4 => (
                    FileChange::Manual(Some(self.rng.random_range(0..=fleet.max))),
                    Some(FileChange::Manual(None)),
                ),
                4..7 => (FileChange::Scale(self.rng.random_range(0..=max.min(2)), max), None),
                7..9 => (FileChange::Tag(self.rng.random_range(1..1000)), None),
                9 => (FileChange::Group(self.rng.random_range(0..3)), None),
                10 => (FileChange::Spelling(true), Some(FileChange::Spelling(false))),
                _ => (FileChange::Present(false), Some(FileChange::Present(true))),
            };
            self.parts.push(ScenarioPart::Edit(Edit { at, fleet: number, change }));
            if let Some(change) = back {
                let later = Duration::from_secs(self.rng.random_range(1..3 * HOUR));
                let at = (at + later).min(Duration::from_secs(self.length));
                self.parts.push(ScenarioPart::Edit(Edit { at, fleet: number, change }));
            }
        }
    }

    /// Clocks are set in one of four scenarios.
    fn clocks(&mut self) {
        if !self.rng.random_bool(0.25) {
            return;
        }
        for _ in 0..self.some(4) {
            let at = self.moment();
            let ahead_s = self.rng.random_range(-600..=600);
            self.parts.push(ScenarioPart::Clock(ClockChange { at, ahead_s }));
        }
        self.parts
            .push(ScenarioPart::Clock(ClockChange { at: Duration::from_secs(self.length), ahead_s: 0 }));
    }

    /// A third of all scenarios has no webhooks, and in a third every delivery arrives.
    fn webhooks(&mut self) {
        let is_bad = match self.rng.random_range(0..3) {
            0 => return,
            1 => false,
            _ => true,
        };
        let mut share = || if is_bad { self.rng.random_range(0.0..1.0) } else { 0.0 };
        let (lost, doubled) = (share(), share());
        let late = if is_bad { self.rng.random_range(0..20 * MINUTE) } else { 3 };
        let again = Duration::from_secs(HOUR);
        self.parts.push(ScenarioPart::Webhooks(WebhookConditions {
            lost,
            late: Duration::from_secs(late),
            doubled,
            again,
        }));
    }

    fn crashes(&mut self) {
        let is = |part: &ScenarioPart, is_it: fn(&FaultKind) -> bool| matches!(part, ScenarioPart::Fault(fault) if is_it(&fault.what));
        let lags = self.parts.iter().any(|part| {
            is(part, |what| {
                matches!(what, FaultKind::Stale(_) | FaultKind::Patchy(_) | FaultKind::Latency(_))
            })
        });
        let moves = |part: &ScenarioPart| {
            matches!(part, ScenarioPart::Edit(Edit { change: FileChange::Group(_), .. }))
        };
        let may_forget = !self.parts.iter().any(moves);
        for _ in 0..self.some(6) {
            let disk = *self.one_of(&[Disk::Kept, Disk::Kept, Disk::Lost, Disk::Old, Disk::Torn]);
            // Only the state file knows the resource groups that VMs were in before.
            let disk = if may_forget { disk } else { Disk::Kept };
            let longest = *self.one_of(&[2, 30, 30, 20 * MINUTE]);
            let down = Duration::from_millis(self.rng.random_range(1..=longest * 1000));
            let least = match disk {
                Disk::Kept => Duration::ZERO,
                _ if lags => LONGEST_LAG,
                _ => RESTART,
            };
            let crash =
                Crash { at: self.moment(), points: self.rng.random_range(0..30), down: least + down, disk };
            self.parts.push(ScenarioPart::Crash(crash));
        }
    }
}
