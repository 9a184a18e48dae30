//! A fleet's file, `fleets/<pool>.toml`.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use super::bootstrap::{self, BootstrapConfig, Method};
use super::defaults::FleetDefaults;
use super::demand::{self, DemandConfig};
use super::hours::{Hours, hours};
use super::machine::NamedFiles;
use super::problem::Problems;
use super::reader::{ConfigFile, Table, flag, name, number, text};
use super::value::duration;
use super::vm::VmConfig;
use super::warm::{Limits, WarmConfig, warm};
use crate::model::{AccountName, CredentialName, Label, PoolName, RepoPattern, RepoSlug, Scope};

/// How many runners a fleet has. Defaults: SPEC, Scaling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingConfig {
    /// Runners that stay available without any job.
    pub min_runners: u32,
    /// The most VMs that the fleet may have.
    pub max_runners: u32,
    /// Pending jobs for each runner.
    pub jobs_per_runner: u32,
    /// How far the target must exceed the available runners before the daemon adds some.
    pub scale_up_threshold: u32,
    /// How far the available runners must exceed the target before the daemon removes some.
    pub scale_down_threshold: u32,
    /// The shortest time between two scaling actions.
    pub cooldown: Duration,
    /// How long a job may wait before thresholds and cooldown are ignored.
    pub max_queue_wait: Duration,
    /// The number of runners, regardless of the queue. `scale --count` sets it.
    pub manual_count: Option<u32>,
}

impl Default for ScalingConfig {
    fn default() -> Self {
        ScalingConfig {
            min_runners: 0,
            max_runners: 10,
            jobs_per_runner: 2,
            scale_up_threshold: 2,
            scale_down_threshold: 0,
            cooldown: Duration::from_secs(300),
            max_queue_wait: Duration::from_secs(60),
            manual_count: None,
        }
    }
}

/// How long a runner lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// Jobs that a runner takes before it is removed; 1 makes it ephemeral.
    pub max_job_count: u32,
    /// The age at which an idle runner is replaced.
    pub rotation_interval: Duration,
    /// The time from the VM's request until the runner must be online. After it the runner is replaced.
    pub boot_timeout: Duration,
    /// How long a runner without a job may be offline before it is replaced.
    pub offline_timeout: Duration,
    /// How long a VM may leave the request to drain without an answer before it is removed.
    pub drain_timeout: Duration,
    /// The time without a job after which a VM powers off by itself. A live daemon replaces it earlier.
    pub dead_mans_switch: Duration,
}

/// The default for `dead_mans_switch` adds this to the time at which a live daemon replaces an idle runner.
/// The margin is long, because Azure may have no capacity for the replacement for a while.
const LIVING: Duration = Duration::from_secs(6 * 3600);

impl Default for LifecycleConfig {
    fn default() -> Self {
        LifecycleConfig {
            max_job_count: 1,
            rotation_interval: Duration::from_secs(24 * 3600),
            boot_timeout: Duration::from_secs(600),
            offline_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(90 * 60),
            dead_mans_switch: Duration::from_secs(24 * 3600) + LIVING,
        }
    }
}

/// A scope, as one credential sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The credential. Absent means the daemon's first one.
    pub credential: Option<CredentialName>,
    /// The scope.
    pub scope: Scope,
}

