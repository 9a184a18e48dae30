//! A job's world, and what is explained of the job.

use super::*;

/// A job with these labels that has waited for `seconds`.
pub(crate) fn waiting(id: u64, seconds: i64, labels: &[&str]) -> Job {
    Job {
        id: JobId(id),
        run_id: RunId(7),
        repo: "o/r".parse().expect("valid"),
        name: "build".into(),
        workflow: None,
        link: None,
        status: JobStatus::Queued,
        labels: labels.iter().map(|label| (*label).into()).collect(),
        created_at: at(NOW - seconds),
        started_at: None,
        runner_name: None,
    }
}

/// A fleet's world with a queue, and further fleets.
pub(crate) struct JobCase {
    pub(crate) scene: Scene,
    pub(crate) queue: Queue,
    others: Vec<Fleet>,
    pending: Option<u32>,
}

pub(crate) fn case(scaling: &str) -> JobCase {
    JobCase { scene: Scene::new(scaling), queue: Queue::default(), others: Vec::new(), pending: None }
}

impl JobCase {
    pub(crate) fn jobs(mut self, count: u64, seconds: i64) -> Self {
        let next = self.queue.jobs.len() as u64;
        self.queue.jobs.extend((1..=count).map(|id| waiting(next + id, seconds, &["self-hosted"])));
        self
    }

    pub(crate) fn job(mut self, job: Job) -> Self {
        self.queue.jobs.push(job);
        self
    }

    pub(crate) fn top(mut self, top: &str, scaling: &str) -> Self {
        self.scene.fleet = fleet_with("ci", top, scaling);
        self
    }

    pub(crate) fn other(mut self, name: &str, top: &str) -> Self {
        self.others.push(fleet_with(name, top, ""));
        self
    }

    /// So many pending jobs are left after some were taken off.
    pub(crate) fn pending(mut self, left: u32) -> Self {
        self.pending = Some(left);
        self
    }

    pub(crate) fn scene(mut self, change: impl FnOnce(Scene) -> Scene) -> Self {
        self.scene = change(self.scene);
        self
    }

    /// Explains the job with this id, as the fleet `ci` sees it.
    pub(crate) fn explain(mut self, id: u64) -> Explanation {
        let fleets: Vec<Fleet> = std::iter::once(self.scene.fleet.clone()).chain(self.others).collect();
        let mut demands = attribute(&fleets, &self.queue, at(NOW));
        let own = demands.remove(&self.scene.fleet.name);
        let mut demand = own.expect("each fleet has an entry");
        demand.metrics.pending_jobs = self.pending.unwrap_or(demand.metrics.pending_jobs);
        self.scene.seen.demand = Ok(demand);
        let plan = self.scene.plan();
        let asked = self.queue.jobs.iter().find(|job| job.id == JobId(id)).cloned();
        let asked = asked.unwrap_or_else(|| waiting(id, 500, &["self-hosted"]));
        let view = FleetView {
            fleet: &self.scene.fleet,
            seen: &self.scene.seen,
            fleet_state: &self.scene.fleet_state,
            plan: &plan,
            queue: Ok(&self.queue),
            now: at(NOW),
        };
        job(JobQuery::Open(&asked), &view, &fleets.iter().collect::<Vec<_>>())
    }
}

/// The first link that does not hold, as "labels broken: verdict | what | cure"; "none" if all links hold.
pub(crate) fn answer(explanation: &Explanation) -> String {
    let Some(link) = explanation.first_open() else { return format!("none: {}", explanation.verdict) };
    let state = format!("{:?}", link.state).to_ascii_lowercase();
    let cure = link.cure.clone().unwrap_or_default();
    format!("{} {state}: {} | {} | {cure}", link.link.as_str(), explanation.verdict, link.what)
}
