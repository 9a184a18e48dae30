//! Why a job still waits, and why a runner still exists: a chain of links, each of which holds, waits or is
//! broken, with what would fix it.
//!
//! Nothing is decided here: the rules are those of demand, scaling and planning. The first link that does not
//! hold is the answer; the links after it are not reached.

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
use crate::model::{
    CompletedJob, ForeignText, Job, JobId, NamedJob, PoolName, Queue, RepoSlug, RunnerName, WebLink, elapsed,
    in_words,
};
use crate::observe::Snapshot;
use crate::plan::Plan;
use crate::state::FleetState;

pub use decision::{NextChange, next_changes};
pub use job::{best, job, unserved};
pub use job_ref::JobRef;
pub use labels::nearest;
pub use pool::{PoolExplanation, pool};
pub use runner::runner;

/// A fleet as its next tick sees it, and what that tick would do.
#[derive(Clone, Copy)]
pub struct FleetView<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// What was read for it.
    pub seen: &'a Snapshot,
    /// The state that it keeps between ticks.
    pub fleet_state: &'a FleetState,
    /// What its next tick would do.
    pub plan: &'a Plan,
    /// The queue of its scope, or why it could not be read.
    pub queue: Result<&'a Queue, &'a str>,
    /// The time.
    pub now: Timestamp,
}

/// The job that is asked about, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub enum JobQuery<'a> {
    /// A job that is not completed.
    Open(&'a Job),
    /// A completed job.
    Completed(&'a CompletedJob, &'a RepoSlug),
    /// GitHub has no job of that number in that repository.
    Unknown(JobId, &'a RepoSlug),
    /// A job in a repository where the fleet has no runners.
    Elsewhere(JobId, &'a RepoSlug),
    /// A job that could not be read, and why.
    Unseen(JobId, &'a str),
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The job or the runner.
    pub about: ExplainedItem,
    /// The answer in a sentence.
    pub verdict: String,
    /// The chain from the job to its runner, or from a VM to its end.
    pub links: Vec<Link>,
}

/// What an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExplainedItem {
    /// A job.
    Job {
        /// The fleet that it is explained for.
        pool: Option<PoolName>,
        /// GitHub's number.
        id: JobId,
        /// Its name in the workflow, where it is known.
        name: Option<String>,
        /// Its repository, where it is known.
        repo: Option<RepoSlug>,
        /// The name of its workflow, where it is known.
        workflow: Option<ForeignText>,
        /// Its page at GitHub, where that is known.
        link: Option<WebLink>,
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
    /// Which link it is.
    pub link: LinkKind,
    /// Whether the link holds.
    pub state: LinkState,
    /// What was found; empty where the link was not reached.
    pub what: String,
    /// What a person can do about it.
    pub cure: Option<String>,
}

/// The links: a job's from its place in the queue to its registration, a runner's from its VM to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// GitHub has the job in its queue, and it could start.
    Queue,
    /// The fleet's runners have every label that the job asks for.
    Labels,
    /// The fleet serves jobs.
    Enabled,
    /// The job counts for this fleet and for no other.
    Attribution,
    /// The job is counted.
    Demand,
    /// A runner should be available for it.
    Decision,
    /// The runner has a VM.
    Vm,
    /// The runner is online, and GitHub gives it the job.
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
    /// It holds.
    Holds,
    /// It does not hold, and will not by itself.
    Broken,
    /// It does not hold yet, and will by itself.
    Waits,
    /// A link before it does not hold.
    NotReached,
}

impl LinkKind {
    /// Its name in a table.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkKind::Queue => "queue",
            LinkKind::Labels => "labels",
            LinkKind::Enabled => "enabled",
            LinkKind::Attribution => "attribution",
            LinkKind::Demand => "demand",
            LinkKind::Decision => "decision",
            LinkKind::Vm => "VM",
            LinkKind::Registration => "registration",
            LinkKind::Work => "work",
            LinkKind::Need => "need",
            LinkKind::End => "end",
        }
    }
}

impl Link {
    fn holds(link: LinkKind, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Holds, what: what.into(), cure: None }
    }

    fn waits(link: LinkKind, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Waits, what: what.into(), cure: None }
    }

    fn broken(link: LinkKind, what: impl Into<String>) -> Link {
        Link { link, state: LinkState::Broken, what: what.into(), cure: None }
    }

    fn not_reached(link: LinkKind) -> Link {
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

impl fmt::Display for ExplainedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExplainedItem::Job { id, name, workflow, .. } => {
                let (name, workflow) = (name.as_deref().map(Into::into), workflow.clone());
                NamedJob { name, workflow, ..(*id).into() }.fmt(f)
            }
            ExplainedItem::Runner { name, .. } => write!(f, "runner {name}"),
        }
    }
}

/// When something will happen: "in 35s, at 12:00:05 UTC"; with the date where it is far ahead.
fn when(at: Timestamp, now: Timestamp) -> String {
    match elapsed(now, at) {
        Duration::ZERO => "at once".to_owned(),
        left => format!("in {}, at {}", in_words(left), clock(at, left)),
    }
}

/// When the daemon will act on something. It polls the queue every `poll.queue`, so it acts at the first poll
/// after that moment.
fn first_tick_after(at: Timestamp, now: Timestamp) -> String {
    match elapsed(now, at) {
        Duration::ZERO => "at the next tick".to_owned(),
        left => format!("in {}, at the first tick after {}", in_words(left), clock(at, left)),
    }
}

/// A moment that lies this far ahead: the time, and the date where it is not near.
fn clock(at: Timestamp, left: Duration) -> impl fmt::Display {
    let is_near = left.as_secs() < 12 * 3600;
    at.strftime(if is_near { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M UTC" })
}

#[cfg(test)]
mod tests;
