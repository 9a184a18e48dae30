//! The first link: the state of the job at GitHub.

use super::{FleetView, JobQuery, Link, LinkKind};
use crate::model::{Job, JobStatus, Queue, ago};
use crate::observe::{LeftOut, is_in_scope, left_out};

/// Judges whether the job is in the queue and could start. The verdict applies if it could not.
pub(super) fn judge(asked: JobQuery<'_>, view: &FleetView<'_>) -> (Link, String) {
    let (fleet, now) = (view.fleet, view.now);
    match asked {
        JobQuery::Open(job) => open(job, view),
        JobQuery::Completed(job, _) => {
            let ran = job.runner_name.as_ref().map_or("on no runner".to_owned(), |name| format!("on {name}"));
            let since =
                job.completed_at.map_or(String::new(), |at| format!(" {} ago, at {at}", ago(at, now)));
            let what = format!("completed{since} with the conclusion {}, {ran}", job.conclusion);
            (Link::broken(LinkKind::Queue, what), format!("is completed ({})", job.conclusion))
        }
        JobQuery::Unknown(id, repo) => {
            let what = format!("GitHub has no job {id} in {repo}, or does not show it to this token");
            let cure = "copy the job's URL from its page at GitHub: .../actions/runs/RUN/job/JOB; the number of a run \
                        is not that of a job";
            (Link::broken(LinkKind::Queue, what).cure(cure), "is not known to GitHub".to_owned())
        }
        JobQuery::Elsewhere(_, repo) => {
            let what =
                format!("it is in {repo}; the runners of {} are registered at {}", fleet.name, fleet.scope);
            let cure = format!("ask without `--pool`, or make a fleet on {repo}");
            (
                Link::broken(LinkKind::Queue, what).cure(cure),
                format!("is not for {}: another repository", fleet.name),
            )
        }
        JobQuery::Unseen(_, why) => {
            let link = Link::broken(LinkKind::Queue, format!("it could not be asked for: {why}"));
            (link, "could not be looked at".to_owned())
        }
    }
}

fn open(job: &Job, view: &FleetView<'_>) -> (Link, String) {
    let (fleet, now) = (view.fleet, view.now);
    let (run, repo) = (job.run_id, &job.repo);
    if !is_in_scope(fleet, repo) {
        return judge(JobQuery::Elsewhere(job.id, repo), view);
    }
    let age = ago(job.created_at, now);
    let unread = Queue::default();
    match job.status {
        JobStatus::Queued if let Some(why) = left_out(job, view.queue.unwrap_or(&unread), now) => {
            is_left_out(job, why, &age)
        }
        JobStatus::Queued => {
            (Link::holds(LinkKind::Queue, format!("queued {age} ago in run {run} of {repo}")), String::new())
        }
        JobStatus::Waiting => {
            let what = format!(
                "waiting, {age} old: a protection rule of its environment holds it, so no runner may have it"
            );
            let cure =
                format!("approve the deployment on the page of run {run} of {repo}, or wait for its timer");
            (
                Link::broken(LinkKind::Queue, what).cure(cure),
                "is held by a protection rule of its environment".to_owned(),
            )
        }
        JobStatus::Pending => {
            let what = format!("pending, {age} old: another run of its concurrency group has to end first");
            let cure = "end or cancel that run, or change `concurrency` in the workflow".to_owned();
            (Link::waits(LinkKind::Queue, what).cure(cure), "is held by its concurrency group".to_owned())
        }
        JobStatus::Requested => {
            let what = format!("requested, {age} old: GitHub has not put it into the queue yet");
            (Link::waits(LinkKind::Queue, what), "is not in GitHub's queue yet".to_owned())
        }
        JobStatus::InProgress => {
            let on = job.runner_name.as_deref().unwrap_or("a runner that GitHub does not name");
            let own = view
                .plan
                .runners
                .iter()
                .any(|runner| Some(runner.runner_name.as_str()) == job.runner_name.as_deref());
            let whose = if own {
                format!(", a runner of {}", fleet.name)
            } else {
                format!(", no runner of {}", fleet.name)
            };
            (Link::holds(LinkKind::Queue, format!("runs on {on}{whose}")), format!("runs on {on}"))
        }
    }
}

/// The answer for a job that GitHub shows as queued and that needs no runner.
fn is_left_out(job: &Job, why: LeftOut<'_>, age: &str) -> (Link, String) {
    let (run, repo) = (job.run_id, &job.repo);
    match why {
        LeftOut::HasRunner(name) => {
            let what = format!(
                "queued {age} ago in run {run} of {repo}, and given to {name} already: no other runner starts for it"
            );
            (Link::waits(LinkKind::Queue, what), format!("has a runner already: {name}"))
        }
        LeftOut::QueuedTooLong => {
            let what = format!(
                "queued {age} ago in run {run} of {repo}: GitHub cancels a job that no runner took within 24h, so none \
                 starts for it"
            );
            let cure = format!("cancel run {run} of {repo}, and run it again");
            (
                Link::broken(LinkKind::Queue, what).cure(cure),
                "has waited for longer than GitHub lets it".to_owned(),
            )
        }
    }
}