/// A fleet, as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// The stem of the file's name.
    pub name: PoolName,
    /// Whether the fleet serves jobs. A fleet that is not enabled is drained.
    pub enabled: bool,
    /// Whether draining ends running jobs too. Allowed only if the fleet is not enabled. `disable --force`
    /// sets it.
    pub kill_running_jobs: bool,
    /// The GitHub where its runners are registered, as the host of its API. It comes from the daemon's file.
    pub github: String,
    /// The credential for that GitHub. Absent means the daemon's first one.
    pub credential: Option<CredentialName>,
    /// The scope where its runners are registered.
    pub scope: Scope,
    /// The repositories of an organisation or enterprise whose jobs the fleet serves. If empty, the queue of
    /// such a fleet is not known.
    pub repositories: Vec<RepoPattern>,
    /// The labels of its runners, without the implicit ones.
    pub labels: Vec<Label>,
    /// The runner group of an organisation or enterprise. Absent means the default group.
    pub runner_group: Option<String>,
    /// Whether the fleet serves jobs that ask for a runner group and no label. The owner says so if no other runners are
    /// in the group, because GitHub does not show the group of a queued job.
    pub takes_jobs_without_labels: bool,
    /// The fleet with the lowest priority takes a job that several fleets match.
    pub priority: u32,
    /// From where it learns of its jobs.
    pub demand: DemandConfig,
    /// How many runners it has. The daemon puts in what its hours say ([`crate::plan::at_hours`]).
    pub scaling: ScalingConfig,
    /// The limits of its file, outside its hours.
    pub own_limits: Limits,
    /// Other limits at some hours of the week. Of those that hold at a time, the last counts.
    pub hours: Vec<Hours>,
    /// What stays ready after jobs.
    pub warm: WarmConfig,
    /// How long its runners live.
    pub lifecycle: LifecycleConfig,
    /// How its VMs become runners.
    pub bootstrap: BootstrapConfig,
    /// Its VMs.
    pub vm: VmConfig,
    /// The keys whose values are from `[defaults]` of azlin.toml: `vm.location`.
    pub from_defaults: BTreeSet<String>,
    /// Whether its runners have these labels alone, without the implicit ones.
    is_rehearsed: bool,
    /// Computed once, when the file is read: each tick compares it with every VM's hash.
    config_hash: String,
    /// Computed once, so that it is the same in all hours.
    scaling_hash: String,
}

impl Fleet {
    /// Reads a fleet's file, without the files that it names. `file` is the file's name in errors.
    ///
    /// # Errors
    /// Every problem of the file, each with its line.
    pub fn parse(file: &str, pool: PoolName, source: &str) -> Result<Fleet, Problems> {
        Fleet::parse_with(file, pool, source, &FleetDefaults::default(), NamedFiles::Unread)
    }

    /// Reads a fleet's file, with the defaults for the keys that it does not have, and the files that it names.
    ///
    /// # Errors
    /// Every problem of the file, each with its line.
    pub fn parse_with(
        file: &str,
        pool: PoolName,
        source: &str,
        defaults: &FleetDefaults,
        files: NamedFiles<'_>,
    ) -> Result<Fleet, Problems> {
        let file = ConfigFile::new(file, source);
        let fleet = read(pool, file.root_with(defaults), files);
        let from_defaults = file.defaulted();
        file.finish(fleet.map(|fleet| Fleet { from_defaults, ..fleet }))
    }

    /// The fleet, at the GitHub with this API URL.
    #[must_use]
    pub fn at(mut self, api_url: &Url) -> Fleet {
        let port = api_url.port().map_or(String::new(), |port| format!(":{port}"));
        self.github = format!("{}{port}", api_url.host_str().unwrap_or_default());
        self
    }

    /// The fleet as a rehearsal has it: its runners have this label alone, so that no job runs on them. They have another
    /// hash than the fleet's own, so that a daemon that finds one replaces it.
    #[must_use]
    pub(crate) fn rehearsed(self, label: Label) -> Fleet {
        let config_hash = format!("{:016x}", crate::fnv1a([self.config_hash.as_bytes(), b" rehearsed"]));
        Fleet { labels: vec![label], is_rehearsed: true, config_hash, ..self }
    }

    /// The scope and the credential of the fleet.
    pub fn site(&self) -> Site {
        Site { credential: self.credential.clone(), scope: self.scope.clone() }
    }

    /// The name of the fleet's scale set, if it has one.
    pub fn scale_set_name(&self) -> Option<&str> {
        let own = self.demand.scale_set.as_deref();
        self.demand.is_scale_set().then(|| own.unwrap_or(self.name.as_str()))
    }

    /// The labels that each runner has implicitly (GitHub docs, Using self-hosted runners in a workflow).
    pub fn implicit_labels(&self) -> Vec<&'static str> {
        if self.is_rehearsed {
            return Vec::new();
        }
        vec!["self-hosted", self.vm.os().label(), self.vm.architecture().label()]
    }

    /// The hash of everything that shapes a VM and its runner. A runner with another hash is replaced.
    /// Scaling does not count: a change of the number does not change the runners.
    pub fn config_hash(&self) -> &str {
        &self.config_hash
    }

    /// The hash of everything that decides the number of runners. A cooldown that began under another hash
    /// does not hold back.
    pub fn scaling_hash(&self) -> &str {
        &self.scaling_hash
    }
}

