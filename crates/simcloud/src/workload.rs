//! A workload: the jobs and faults of a simulated world, from a TOML file or from code.
//!
//! All times count from the start of the world. Unknown keys are errors.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::account::Account;
use crate::fault::Fault;
use crate::github::JobState;
use crate::settings::WorldSettings;

/// The jobs, the faults, and how the world behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Changes to [`WorldSettings`].
    pub settings: Overrides,
    /// What is permitted and what exists.
    #[serde(rename = "premises")]
    pub account: Account,
    /// Repositories that exist even without a job.
    pub repositories: Vec<String>,
    /// Repositories that were renamed, by their old name.
    pub renamed: BTreeMap<String, String>,
    /// The jobs, and when they arrive.
    pub arrivals: Vec<Arrival>,
    /// The faults, and when they strike.
    pub faults: Vec<Fault>,
}

/// A duration, or a range from which one is drawn at random: `"5s"` or `["2s", "6s"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub from: Duration,
    /// The most.
    pub to: Duration,
}

impl Span {
    /// Always the same duration.
    pub fn exactly(duration: Duration) -> Self {
        Span { from: duration, to: duration }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "wanted one duration, as in \"5s\", or two, as in [\"2s\", \"6s\"]")]
        enum Text {
            One(String),
            Two(String, String),
        }
        let parse = |text: &str| humantime::parse_duration(text).map_err(serde::de::Error::custom);
        match Text::deserialize(deserializer)? {
            Text::One(text) => Ok(Span::exactly(parse(&text)?)),
            Text::Two(from, to) => Ok(Span { from: parse(&from)?, to: parse(&to)? }),
        }
    }
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Changes to [`WorldSettings`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// See [`WorldSettings::seed`].
    pub seed: Option<u64>,
    /// See [`WorldSettings::token`].
    pub token: Option<String>,
    /// See [`WorldSettings::rate_limit`].
    pub rate_limit: Option<u32>,
    /// See [`WorldSettings::rate_window`].
    pub rate_window: Option<Span>,
    /// See [`WorldSettings::answer`].
    pub answer: Option<Span>,
    /// See [`WorldSettings::create`].
    pub create: Option<Span>,
    /// See [`WorldSettings::boot`].
    pub boot: Option<Span>,
    /// See [`WorldSettings::setup`].
    pub setup: Option<Span>,
    /// See [`WorldSettings::register`].
    pub register: Option<Span>,
    /// See [`WorldSettings::start`].
    pub start: Option<Span>,
    /// See [`WorldSettings::delete`].
    pub delete: Option<Span>,
    /// See [`WorldSettings::lost_after`].
    pub lost_after: Option<Span>,
    /// See [`WorldSettings::queue_limit`].
    pub queue_limit: Option<Span>,
    /// See [`WorldSettings::entry_limit`].
    pub entry_limit: Option<Span>,
    /// See [`WorldSettings::app_token_life`].
    pub app_token_life: Option<Span>,
    /// See [`WorldSettings::token_life`].
    pub token_life: Option<Span>,
    /// See [`WorldSettings::admin_token_life`].
    pub admin_token_life: Option<Span>,
    /// See [`WorldSettings::queue_token_life`].
    pub queue_token_life: Option<Span>,
    /// See [`WorldSettings::poll_hold`].
    pub poll_hold: Option<Span>,
    /// See [`WorldSettings::session_lapse`].
    pub session_lapse: Option<Span>,
    /// See [`WorldSettings::assignment_limit`].
    pub assignment_limit: Option<Span>,
    /// See [`WorldSettings::scale_set_offers`].
    pub scale_set_offers: Option<bool>,
    /// See [`WorldSettings::vm_page`].
    pub vm_page: Option<usize>,
    /// See [`WorldSettings::operation_wait`].
    pub operation_wait: Option<Span>,
    /// See [`WorldSettings::azure_limits`].
    pub azure_limits: Option<bool>,
    /// See [`WorldSettings::strict`].
    pub strict: Option<bool>,
    /// See [`WorldSettings::vm_versions`].
    pub vm_versions: Option<Vec<String>>,
    /// See [`WorldSettings::spot_price`].
    pub spot_price: Option<f64>,
    /// See [`WorldSettings::vcpu_quota`].
    pub vcpu_quota: Option<u32>,
    /// See [`WorldSettings::step`].
    pub step: Option<Span>,
    /// See [`WorldSettings::runner_silence`].
    pub runner_silence: Option<Span>,
    /// See [`WorldSettings::package_padding`].
    pub package_padding: Option<usize>,
}

