//! What `explain` gathers: it observes the fleets in question as a tick does, and requests a job that no
//! queue shows. [`azlin_fleet::explain`] draws the conclusions.

mod observed_fleets;

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::explain::{Explanation, FleetView, JobRef, PoolExplanation};
use azlin_fleet::model::{PoolName, RunnerName};
use azlin_fleet::observe::is_in_scope;

use crate::context::DaemonContext;
use crate::plan_once::{Planned, plan_once};
use crate::state::StateDir;
use observed_fleets::ObservedFleets;

/// What to explain: a job, a runner, or a whole fleet.
#[derive(Debug, Clone)]
pub struct ExplainQuestion {
    /// The pool. Without it, the pool that the job counts for or that made the runner.
    pub pool: Option<PoolName>,
    /// Only this job.
    pub job: Option<JobRef>,
    /// Only this runner.
    pub runner: Option<String>,
}

/// The explanations, and what could not be read for them.
#[derive(Debug, Default)]
pub struct Explained {
    /// One for each job or runner.
    pub explanations: Vec<Explanation>,
    /// A whole fleet, where neither a job nor a runner was named.
    pub pool: Option<(PoolName, PoolExplanation)>,
    /// What could not be read.
    pub troubles: Vec<String>,
}

/// Why no fleet matches a question.
#[derive(Debug, PartialEq, Eq)]
pub enum NoSuchFleet {
    /// There is no pool of that name.
    Pool(PoolName),
    /// No pool makes runners of that name.
    Runner(String),
}

/// Why there is no explanation.
#[derive(Debug)]
pub struct NotExplained {
    /// The reason, in words.
    pub why: String,
    /// Whether everything could be read. If so, the job or runner does not exist.
    pub is_all_read: bool,
}

/// A question about fleets that exist.
pub struct Explainer<'a> {
    question: &'a ExplainQuestion,
    fleets: &'a [Fleet],
    /// The fleets to look at.
    in_question: Vec<Fleet>,
    /// The pool that was named, or the runner's pool.
    pool: Option<PoolName>,
}

impl<'a> Explainer<'a> {
    /// Finds the fleets to observe. Fleets of one scope share its jobs, so all of them are included.
    ///
    /// # Errors
    /// When there is no such fleet.
    pub fn new(question: &'a ExplainQuestion, fleets: &'a [Fleet]) -> Result<Self, NoSuchFleet> {
        let (in_question, pool) = in_question(question, fleets)?;
        Ok(Explainer { question, fleets, in_question, pool })
    }

    /// Observes the fleets, and explains.
    ///
    /// # Errors
    /// When the job or the runner was not found.
    pub async fn explain(
        &self,
        context: DaemonContext,
        state: &StateDir,
        poll: Duration,
    ) -> Result<Explained, NotExplained> {
        let looks = plan_once(&self.in_question, context.clone(), state, poll).await;
        let observed = ObservedFleets {
            looks: &looks,
            fleets: self.fleets.iter().collect(),
            pool: self.pool.as_ref(),
            context,
        };
        let explained = match (&self.question.job, &self.question.runner) {
            (Some(job), _) => observed.job(job).await,
            (None, Some(name)) => observed.runner(name),
            (None, None) => observed.whole(),
        };
        let is_all_read = looks.iter().all(|look| look.seen.trouble().is_none());
        explained.map_err(|why| NotExplained { why, is_all_read })
    }
}

/// The fleets to observe, and the one that was named.
fn in_question(
    question: &ExplainQuestion,
    fleets: &[Fleet],
) -> Result<(Vec<Fleet>, Option<PoolName>), NoSuchFleet> {
    let of = |is: &dyn Fn(&Fleet) -> bool| fleets.iter().filter(|fleet| is(fleet)).cloned().collect();
    let runner = question.runner.as_deref().unwrap_or_default().to_ascii_lowercase();
    let named = question.pool.clone().or_else(|| {
        let is_of = |fleet: &&Fleet| RunnerName::of_pool(&fleet.name, &runner).is_some();
        fleets.iter().find(is_of).map(|fleet| fleet.name.clone())
    });
    match (&named, &question.job, &question.runner) {
        (Some(pool), ..) => {
            let own = fleets.iter().find(|fleet| fleet.name == *pool);
            let own = own.ok_or_else(|| NoSuchFleet::Pool(pool.clone()))?;
            Ok((of(&|fleet| fleet.scope == own.scope), named))
        }
        (None, _, Some(name)) => Err(NoSuchFleet::Runner(name.clone())),
        (None, Some(JobRef::Job(repo, _) | JobRef::Run(repo, _)), None) => {
            Ok((of(&|fleet| is_in_scope(fleet, repo)), None))
        }
        (None, _, None) => Ok((fleets.to_vec(), None)),
    }
}

impl Planned {
    /// The input of an explanation.
    pub fn view(&self) -> FleetView<'_> {
        FleetView {
            fleet: &self.fleet,
            seen: &self.seen,
            fleet_state: &self.fleet_state,
            plan: &self.plan,
            queue: self.queue.as_deref().map_err(String::as_str),
            now: self.at,
        }
    }
}