/// Reports what is wrong with the keys of `[defaults]` alone.
pub(super) fn check_defaults(table: Table<'_, '_>) {
    if let Ok(pool) = "defaults".parse() {
        drop(read(pool, table.partial(), NamedFiles::Unread));
    }
}

fn read(pool: PoolName, mut top: Table<'_, '_>, files: NamedFiles<'_>) -> Option<Fleet> {
    let enabled = top.or("enabled", true, flag);
    let kill = top.spanned("kill_running_jobs", flag);
    if let (Some((true, span)), true) = (&kill, enabled) {
        let help = "remove it, or set enabled = false to end the fleet and its jobs at once".to_owned();
        let message = "only a fleet that is not enabled ends running jobs".to_owned();
        top.conflict(span.clone(), "kill_running_jobs", message, Some(help));
    }
    let credential = top.optional("credential", name::<CredentialName>);
    let scope = scope(&mut top);
    let repositories = repositories(&mut top, scope.as_ref());
    let labels = top.list("labels", name::<Label>).map_or_else(Vec::new, |(labels, _)| labels);
    let group = top.spanned("runner_group", text);
    if let (Some((_, span)), Some(Scope::Repo(_))) = (&group, &scope) {
        let help = "remove it: only organisations and enterprises have runner groups".to_owned();
        top.conflict(
            span.clone(),
            "runner_group",
            "a repository has no runner groups".to_owned(),
            Some(help),
        );
    }
    let without_labels = top.spanned("takes_jobs_without_labels", flag);
    if let (Some((true, span)), Some(Scope::Repo(_))) = (&without_labels, &scope) {
        let help = "remove it: only organisations and enterprises have runner groups".to_owned();
        let message = "a job without labels asks for a runner group, and a repository has none".to_owned();
        top.conflict(span.clone(), "takes_jobs_without_labels", message, Some(help));
    }
    let priority = top.or("priority", 100, number(0..=u32::MAX));
    let demand = demand::demand(top.table("demand"));
    let scaling = scaling(top.table("scaling"), &demand);
    let warm_table = top.table("warm");
    let lifecycle = top.table("lifecycle");
    let mut table = top.table("bootstrap");
    let method = bootstrap::method(&mut table);
    let mut standby_keys = Vec::new();
    let warm = warm(warm_table, method, &mut standby_keys);
    let own_limits =
        Limits { min_runners: scaling.min_runners, max_runners: scaling.max_runners, standby: warm.standby };
    let hours = hours(&mut top, own_limits, method, &mut standby_keys);
    let lifecycle = lifecycle_of(lifecycle, method, &demand);
    let bootstrap = bootstrap::read(table, method, &lifecycle, files);
    let vm = VmConfig::read(top.table("vm"));
    if vm.as_ref().is_some_and(|vm| vm.ephemeral_os_disk) {
        for span in standby_keys {
            let message =
                "VMs with vm.ephemeral_os_disk cannot be on standby: Azure deallocates none of them"
                    .to_owned();
            let help = Some("remove one of the two".to_owned());
            top.conflict(span, "standby", message, help);
        }
    }
    top.finish();
    let (scope, vm, runner_group) = (scope?, vm?, group.map(|(group, _)| group));
    let mut shape = serde_json::json!({
        "scope": scope, "labels": labels, "runner_group": runner_group,
        "max_job_count": lifecycle.max_job_count, "bootstrap": bootstrap.method, "vm": vm,
    });
    // Included only if used, so that a fleet without them keeps its hash.
    if let Some(key) = &bootstrap.ssh_private_key {
        shape["ssh_private_key"] = serde_json::json!(key);
    }
    if bootstrap.install_dependencies {
        shape["install_dependencies"] = serde_json::json!(true);
    }
    if demand.is_scale_set() {
        shape["scale_set"] = serde_json::json!(demand.scale_set.as_deref().unwrap_or(pool.as_str()));
    }
    if !bootstrap.machine.is_plain() {
        shape["machine"] = serde_json::json!(bootstrap.machine);
    }
    // As it was before there were hours and warm runners, for a fleet without them.
    let mut count = format!("{scaling:?} {enabled} {labels:?}");
    if !hours.is_empty() || warm != WarmConfig::default() {
        count += &format!(" {hours:?} {warm:?}");
    }
    Some(Fleet {
        scaling_hash: format!("{:016x}", crate::fnv1a([count.as_bytes()])),
        config_hash: format!("{:016x}", crate::fnv1a([shape.to_string().as_bytes()])),
        is_rehearsed: false,
        name: pool,
        enabled,
        kill_running_jobs: kill.is_some_and(|(kill, _)| kill),
        github: "api.github.com".to_owned(),
        credential,
        scope,
        repositories,
        labels,
        runner_group,
        takes_jobs_without_labels: without_labels.is_some_and(|(takes, _)| takes),
        priority,
        demand,
        scaling,
        own_limits,
        hours,
        warm,
        lifecycle,
        bootstrap,
        vm,
        from_defaults: BTreeSet::new(),
    })
}

