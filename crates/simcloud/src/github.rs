//! GitHub's side of the world: runs, jobs and runners, and who gets which job.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use azlin_fleet::model::{JobId, Scope};
use azlin_fleet::observe::{JobChange, JobEvent};
use jiff::Timestamp;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Held by an environment.
    Waiting,
    /// It could start.
    Queued,
    /// A runner runs it.
    InProgress,
    /// Done, in whatever way.
    Completed(Conclusion),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// It ran to its end.
    Success,
    /// Its runner was lost.
    Failure,
    /// It was cancelled before it started.
    Cancelled,
}

impl Conclusion {
    /// GitHub's word for it.
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
    /// Its number.
    pub id: u64,
    /// Its run.
    pub run: u64,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub labels: Vec<String>,
    /// Where it stands.
    pub state: JobState,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it could start.
    pub queued_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How long it runs.
    pub duration: Duration,
    /// Who ran it: number and name.
    pub runner: Option<(u64, String)>,
    /// What it runs on a real machine.
    pub script: Option<String>,
    /// What became of it on a real machine.
    pub result: Option<JobResult>,
}

/// What a runner on a real machine told of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobResult {
    /// What it printed.
    pub output: String,
    /// What the machine calls itself.
    pub hostname: String,
    /// The VM that it was told from, as the connection shows.
    pub machine: Option<String>,
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub struct SimRun {
    /// Its number.
    pub id: u64,
    /// Its repository, as it is spelled.
    pub repo: String,
    /// When it came into being.
    pub created_at: Timestamp,
    /// Its jobs.
    pub jobs: Vec<u64>,
    /// Jobs that come into being once those have succeeded.
    pub then: Vec<(Vec<String>, Duration)>,
}

/// A runner's entry.
#[derive(Debug, Clone)]
pub struct SimRunner {
    /// Its number.
    pub id: u64,
    /// Where it is registered.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: u64,
    /// Its labels, as it was given them.
    pub labels: Vec<String>,
    /// Whether it is connected.
    pub online: bool,
    /// The job that it runs.
    pub job: Option<u64>,
    /// Its JIT configuration, until a machine has used it.
    pub jit: String,
    /// Since when it is not connected, if it is not.
    pub offline_since: Option<Timestamp>,
    /// Whether its machine was lost: it never gets a job again, unless the machine is real and back.
    pub lost: bool,
    /// Whether it is there for one job only.
    pub ephemeral: bool,
    /// What its program shows, where its machine is real.
    pub secret: String,
    /// When its program was last heard of, where its machine is real.
    pub heard_at: Option<Timestamp>,
}

/// GitHub's side of the world.
#[derive(Debug, Clone, Default)]
pub struct GitHubState {
    /// Repositories by their lower-case name, with their spelling and number.
    pub repos: BTreeMap<String, (String, u64)>,
    /// Runs.
    pub runs: BTreeMap<u64, SimRun>,
    /// Runs that are not completed, by the repository's lower-case name.
    pub active: BTreeMap<String, BTreeSet<u64>>,
    /// Jobs.
    pub jobs: BTreeMap<u64, SimJob>,
    /// Jobs that could start.
    pub queued: BTreeSet<u64>,
    /// Runners.
    pub runners: BTreeMap<u64, SimRunner>,
    /// Runners by JIT configuration.
    pub jits: BTreeMap<String, u64>,
    /// What happened to jobs, where somebody wants to hear of it.
    pub change: Option<Vec<(u64, JobChange)>>,
    next: u64,
}

