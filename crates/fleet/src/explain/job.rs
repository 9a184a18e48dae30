//! Why a job waits: from its place in the queue to the runner that takes it.

use super::{ExplainedItem, Explanation, FleetView, JobQuery, Link, LinkKind, LinkState};
use super::{decision, labels, queue};
use crate::config::Fleet;
use crate::model::{
    GroupRefusal, Job, JobId, JobStatus, NamedJob, PoolName, RepoSlug, Scope, counted, first_few,
};
use crate::observe::{Claim, is_in_scope, left_out, owner};

/// The links of a job's chain, in order.
const CHAIN: [LinkKind; 8] = [
    LinkKind::Queue,
    LinkKind::Labels,
    LinkKind::Enabled,
    LinkKind::Attribution,
    LinkKind::Demand,
    LinkKind::Decision,
    LinkKind::Vm,
    LinkKind::Registration,
];

/// Explains why a job waits, for one fleet. `fleets` are all configured fleets.
pub fn job(asked: JobQuery<'_>, view: &FleetView<'_>, fleets: &[&Fleet]) -> Explanation {
    let (link, mut verdict) = queue::judge(asked, view);
    let mut links = vec![link];
    if let JobQuery::Open(job) = asked
        && job.status == JobStatus::InProgress
    {
        return Explanation { about: about(asked, Some(&view.fleet.name)), verdict, links };
    }
    if let JobQuery::Open(job) = asked
        && links.iter().all(|link| link.state == LinkState::Holds)
    {
        let chain = JobChain { view, fleets, job };
        for step in &CHAIN[1..] {
            let (link, said) = chain.judge(*step);
            let is_end = link.state != LinkState::Holds;
            links.push(link);
            if is_end {
                verdict = said;
                break;
            }
        }
    }
    links.extend(CHAIN[links.len()..].iter().map(|step| Link::not_reached(*step)));
    Explanation { about: about(asked, Some(&view.fleet.name)), verdict, links }
}

/// Explains why a job waits that no fleet can serve: no fleet's scope includes its repository.
pub fn unserved(asked: JobQuery<'_>, repo: &RepoSlug, fleets: &[&Fleet]) -> Explanation {
    let there = first_few(fleets.iter().map(|fleet| format!("{} at {}", fleet.name, fleet.scope)));
    let there = if there.is_empty() { "there is no fleet".to_owned() } else { format!("there are {there}") };
    let mut links = vec![
        Link::broken(
            LinkKind::Queue,
            format!("no fleet has its runners registered where {repo} may use them: {there}"),
        )
        .cure(format!("make a fleet: fleets/POOL.toml with repo = \"{repo}\"")),
    ];
    links.extend(CHAIN[1..].iter().map(|step| Link::not_reached(*step)));
    Explanation { about: about(asked, None), verdict: format!("no fleet is on {repo}"), links }
}

fn about(asked: JobQuery<'_>, pool: Option<&PoolName>) -> ExplainedItem {
    let named = match asked {
        JobQuery::Open(job) => job.into(),
        JobQuery::Completed(job, repo) => NamedJob {
            id: job.id,
            name: Some(job.name.clone()),
            repo: Some(repo.clone()),
            workflow: job.workflow.clone(),
            link: job.link.clone(),
        },
        JobQuery::Unknown(id, repo) | JobQuery::Elsewhere(id, repo) => {
            NamedJob { repo: Some(repo.clone()), ..id.into() }
        }
        JobQuery::Unseen(id, _) => id.into(),
    };
    let NamedJob { id, name, repo, workflow, link } = named;
    ExplainedItem::Job { pool: pool.cloned(), id, name: name.map(String::from), repo, workflow, link }
}

/// A job that could start, explained for one fleet.
pub(super) struct JobChain<'a> {
    pub(super) view: &'a FleetView<'a>,
    fleets: &'a [&'a Fleet],
    pub(super) job: &'a Job,
}

