//! GitHub's side of the world: runs, jobs and runners.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use azlin_fleet::model::{ForeignText, JobChange, JobEvent, JobId, RepoId, RepoSlug, RunId, Scope};
use jiff::Timestamp;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It is new, and not in the queue yet.
    Requested,
    /// A concurrency group holds it back.
    Pending,
    /// An environment holds it back.
    Waiting,
    /// It waits for a runner.
    Queued,
    /// A runner runs it.
    InProgress,
    /// It has ended, in this way.
    Completed(Conclusion),
}

impl JobState {
    /// GitHub's name for the state.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Requested => "requested",
            JobState::Pending => "pending",
            JobState::Waiting => "waiting",
            JobState::Queued => "queued",
            JobState::InProgress => "in_progress",
            JobState::Completed(_) => "completed",
        }
    }

    /// Whether a rule holds the job, so that no runner may take it yet.
    pub fn is_held(self) -> bool {
        matches!(self, JobState::Requested | JobState::Pending | JobState::Waiting)
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// It succeeded.
    Success,
    /// It failed, or its runner was lost.
    Failure,
    /// It was cancelled.
    Cancelled,
}

impl Conclusion {
    /// GitHub's name for the conclusion.
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Cancelled => "cancelled",
        }
    }
}

/// A job.
#[derive(Debug, Clone)]
pub struct SimJob {
    /// Its id.
    pub id: u64,
    /// The id of its run.
    pub run: u64,
    /// Its name.
    pub name: String,
    /// The labels that its runner must have.
    pub labels: Vec<String>,
    /// The group that its runner must be in. GitHub does not show it before the job runs.
    pub group: Option<u64>,
    /// Its state.
    pub state: JobState,
    /// Until when GitHub shows it as queued, with its runner's name, although it runs.
    pub shown_queued_until: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it could start.
    pub queued_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How long it runs on a simulated VM.
    pub duration: Duration,
    /// The id and the name of its runner.
    pub runner: Option<(u64, String)>,
    /// The script that it runs on a real machine.
    pub script: Option<String>,
    /// What a real machine reported about it.
    pub result: Option<JobResult>,
    /// The scale set that it is assigned to, or offered.
    pub scale_set: Option<u64>,
    /// Whether it is only offered: nobody has acquired it.
    pub is_offered: bool,
    /// How often its assignment to a scale set has lapsed.
    pub lapses: u32,
}

/// What the runner on a real machine reported about a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobResult {
    /// The job's output.
    pub output: String,
    /// The machine's hostname.
    pub hostname: String,
    /// The VM that the report came from, known by its connection.
    pub machine: Option<String>,
}