impl GitHubState {
    /// A number that nothing else has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        10_000 + self.next
    }

    /// Something has happened to a job.
    pub(crate) fn tell(&mut self, job: u64, change: JobChange) {
        if let Some(all) = &mut self.change {
            all.push((job, change));
        }
    }

    /// What has happened to jobs since it was asked last, as GitHub's webhook tells it. Each is kept from the
    /// first time on that it is asked for.
    pub fn take_news(&mut self) -> Vec<JobEvent> {
        let all = self.change.replace(Vec::new()).unwrap_or_default();
        let told = all.into_iter().filter_map(|(id, change)| {
            let job = self.jobs.get(&id)?;
            // Of one that is held it is not told that it is queued.
            let is_held = change == JobChange::Queued && job.state == JobState::Waiting;
            let repo = self.runs.get(&job.run)?.repo.parse().ok()?;
            (!is_held).then(|| JobEvent { repo, job: JobId(id), labels: job.labels.clone(), change })
        });
        told.collect()
    }

    /// Makes a repository exist.
    pub fn add_repo(&mut self, repo: &str) {
        let number = self.number();
        self.repos.entry(repo.to_ascii_lowercase()).or_insert_with(|| (repo.to_owned(), number));
    }

    /// The repositories of an account, with their numbers.
    pub fn repos_of(&self, owner: &str) -> Vec<(String, u64)> {
        let is_of =
            |name: &str| name.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(owner));
        self.repos.values().filter(|(name, _)| is_of(name)).cloned().collect()
    }

    /// Whether GitHub shows a scope: an account exists by its repositories.
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

    /// A run's status, from its jobs.
    pub fn status(&self, run: &SimRun) -> &'static str {
        let states = || run.jobs.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.state);
        if states().any(|state| state == JobState::InProgress) {
            "in_progress"
        } else if states().any(|state| state == JobState::Queued) {
            let has_begun = states().any(|state| matches!(state, JobState::Completed(_)));
            if has_begun { "in_progress" } else { "queued" }
        } else if states().any(|state| state == JobState::Waiting) {
            "waiting"
        } else {
            "completed"
        }
    }

    /// How a completed run ended, from its jobs.
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

    /// The runners of a scope.
    pub fn runners_of(&self, scope: &Scope) -> Vec<&SimRunner> {
        self.runners.values().filter(|runner| same_scope(&runner.scope, scope)).collect()
    }

    /// One runner of a scope.
    pub fn runner(&self, scope: &Scope, id: u64) -> Option<&SimRunner> {
        self.runners.get(&id).filter(|runner| same_scope(&runner.scope, scope))
    }

    /// Ends a job. Whether its run's next jobs came into being: their numbers.
    pub fn complete(&mut self, id: u64, conclusion: Conclusion, now: Timestamp) -> Vec<u64> {
        self.queued.remove(&id);
        let Some(job) = self.jobs.get_mut(&id) else { return Vec::new() };
        if matches!(job.state, JobState::Completed(_)) {
            return Vec::new();
        }
        job.state = JobState::Completed(conclusion);
        job.completed_at = Some(now);
        let run = job.run;
        self.tell(id, JobChange::Ended);
        let Some(run) = self.runs.get(&run).cloned() else { return Vec::new() };
        if self.status(&run) != "completed" {
            return Vec::new();
        }
        // What needs a job that did not succeed is skipped.
        let then = if self.conclusion(&run) == Conclusion::Success { run.then.as_slice() } else { &[] };
        let next: Vec<u64> = then
            .iter()
            .map(|(labels, duration)| self.add_job(run.id, labels.clone(), *duration, now))
            .collect();
        let script = self.jobs.get(&id).and_then(|job| job.script.clone());
        for id in &next {
            if let Some(job) = self.jobs.get_mut(id) {
                job.script = script.clone();
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

    /// A run without jobs.
    pub fn add_run(&mut self, repo: &str, then: Vec<(Vec<String>, Duration)>, now: Timestamp) -> u64 {
        self.add_repo(repo);
        let id = self.number();
        self.runs.insert(id, SimRun { id, repo: repo.to_owned(), created_at: now, jobs: Vec::new(), then });
        self.active.entry(repo.to_ascii_lowercase()).or_default().insert(id);
        id
    }

    /// A job that could start at once.
    pub fn add_job(&mut self, run: u64, labels: Vec<String>, duration: Duration, now: Timestamp) -> u64 {
        let id = self.number();
        let job = SimJob {
            id,
            run,
            name: format!("job-{id}"),
            labels,
            state: JobState::Queued,
            created_at: now,
            queued_at: now,
            started_at: None,
            completed_at: None,
            duration,
            runner: None,
            script: None,
            result: None,
        };
        self.jobs.insert(id, job);
        self.queued.insert(id);
        self.tell(id, JobChange::Queued);
        if let Some(run) = self.runs.get_mut(&run) {
            run.jobs.push(id);
        }
        id
    }
}

fn same_scope(one: &Scope, other: &Scope) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}