impl<'a> JobChain<'a> {
    /// The link, and the verdict if the link does not hold.
    fn judge(&self, step: LinkKind) -> (Link, String) {
        let said = |link: Link, verdict: String| (link, verdict);
        match step {
            LinkKind::Labels => {
                let lacking = labels::lacking(self.view.fleet, self.job);
                let lacking = lacking.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
                let verdict = match lacking.as_str() {
                    "" => format!("asks for no label, which {} does not serve", self.view.fleet.name),
                    _ => format!("asks for {lacking}, which no runner of {} has", self.view.fleet.name),
                };
                said(labels::judge(self.view.fleet, self.fleets, self.job), verdict)
            }
            LinkKind::Enabled => said(self.enabled(), format!("{} is not enabled", self.view.fleet.name)),
            LinkKind::Attribution => self.attribution(),
            LinkKind::Demand => self.demand(),
            LinkKind::Decision => decision::judge(self.view, self.before()),
            LinkKind::Vm => self.vm(),
            LinkKind::Registration => self.registration(),
            LinkKind::Queue | LinkKind::Work | LinkKind::Need | LinkKind::End => {
                said(Link::not_reached(step), String::new())
            }
        }
    }

    /// The fleets that share the jobs of one queue and whose runner group lets them take this one.
    fn peers(&self) -> impl Iterator<Item = &'a Fleet> {
        self.able(self.job)
    }

    fn able(&self, job: &Job) -> impl Iterator<Item = &'a Fleet> {
        let (scope, id) = (&self.view.fleet.scope, job.id);
        let of_scope = self.fleets.iter().copied().filter(move |fleet| fleet.scope == *scope);
        of_scope.filter(move |fleet| self.refusal(fleet, id).is_none())
    }

    fn refusal(&self, fleet: &Fleet, job: JobId) -> Option<&'a GroupRefusal> {
        self.view.queue.ok()?.refusal(&fleet.name, job)
    }

    /// The answer where the fleet's runner group refuses the job.
    fn refused(&self, refusal: &GroupRefusal) -> (Link, String) {
        let pool = &self.view.fleet.name;
        let (other, cure) = match owner(self.peers(), self.job) {
            Some(claim) => (
                format!("; it counts for {}", claim.pool),
                format!(
                    "`azlin github-runner explain --pool {} --job {}` goes on from there",
                    claim.pool, self.job.id
                ),
            ),
            None => (String::new(), refusal.refused.cure().to_owned()),
        };
        let link =
            Link::broken(LinkKind::Attribution, format!("{refusal}, so {pool} does not count it{other}"));
        (link.cure(cure), format!("is refused by the runner group {:?} of {pool}", refusal.group))
    }

    fn enabled(&self) -> Link {
        let pool = &self.view.fleet.name;
        if self.view.fleet.enabled {
            return Link::holds(LinkKind::Enabled, format!("{pool} serves jobs"));
        }
        let other = owner(self.peers(), self.job).map(|claim| format!("; the job counts for {}", claim.pool));
        Link::broken(
            LinkKind::Enabled,
            format!("{pool} is not enabled: it counts no job{}", other.unwrap_or_default()),
        )
        .cure(format!("`azlin github-runner enable --pool {pool}` enables it"))
    }

    fn attribution(&self) -> (Link, String) {
        let pool = &self.view.fleet.name;
        if let Some(refusal) = self.refusal(self.view.fleet, self.job.id) {
            return self.refused(refusal);
        }
        let (Some(own), Some(owner)) = (Claim::of(self.view.fleet, self.job), owner(self.peers(), self.job))
        else {
            return (
                Link::broken(LinkKind::Attribution, format!("{pool} has no claim to it")),
                String::new(),
            );
        };
        if own == owner {
            let others =
                self.peers().filter_map(|fleet| Claim::of(fleet, self.job)).filter(|claim| *claim != own);
            let told = match others.min() {
                None => "no other fleet could serve it".to_owned(),
                Some(next) => format!("before {}: {}", next.pool, why_first(&own, &next)),
            };
            return (Link::holds(LinkKind::Attribution, format!("counts for {pool}; {told}")), String::new());
        }
        let what = format!("counts for {}, not for {pool}: {}", owner.pool, why_first(&owner, &own));
        let cure = format!(
            "`azlin github-runner explain --pool {} --job {}` goes on from there; a lower `priority` gives it to {pool}",
            owner.pool, self.job.id
        );
        (Link::broken(LinkKind::Attribution, what).cure(cure), format!("counts for {}", owner.pool))
    }

    fn demand(&self) -> (Link, String) {
        let view = self.view;
        let metrics = &view.plan.demand.metrics;
        let is_listed = view.queue.is_ok_and(|queue| queue.jobs.iter().any(|job| job.id == self.job.id));
        if is_listed {
            let (before, all) = (self.before(), metrics.pending_jobs);
            if self.before() >= all as usize {
                let what = "a runner has just become busy, and GitHub does not show yet with which job: for a minute at \
                            most this one is not counted";
                return (Link::waits(LinkKind::Demand, what), "may be running already".to_owned());
            }
            let waits = counted(all, "queued job");
            let what = format!(
                "one of {waits}, {before} of them older; {} ready for it",
                counted(self.ready().count(), "idle runner")
            );
            return (Link::holds(LinkKind::Demand, what), String::new());
        }
        if !matches!(view.fleet.scope, Scope::Repo(_)) {
            if self.ready().count() > 0 {
                let what = format!(
                    "GitHub has no list of the queued jobs of {}, but an idle runner is there",
                    view.fleet.scope
                );
                return (Link::holds(LinkKind::Demand, what), String::new());
            }
            let what = format!(
                "GitHub has no list of the queued jobs of {}: no job is counted, and {} keeps min_runners or manual_count",
                view.fleet.scope, view.fleet.name
            );
            let cure = format!(
                "raise min_runners in fleets/{}.toml, or make a fleet on {}",
                view.fleet.name, self.job.repo
            );
            return (Link::broken(LinkKind::Demand, what).cure(cure), "is not counted".to_owned());
        }
        match view.queue {
            Err(why) => (
                Link::broken(LinkKind::Demand, format!("the queue cannot be read: {why}")),
                "is not counted, since the queue cannot be read".to_owned(),
            ),
            Ok(queue) if !queue.missing.is_empty() => (
                Link::broken(
                    LinkKind::Demand,
                    format!("it is not in what could be read of the queue: {}", queue.missing.join("; ")),
                ),
                "is not counted: the queue is only partly known".to_owned(),
            ),
            Ok(_) => (
                Link::waits(
                    LinkKind::Demand,
                    "GitHub's lists of runs do not show it yet; the next tick reads them again",
                ),
                "is too new to be counted".to_owned(),
            ),
        }
    }

    /// The number of older pending jobs that count for the fleet.
    pub(super) fn before(&self) -> usize {
        let Ok(queue) = self.view.queue else { return 0 };
        let own = (self.job.created_at, self.job.id);
        let is_before = |job: &&Job| {
            job.status == JobStatus::Queued
                && (job.created_at, job.id) < own
                && left_out(job, queue, self.view.now).is_none()
        };
        let is_ours =
            |job: &&Job| owner(self.able(job), job).is_some_and(|claim| *claim.pool == self.view.fleet.name);
        queue.jobs.iter().filter(is_before).filter(is_ours).count()
    }
}