impl SimJob {
    /// The state that GitHub shows at this time.
    pub fn shown_state(&self, now: Timestamp) -> JobState {
        let is_late = self.shown_queued_until.is_some_and(|until| now < until);
        if is_late && self.state == JobState::InProgress { JobState::Queued } else { self.state }
    }
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub struct SimRun {
    /// Its id.
    pub id: u64,
    /// Its repository as `owner/repo`, in its own spelling.
    pub repo: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The ids of its jobs.
    pub jobs: Vec<u64>,
    /// Labels and duration of the jobs that follow once those have succeeded.
    pub then: Vec<(Vec<String>, Duration)>,
}

/// The entry of a runner.
#[derive(Debug, Clone)]
pub struct SimRunner {
    /// Its id.
    pub id: u64,
    /// Where it is registered.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// The id of its group.
    pub group: u64,
    /// Its labels, as registered.
    pub labels: Vec<String>,
    /// Whether it is connected.
    pub online: bool,
    /// The id of its job.
    pub job: Option<u64>,
    /// Its JIT configuration, until a machine has used it.
    pub jit: String,
    /// When it lost its connection; `None` while it is connected.
    pub offline_since: Option<Timestamp>,
    /// Whether its machine was lost. It gets no job any more, unless a real machine comes back.
    pub lost: bool,
    /// Whether it takes only one job.
    pub ephemeral: bool,
    /// The secret that its program shows; real machines only.
    pub secret: String,
    /// When its program last called; real machines only.
    pub heard_at: Option<Timestamp>,
    /// Whether its program has ended without a word to GitHub. It may still be given a job, which it never
    /// acquires.
    pub is_abandoned: bool,
    /// Whether it has ever been connected.
    pub has_connected: bool,
    /// Whether GitHub shows no entry of it any more, although it is connected.
    pub is_hidden: bool,
    /// The scale set that it belongs to.
    pub scale_set: Option<u64>,
    /// Its entry stays as busy and offline, although the runner has ended, until a client deletes it; before this
    /// time GitHub refuses that.
    pub stays_until: Option<Timestamp>,
}

impl SimRunner {
    /// A runner that was registered at this time and has never connected.
    pub fn registered(id: u64, scope: Scope, name: String, at: Timestamp) -> Self {
        SimRunner {
            id,
            scope,
            name,
            group: 1,
            labels: Vec::new(),
            online: false,
            job: None,
            jit: String::new(),
            offline_since: Some(at),
            lost: false,
            ephemeral: true,
            secret: String::new(),
            heard_at: None,
            is_abandoned: false,
            has_connected: false,
            is_hidden: false,
            scale_set: None,
            stays_until: None,
        }
    }

    /// Whether its entry is busy, as far as GitHub's broker knows.
    pub fn is_busy(&self) -> bool {
        self.job.is_some() || self.stays_until.is_some()
    }
}

/// GitHub's side of the world.
#[derive(Debug, Clone, Default)]
pub struct GitHubState {
    /// Repositories by lower-case name, with their spelling and id.
    pub repos: BTreeMap<String, (String, u64)>,
    /// Names that repositories had before, in lower case, with their present names.
    pub renamed: BTreeMap<String, String>,
    /// All runs, by id.
    pub runs: BTreeMap<u64, SimRun>,
    /// The ids of runs that are not completed, by the repository's lower-case name.
    pub active: BTreeMap<String, BTreeSet<u64>>,
    /// All jobs, by id.
    pub jobs: BTreeMap<u64, SimJob>,
    /// The ids of jobs that wait for a runner.
    pub queued: BTreeSet<u64>,
    /// All runners, by id.
    pub runners: BTreeMap<u64, SimRunner>,
    /// Runner ids by JIT configuration.
    pub jits: BTreeMap<String, u64>,
    /// Job events that no caller has taken yet; `None` until they are first asked for.
    pub change: Option<Vec<(u64, JobChange)>>,
    /// Jobs of scale sets that have begun or ended since the sets were last settled.
    pub(crate) moved_in_sets: Vec<u64>,
    next: u64,
}

impl GitHubState {
    /// A number that nothing else at GitHub has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        10_000 + self.next
    }

    /// Records a job event.
    pub(crate) fn record_event(&mut self, job: u64, change: JobChange) {
        if self.jobs.get(&job).is_some_and(|job| job.scale_set.is_some()) {
            self.moved_in_sets.push(job);
        }
        if let Some(all) = &mut self.change {
            all.push((job, change));
        }
    }

    /// Takes the job events since the last call, as GitHub's webhooks report them. Events are recorded from
    /// the first call on.
    pub fn take_job_events(&mut self) -> Vec<JobEvent> {
        let all = self.change.replace(Vec::new()).unwrap_or_default();
        let events = all.into_iter().filter_map(|(id, change)| {
            let job = self.jobs.get(&id)?;
            // GitHub reports no queued job while a rule holds it.
            let is_held = change == JobChange::Queued && job.state.is_held();
            let repo: RepoSlug = self.runs.get(&job.run)?.repo.parse().ok()?;
            let repo_id = self.repo_id(repo.as_str());
            let (run, labels) = (Some(RunId(job.run)), job.labels.iter().map(ForeignText::from).collect());
            (!is_held).then_some(JobEvent { repo, repo_id, run, job: JobId(id), labels, change })
        });
        events.collect()
    }

