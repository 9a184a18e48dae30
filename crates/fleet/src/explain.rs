//! Why a job still waits, and why a runner still lives: a chain of links, each of which holds, waits
//! or is broken, with what would mend it.
//!
//! Nothing is decided here: the rules are those of demand, scaling and planning, asked for what they
//! said. The first link that does not hold is the answer; what follows it is not reached.

mod arrival;
mod decision;
mod job;
mod job_ref;
mod labels;
mod pool;
mod queue;
mod runner;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::Fleet;
use crate::job::{CompletedJob, Job, JobId, Queue};
use crate::memory::Memory;
use crate::names::{PoolName, RepoSlug};
use crate::plan::Plan;
use crate::runner_name::RunnerName;
use crate::scaling::{elapsed, in_words};
use crate::snapshot::Snapshot;

pub use decision::{NextChange, next_changes};
pub use job::{best, job, unserved};
pub use job_ref::JobRef;
pub use labels::nearest;
pub use pool::{PoolExplanation, pool};
pub use runner::runner;

/// A fleet as its next tick sees it, and what that tick would do.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// What it sees.
    pub seen: &'a Snapshot,
    /// What it remembers.
    pub memory: &'a Memory,
    /// What it would do.
    pub plan: &'a Plan,
    /// The queue of its scope, or why it could not be read.
    pub queue: Result<&'a Queue, &'a str>,
    /// The time.
    pub now: Timestamp,
}

/// What is known of a job that somebody asks about.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// It is not completed.
    Open(&'a Job),
    /// It is.
    Completed(&'a CompletedJob, &'a RepoSlug),
    /// GitHub has no job of that number in that repository.
    Unknown(JobId, &'a RepoSlug),
    /// It is in a repository where the fleet has no runners.
    Elsewhere(JobId, &'a RepoSlug),
    /// It could not be asked for, and why.
    Unseen(JobId, &'a str),
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it is about.
    pub about: About,
    /// The answer in a sentence.
    pub verdict: String,
    /// The chain from the job to its runner, or from a VM to its end.
    pub links: Vec<Link>,
}

/// What an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum About {
    /// A job.
    Job {
        /// The fleet that it was looked at for.
        pool: Option<PoolName>,
        /// GitHub's number.
        id: JobId,
        /// Its name in the workflow, where it is known.
        name: Option<String>,
        /// Its repository, where it is known.
        repo: Option<RepoSlug>,
    },
    /// A runner.
    Runner {
        /// Its fleet.
        pool: PoolName,
        /// Its name.
        name: RunnerName,
    },
}

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which.
    pub link: Step,
    /// Whether it holds.
    pub state: LinkState,
    /// What was found; empty where it was not reached.
    pub what: String,
    /// What a person can do about it.
    pub cure: Option<String>,
}

/// The links: a job's from its place in the queue to its registration, a runner's from its VM to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// GitHub has the job in its queue, and it could start.
    Queue,
    /// The fleet's runners have every label that it asks for.
    Labels,
    /// The fleet serves jobs.
    Enabled,
    /// It counts for this fleet and no other.
    Attribution,
    /// It is counted.
    Demand,
    /// A runner is to be there for it.
    Decision,
    /// Its VM is there.
    Vm,
    /// Its runner is online, and GitHub gives it the job.
    Registration,
    /// What a runner works on.
    Work,
    /// What a runner is kept for.
    Need,
    /// When a runner goes.
    End,
}

/// Whether a link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It does.
    Holds,
    /// It does not, and will not by itself.
    Broken,
    /// It does not yet, and will by itself.
    Waits,
    /// A link before it does not hold.
    NotReached,
}

impl Step {
    /// The link in a word.
    pub fn word(self) -> &'static str {
        match self {
            Step::Queue => "queue",
            Step::Labels => "labels",
            Step::Enabled => "enabled",
            Step::Attribution => "attribution",
            Step::Demand => "demand",
            Step::Decision => "decision",
            Step::Vm => "VM",
            Step::Registration => "registration",
            Step::Work => "work",
            Step::Need => "need",
            Step::End => "end",
        }
    }
}

impl Link {
    fn holds(link: Step, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Holds, what: what.into(), cure: None }
    }

    fn waits(link: Step, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Waits, what: what.into(), cure: None }
    }

    fn broken(link: Step, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Broken, what: what.into(), cure: None }
    }

    fn not_reached(link: Step) -> Link {
        Link { link, state: LinkState::NotReached, what: String::new(), cure: None }
    }

    fn cure(mut self, cure: impl Into<String>) -> Link {
        self.cure = Some(cure.into());
        self
    }
}

impl Explanation {
    /// The first link that does not hold: the answer.
    pub fn first_open(&self) -> Option<&Link> {
        self.links.iter().find(|link| matches!(link.state, LinkState::Broken | LinkState::Waits))
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Job { id, name: Some(name), .. } => write!(f, "job {id} ({name})"),
            About::Job { id, name: None, .. } => write!(f, "job {id}"),
            About::Runner { name, .. } => write!(f, "runner {name}"),
        }
    }
}

/// How long ago something was, in words.
fn ago(since: Timestamp, now: Timestamp) -> String {
    in_words(elapsed(since, now))
}

/// When something will be: "in 35s, at 12:00:05 UTC"; with its day where that is not near.
fn when(at: Timestamp, now: Timestamp) -> String {
    match elapsed(now, at) {
        Duration::ZERO => "at once".to_owned(),
        left => format!("in {}, at {}", in_words(left), clock(at, left)),
    }
}

/// When the daemon will act on something: it looks at the queue once in poll.queue, so not at that very
/// moment.
fn first_tick_after(at: Timestamp, now: Timestamp) -> String {
    match elapsed(now, at) {
        Duration::ZERO => "at the next tick".to_owned(),
        left => format!("in {}, at the first tick after {}", in_words(left), clock(at, left)),
    }
}

/// A moment that is so far ahead.
fn clock(at: Timestamp, left: Duration) -> impl fmt::Display {
    let is_near = left.as_secs() < 12 * 3600;
    at.strftime(if is_near { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M UTC" })
}

/// The first few of several, and how many more there are.
fn first_few(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let shown = items.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// "1 job", "2 jobs".
fn many(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
#[path = "explain_job_tests.rs"]
mod job_tests;
#[cfg(test)]
#[path = "explain_runner_tests.rs"]
mod runner_tests;
