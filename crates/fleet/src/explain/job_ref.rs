//! How people refer to a job: by its URL or by its id.

use std::str::FromStr;

use crate::model::{JobId, RepoSlug, RunId};

/// A job, or all jobs of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobRef {
    /// The id of a job, without its repository.
    Id(JobId),
    /// A job in a repository.
    Job(RepoSlug, JobId),
    /// Every job of a run.
    Run(RepoSlug, RunId),
}

const WANTED: &str = "wanted: a job's URL, https://github.com/OWNER/REPO/actions/runs/RUN/job/JOB, that of a run, or a \
                      job's number";

impl FromStr for JobRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.trim().parse() {
            return Ok(JobRef::Id(JobId(id)));
        }
        let path = text.trim().split_once("://").map(|(_, rest)| rest).ok_or(WANTED)?;
        let (path, query) = path.split_once(['?', '#']).unwrap_or((path, ""));
        let (_host, path) = path.split_once('/').ok_or(WANTED)?;
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        // A URL of the API has `repos` before the owner, and `api/v3` before that on GitHub Enterprise
        // Server.
        if let Some(at) = segments.iter().position(|segment| *segment == "repos")
            && (at == 0 || segments[..at] == ["api", "v3"])
        {
            segments.drain(..=at);
        }
        let [owner, name, rest @ ..] = segments.as_slice() else { return Err(WANTED.to_owned()) };
        let repo: RepoSlug =
            format!("{owner}/{name}").parse().map_err(|error| format!("{error}; {WANTED}"))?;
        let job = |id: &str| id.parse().map(JobId).map_err(|_| WANTED.to_owned());
        match rest {
            // A page of checks has the job in its query.
            ["pull", _, "checks"] => {
                let checked = query.split(['&', '#']).find_map(|pair| pair.strip_prefix("check_run_id="));
                Ok(JobRef::Job(repo, job(checked.ok_or(WANTED)?)?))
            }
            ["actions", "runs", _, "job", id, ..]
            | ["actions", "runs", _, "attempts", _, "job", id, ..]
            | ["actions", "jobs", id]
            | ["runs", id] => Ok(JobRef::Job(repo, job(id)?)),
            ["actions", "runs", run, ..] => {
                let run = run.parse().map_err(|_| WANTED.to_owned())?;
                Ok(JobRef::Run(repo, RunId(run)))
            }
            _ => Err(WANTED.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_they_are_copied() {
        let job = Ok("o/r 22".to_owned());
        let run = Ok("o/r run 11".to_owned());
        let table = [
            ("22", Ok("22".to_owned())),
            ("https://github.com/O/R/actions/runs/11/job/22", job.clone()),
            ("https://github.com/o/r/actions/runs/11/job/22?pr=3", job.clone()),
            ("https://github.com/o/r/actions/runs/11/job/22#step:3:7", job.clone()),
            ("https://github.com/o/r/actions/runs/11/job/22?pr=3#step:3:7", job.clone()),
            ("https://github.com/o/r/actions/runs/11/attempts/2/job/22", job.clone()),
            ("https://github.com/o/r/runs/22?check_suite_focus=true", job.clone()),
            ("https://github.com/o/r/pull/3/checks?check_run_id=22", job.clone()),
            ("https://api.github.com/repos/o/r/actions/jobs/22", job.clone()),
            ("https://ghe.example.com/api/v3/repos/o/r/actions/jobs/22", job.clone()),
            ("https://github.com/o/r/actions/runs/11", run.clone()),
            ("https://github.com/o/r/actions/runs/11/attempts/2", run.clone()),
            ("https://github.com/o/r/pull/3", Err(())),
            ("https://github.com/o/r", Err(())),
            ("https://github.com", Err(())),
            ("https://", Err(())),
            ("build", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in table {
            let found = text.parse().map_err(drop).map(|found| match found {
                JobRef::Id(id) => id.to_string(),
                JobRef::Job(repo, id) => format!("{repo} {id}"),
                JobRef::Run(repo, run) => format!("{repo} run {run}"),
            });
            assert_eq!(found, expected, "{text}");
        }
    }
}