    /// The id of a repository that has, or had, this name.
    pub(crate) fn repo_id(&self, repo: &str) -> Option<RepoId> {
        let (_, id) = self.repos.get(&self.present_name(repo).to_ascii_lowercase())?;
        Some(RepoId(*id))
    }

    /// Creates a repository, unless it exists, also under another name.
    pub fn add_repo(&mut self, repo: &str) {
        let number = self.number();
        let repo = self.present_name(repo).to_owned();
        let repo = repo.as_str();
        self.repos.entry(repo.to_ascii_lowercase()).or_insert_with(|| (repo.to_owned(), number));
    }

    /// The repositories of an account, with their ids.
    pub fn repos_of(&self, owner: &str) -> Vec<(String, u64)> {
        let is_of =
            |name: &str| name.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(owner));
        self.repos.values().filter(|(name, _)| is_of(name)).cloned().collect()
    }

    /// Whether GitHub shows a scope. An account exists if it has a repository.
    pub fn knows(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Repo(slug) => self.repos.contains_key(&slug.as_str().to_ascii_lowercase()),
            Scope::Org(org) => {
                let org = org.as_str().to_ascii_lowercase();
                self.repos.keys().any(|repo| repo.split('/').next() == Some(&org))
            }
            Scope::Enterprise(_) => true,
        }
    }

    /// A run's status, from the states of its jobs.
    pub fn status(&self, run: &SimRun) -> &'static str {
        let states = || run.jobs.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.state);
        if states().any(|state| state == JobState::InProgress) {
            "in_progress"
        } else if states().any(|state| state == JobState::Queued) {
            let has_begun = states().any(|state| matches!(state, JobState::Completed(_)));
            if has_begun { "in_progress" } else { "queued" }
        } else {
            states().find(|state| state.is_held()).map_or("completed", JobState::as_str)
        }
    }

    /// When a run last changed: the latest moment at which one of its jobs was made, started or ended.
    pub fn updated_at(&self, run: &SimRun) -> Timestamp {
        let jobs = run.jobs.iter().filter_map(|id| self.jobs.get(id));
        let changes = jobs.flat_map(|job| {
            [Some(job.created_at), Some(job.queued_at), job.started_at, job.completed_at]
                .into_iter()
                .flatten()
        });
        changes.max().unwrap_or(run.created_at).max(run.created_at)
    }

    /// A completed run's conclusion, from its jobs.
    pub fn conclusion(&self, run: &SimRun) -> Conclusion {
        let jobs = || run.jobs.iter().filter_map(|id| self.jobs.get(id));
        let any = |conclusion| jobs().any(|job| job.state == JobState::Completed(conclusion));
        if any(Conclusion::Failure) {
            Conclusion::Failure
        } else if any(Conclusion::Cancelled) {
            Conclusion::Cancelled
        } else {
            Conclusion::Success
        }
    }

    /// The runs of a repository with this status or conclusion, the newest first.
    pub fn runs_with(&self, repo: &str, status: Option<&str>) -> Vec<&SimRun> {
        let repo = repo.to_ascii_lowercase();
        let mut runs: Vec<&SimRun> = match status {
            Some("queued" | "in_progress" | "waiting" | "pending" | "requested") => {
                self.active.get(&repo).into_iter().flatten().filter_map(|id| self.runs.get(id)).collect()
            }
            _ => self.runs.values().filter(|run| run.repo.eq_ignore_ascii_case(&repo)).collect(),
        };
        runs.retain(|run| {
            let is = self.status(run);
            let conclusion = || (is == "completed").then(|| self.conclusion(run).as_str());
            status.is_none_or(|status| is == status || conclusion() == Some(status))
        });
        runs.reverse();
        runs
    }

    /// The runners of a scope that have an entry.
    pub fn runners_of(&self, scope: &Scope) -> Vec<&SimRunner> {
        self.runners.values().filter(|runner| is_entry_of(runner, scope)).collect()
    }

    /// One runner of a scope, if it has an entry.
    pub fn runner(&self, scope: &Scope, id: u64) -> Option<&SimRunner> {
        self.runners.get(&id).filter(|runner| is_entry_of(runner, scope))
    }

    /// Ends a job. Returns the ids of the jobs that follow it.
    pub fn complete(&mut self, id: u64, conclusion: Conclusion, now: Timestamp) -> Vec<u64> {
        self.queued.remove(&id);
        let Some(job) = self.jobs.get_mut(&id) else { return Vec::new() };
        if matches!(job.state, JobState::Completed(_)) {
            return Vec::new();
        }
        let was_queued = job.state == JobState::Queued;
        job.state = JobState::Completed(conclusion);
        job.completed_at = Some(now);
        let (run, runner) = (job.run, job.runner.as_ref().map(|(id, _)| *id));
        // A runner that never acquired the job has nothing to report.
        if was_queued && let Some(entry) = runner.and_then(|id| self.runners.get_mut(&id)) {
            entry.job = None;
        }
        self.record_event(id, JobChange::Ended);
        let Some(run) = self.runs.get(&run).cloned() else { return Vec::new() };
        if self.status(&run) != "completed" {
            return Vec::new();
        }
        // GitHub skips jobs that need one that did not succeed.
        let then = if self.conclusion(&run) == Conclusion::Success { run.then.as_slice() } else { &[] };
        let next: Vec<u64> = then
            .iter()
            .map(|(labels, duration)| self.add_job(run.id, labels.clone(), *duration, now))
            .collect();
        let ended = self.jobs.get(&id);
        let (script, group) = (ended.and_then(|job| job.script.clone()), ended.and_then(|job| job.group));
        for id in &next {
            if let Some(job) = self.jobs.get_mut(id) {
                (job.script, job.group) = (script.clone(), group);
            }
        }
        if let Some(run) = self.runs.get_mut(&run.id) {
            run.then.clear();
        }
        if next.is_empty()
            && let Some(active) = self.active.get_mut(&run.repo.to_ascii_lowercase())
        {
            active.remove(&run.id);
        }
        next
    }

    /// Creates a run without jobs.
    pub fn add_run(&mut self, repo: &str, then: Vec<(Vec<String>, Duration)>, now: Timestamp) -> u64 {
        self.add_repo(repo);
        let repo = self.present_name(repo).to_owned();
        let repo = repo.as_str();
        let id = self.number();
        self.runs.insert(id, SimRun { id, repo: repo.to_owned(), created_at: now, jobs: Vec::new(), then });
        self.active.entry(repo.to_ascii_lowercase()).or_default().insert(id);
        id
    }

    /// Creates a job that can start at once.
    pub fn add_job(&mut self, run: u64, labels: Vec<String>, duration: Duration, now: Timestamp) -> u64 {
        let id = self.number();
        let job = SimJob {
            id,
            run,
            name: format!("job-{id}"),
            labels,
            group: None,
            state: JobState::Queued,
            shown_queued_until: None,
            created_at: now,
            queued_at: now,
            started_at: None,
            completed_at: None,
            duration,
            runner: None,
            script: None,
            result: None,
            scale_set: None,
            is_offered: false,
            lapses: 0,
        };
        self.jobs.insert(id, job);
        self.queued.insert(id);
        self.record_event(id, JobChange::Queued);
        if let Some(run) = self.runs.get_mut(&run) {
            run.jobs.push(id);
        }
        id
    }
}

fn is_entry_of(runner: &SimRunner, scope: &Scope) -> bool {
    !runner.is_hidden && same_scope(&runner.scope, scope)
}

fn same_scope(one: &Scope, other: &Scope) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}