/// Exactly one of `repo`, `org` and `enterprise`.
fn scope(top: &mut Table<'_, '_>) -> Option<Scope> {
    let before = top.count();
    let repo = top.spanned("repo", name::<RepoSlug>);
    let org = top.spanned("org", name::<AccountName>);
    let enterprise = top.spanned("enterprise", name::<AccountName>);
    let found = [
        repo.map(|(slug, span)| ("repo", Scope::Repo(slug), span)),
        org.map(|(org, span)| ("org", Scope::Org(org), span)),
        enterprise.map(|(slug, span)| ("enterprise", Scope::Enterprise(slug), span)),
    ];
    let mut found = found.into_iter().flatten();
    let first = found.next();
    if let (Some((one, ..)), Some((other, _, span))) = (&first, found.next()) {
        let message = format!("a fleet's runners are registered at one place, and there is {one} too");
        let help = "keep one of repo, org and enterprise".to_owned();
        top.conflict(span, other, message, Some(help));
    }
    // A key with a bad value already has its own problem.
    if first.is_none() && before == top.count() {
        top.missing("repo", "repo = \"owner/repo\", or org = \"name\", or enterprise = \"name\"");
    }
    first.map(|(_, scope, _)| scope)
}

/// The repositories that an organisation's or enterprise's fleet serves. The organisation's name may be left
/// out.
fn repositories(top: &mut Table<'_, '_>, scope: Option<&Scope>) -> Vec<RepoPattern> {
    let Some((texts, span)) = top.list("repositories", text) else { return Vec::new() };
    let wrong = |message: String| top.wrong(span.clone(), "repositories", message);
    let mut patterns = Vec::new();
    for text in texts {
        let whole = match scope {
            Some(Scope::Repo(_)) => {
                let help = "remove it, or give org instead of repo".to_owned();
                let message = "the fleet serves the one repository that it names".to_owned();
                top.conflict(span, "repositories", message, Some(help));
                return Vec::new();
            }
            Some(Scope::Org(org)) if !text.contains('/') => format!("{org}/{text}"),
            _ => text.clone(),
        };
        match (whole.parse::<RepoPattern>(), scope) {
            (Err(error), _) => wrong(format!("found {text:?}; allowed in this list: {}", error.allowed)),
            (Ok(pattern), Some(Scope::Org(org))) if pattern.owner() != *org => {
                wrong(format!("found {text:?}, which is not of {org}; allowed: repositories of {org}"));
            }
            (Ok(pattern), _) => patterns.push(pattern),
        }
    }
    patterns
}

pub(super) const MANY: u32 = 10_000;