/// Why one claim has precedence over another.
fn why_first(first: &Claim<'_>, second: &Claim<'_>) -> String {
    if first.priority != second.priority {
        return format!(
            "its priority is {}, and that of {} is {}",
            first.priority, second.pool, second.priority
        );
    }
    let (few, more) = (first.labels_not_asked_for, second.labels_not_asked_for);
    if few != more {
        return format!(
            "it has {} that the job does not ask for, and {} has {more}",
            counted(few as u64, "label"),
            second.pool
        );
    }
    format!("both fit alike, and its name comes before {}", second.pool)
}

/// The fleet to explain a job for if the user names none: the fleet that counts the job; else a fleet that
/// serves it without counting jobs; else the fleet in scope that lacks the fewest of its labels.
pub fn best<'f>(fleets: &[&'f Fleet], job: &Job) -> Option<&'f Fleet> {
    // GitHub lists only the queues of repositories, and each scope divides its own jobs.
    let counts = |fleet: &Fleet| matches!(fleet.scope, Scope::Repo(_));
    for is_counting in [true, false] {
        let these = fleets.iter().copied().filter(|fleet| counts(fleet) == is_counting);
        if let Some(claim) = owner(these, job) {
            return fleets.iter().copied().find(|fleet| fleet.name == *claim.pool);
        }
    }
    let in_reach = fleets.iter().copied().filter(|fleet| is_in_scope(fleet, &job.repo));
    in_reach
        .min_by_key(|fleet| (labels::lacking(fleet, job).len(), !fleet.enabled, !counts(fleet), &fleet.name))
}