impl Overrides {
    /// The default settings with these changes.
    pub fn settings(&self) -> WorldSettings {
        let default = WorldSettings::default();
        let range = |span: Option<Span>, default| span.map_or(default, |span| span.from..span.to);
        WorldSettings {
            seed: self.seed.unwrap_or(default.seed),
            token: self.token.clone().unwrap_or(default.token),
            rate_limit: self.rate_limit.unwrap_or(default.rate_limit),
            rate_window: self.rate_window.map_or(default.rate_window, |span| span.to),
            answer: range(self.answer, default.answer),
            create: range(self.create, default.create),
            boot: range(self.boot, default.boot),
            setup: range(self.setup, default.setup),
            register: range(self.register, default.register),
            start: range(self.start, default.start),
            delete: range(self.delete, default.delete),
            lost_after: self.lost_after.map_or(default.lost_after, |span| span.to),
            queue_limit: self.queue_limit.map_or(default.queue_limit, |span| span.to),
            entry_limit: self.entry_limit.map_or(default.entry_limit, |span| span.to),
            app_token_life: self.app_token_life.map_or(default.app_token_life, |span| span.to),
            token_life: self.token_life.map_or(default.token_life, |span| span.to),
            admin_token_life: self.admin_token_life.map_or(default.admin_token_life, |span| span.to),
            queue_token_life: self.queue_token_life.map_or(default.queue_token_life, |span| span.to),
            poll_hold: self.poll_hold.map_or(default.poll_hold, |span| span.to),
            session_lapse: range(self.session_lapse, default.session_lapse),
            assignment_limit: self.assignment_limit.map_or(default.assignment_limit, |span| span.to),
            scale_set_offers: self.scale_set_offers.unwrap_or(default.scale_set_offers),
            vm_page: self.vm_page.unwrap_or(default.vm_page).max(1),
            operation_wait: self.operation_wait.map_or(default.operation_wait, |span| span.to),
            azure_limits: self.azure_limits.unwrap_or(default.azure_limits),
            strict: self.strict.unwrap_or(default.strict),
            vm_versions: self.vm_versions.clone().unwrap_or(default.vm_versions),
            spot_price: self.spot_price.unwrap_or(default.spot_price),
            vcpu_quota: self.vcpu_quota,
            step: range(self.step, default.step),
            runner_silence: self.runner_silence.map_or(default.runner_silence, |span| span.to),
            package_padding: self.package_padding.unwrap_or(default.package_padding),
            real_machines: default.real_machines,
        }
    }
}

/// Jobs that arrive together, as one run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// When the first run arrives.
    #[serde(default, deserialize_with = "duration")]
    pub at: Duration,
    /// The time until the next run, drawn anew each time; `None` means only one run.
    #[serde(default)]
    pub every: Option<Span>,
    /// No run arrives after this time.
    #[serde(default, deserialize_with = "optional_duration")]
    pub until: Option<Duration>,
    /// The repository, as `owner/repo`.
    pub repo: String,
    /// How many jobs a run has: `3`, or at random between two numbers, `[1, 8]`.
    #[serde(default = "one")]
    pub jobs: JobCount,
    /// The labels that each job asks for.
    pub labels: Vec<String>,
    /// How long each job runs.
    pub duration: Span,
    /// The bash script that each job runs on a real machine. The default sleeps for the job's duration.
    #[serde(default)]
    pub script: Option<String>,
    /// The name of the group that each job's runner must be in.
    #[serde(default)]
    pub group: Option<String>,
    /// How long each job is held back before it can start.
    #[serde(default)]
    pub held: Option<Span>,
    /// What holds it back.
    #[serde(default)]
    pub held_by: HeldBy,
    /// How many jobs follow once all of these are done, as with `needs:`.
    #[serde(default)]
    pub then: usize,
    /// Whether GitHub's own machines run the jobs: they begin at once.
    #[serde(default)]
    pub hosted: bool,
}

/// What holds a job back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// An environment: the job is `waiting`.
    #[default]
    Environment,
    /// A concurrency group: the job is `pending`.
    Concurrency,
    /// Nothing but GitHub, which has not put it into the queue yet: the job is `requested`.
    Github,
}

impl HeldBy {
    /// The state of a job that is held back so.
    pub fn state(self) -> JobState {
        match self {
            HeldBy::Environment => JobState::Waiting,
            HeldBy::Concurrency => JobState::Pending,
            HeldBy::Github => JobState::Requested,
        }
    }
}

/// A number, or a range from which one is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "wanted one number, as in 3, or two, as in [1, 8]")]
pub enum JobCount {
    /// Always this number.
    Exactly(usize),
    /// Between the two, both included.
    Between(usize, usize),
}

fn one() -> JobCount {
    JobCount::Exactly(1)
}

impl Workload {
    /// Reads a workload file.
    ///
    /// # Errors
    /// What is wrong with the file, with its line.
    pub fn parse(text: &str) -> Result<Workload, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::World;

    #[test]
    fn the_example_says_what_happens_and_has_every_setting() {
        let text = include_str!("../examples/burst.toml");
        let workload = Workload::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let written = format!("{:?}", workload.settings);
        assert!(!written.contains("None"), "a setting is missing in the example: {written}");
        let default = Account { token_ends: workload.account.token_ends, ..Account::default() };
        assert_eq!(workload.account, default, "the example has the defaults");
        for line in format!("{default:#?}").lines().filter_map(|line| line.trim().split_once(": ")) {
            let is_written = |mark: &str| text.contains(&format!("\n{mark}{} = ", line.0));
            // What is absent by default is a comment.
            assert!(is_written("") || is_written("# "), "{} is missing in the example", line.0);
        }
        let mut world = World::new(&workload, Timestamp::UNIX_EPOCH);
        world.advance(Timestamp::UNIX_EPOCH + Duration::from_secs(7200));
        let report = world.report();
        assert!(report.jobs_submitted > 60, "{report:?}");
        assert_eq!(report.jobs_unserved, report.jobs_submitted, "nobody serves them");
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        for (text, says) in [
            ("[settings]\nbot = '1s'\n", "unknown field `bot`"),
            ("[settings]\nboot = '1 parsec'\n", "unknown time unit"),
            ("[settings]\nboot = 5\n", "one duration, as in"),
            ("[[arrivals]]\nlabels = []\nduration = '1s'\n", "missing field `repo`"),
            (
                "[[arrivals]]\nrepo = 'o/r'\nlabels = []\nduration = '1s'\njobs = 'many'\n",
                "one number, as in",
            ),
        ] {
            let error = Workload::parse(text).expect_err(text);
            assert!(error.contains(says) && error.contains("line "), "{error}");
        }
    }
}