fn scaling(mut table: Table<'_, '_>, demand: &DemandConfig) -> ScalingConfig {
    let default = if demand.is_scale_set() {
        // GitHub takes a job back that no runner takes within five minutes, and tells of each job at once: none waits for
        // others, or until a cooldown is over.
        ScalingConfig {
            jobs_per_runner: 1,
            scale_up_threshold: 0,
            max_queue_wait: Duration::ZERO,
            ..ScalingConfig::default()
        }
    } else {
        ScalingConfig::default()
    };
    let min = table.spanned("min_runners", number(0..=MANY));
    let max = table.spanned("max_runners", number(0..=MANY));
    let manual = table.spanned("manual_count", number(0..=MANY));
    let config = ScalingConfig {
        min_runners: min.as_ref().map_or(default.min_runners, |(min, _)| *min),
        max_runners: max.as_ref().map_or(default.max_runners, |(max, _)| *max),
        jobs_per_runner: table.or("jobs_per_runner", default.jobs_per_runner, number(1..=MANY)),
        scale_up_threshold: table.or("scale_up_threshold", default.scale_up_threshold, number(0..=MANY)),
        scale_down_threshold: table.or(
            "scale_down_threshold",
            default.scale_down_threshold,
            number(0..=MANY),
        ),
        cooldown: table.or("cooldown", default.cooldown, duration(0)),
        max_queue_wait: table.or("max_queue_wait", default.max_queue_wait, duration(0)),
        manual_count: manual.as_ref().map(|(count, _)| *count),
    };
    let (least, most) = (config.min_runners, config.max_runners);
    if least > most {
        let span = min.or(max).map_or(table.span(), |(_, span)| span);
        let message = format!("min_runners is {least}, more than max_runners, which is {most}");
        let help = "lower min_runners or raise max_runners".to_owned();
        table.conflict(span, "min_runners", message, Some(help));
    }
    if let Some((count, span)) = manual.filter(|(count, _)| *count > most) {
        let message = format!("manual_count is {count}, more than max_runners, which is {most}");
        table.conflict(
            span,
            "manual_count",
            message,
            Some("lower manual_count or raise max_runners".to_owned()),
        );
    }
    table.finish();
    config
}

fn lifecycle_of(mut table: Table<'_, '_>, method: Method, demand: &DemandConfig) -> LifecycleConfig {
    let default = LifecycleConfig::default();
    let jobs = table.spanned("max_job_count", number(1..=MANY));
    let rotation_interval = table.or("rotation_interval", default.rotation_interval, duration(1));
    let switch = table.spanned("dead_mans_switch", duration(1));
    let config = LifecycleConfig {
        max_job_count: jobs.as_ref().map_or(default.max_job_count, |(jobs, _)| *jobs),
        rotation_interval,
        boot_timeout: table.or("boot_timeout", default.boot_timeout, duration(1)),
        offline_timeout: table.or("offline_timeout", default.offline_timeout, duration(1)),
        drain_timeout: table.or("drain_timeout", default.drain_timeout, duration(1)),
        dead_mans_switch: switch.as_ref().map_or(rotation_interval + LIVING, |(switch, _)| *switch),
    };
    let least = config.rotation_interval + config.boot_timeout;
    if let Some((switch, span)) = switch.filter(|(switch, _)| *switch < least) {
        let [switch, least] = [switch, least].map(crate::model::in_words);
        let message =
            format!("found {switch}; allowed: at least {least}, rotation_interval and boot_timeout");
        let help =
            "raise it, or lower rotation_interval: a VM is not to power off while a daemon lives".to_owned();
        table.conflict(span, "dead_mans_switch", message, Some(help));
    }
    let jobs = jobs.filter(|(jobs, _)| *jobs > 1);
    if let (Some((jobs, span)), true) = (&jobs, demand.is_scale_set()) {
        let message = format!("found {jobs}; allowed with demand.source = \"scale-set\": 1");
        let help = "a runner of a scale set is ephemeral, one job each; remove it".to_owned();
        table.conflict(span.clone(), "max_job_count", message, Some(help));
    } else if let (Some((jobs, span)), Method::CloudInit) = (jobs, method) {
        let message = format!("found {jobs}; allowed with bootstrap.method = \"cloud-init\": 1");
        let help = "a JIT configuration makes an ephemeral runner, one job each; for more set bootstrap.method = \"ssh\""
            .to_owned();
        table.conflict(span, "max_job_count", message, Some(help));
    }
    table.finish();
    config
}
