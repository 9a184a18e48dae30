//! Queued jobs that are no demand: what is said of each, and what would change it.

use std::collections::BTreeMap;

use super::job::{answer, case, waiting};
use super::*;
use crate::fixture::{Entry, fleet_with};
use crate::model::{GroupRepositories, RunRepository, RunnerGroup};
use crate::observe::refused;

const LABELS: [&str; 1] = ["self-hosted"];

#[test]
fn a_job_without_labels() {
    let org = "org = \"o\"\nrepositories = [\"r\"]";
    let takes = format!("{org}\ntakes_jobs_without_labels = true");
    for (top, begin, words) in [
        (
            "",
            "labels broken: asks for no label, which ci does not serve",
            "give `runs-on` a label of the fleet",
        ),
        (
            org,
            "labels broken: asks for no label, which ci does not serve",
            "takes_jobs_without_labels = true",
        ),
        (takes.as_str(), "vm waits", "starts"),
    ] {
        let explanation = case("jobs_per_runner = 1\nscale_up_threshold = 0")
            .top(top, "")
            .job(waiting(1, 90, &[]))
            .explain(1);
        let said = answer(&explanation).to_ascii_lowercase();
        assert!(said.starts_with(begin) && said.contains(words), "{top}: {said}");
    }
}

#[test]
fn a_job_that_has_a_runner_or_has_waited_for_more_than_a_day() {
    let given = Job { runner_name: Some("ci-7".into()), ..waiting(1, 90, &LABELS) };
    let said = answer(&case("").job(given).explain(1));
    assert!(
        said.starts_with("queue waits: has a runner already: ci-7 | queued 1m 30s ago in run 7 of o/r"),
        "{said}"
    );
    let said = answer(&case("").job(waiting(1, 86_401, &LABELS)).explain(1));
    assert!(
        said.starts_with("queue broken: has waited for longer than GitHub lets it | queued 1d 1s ago"),
        "{said}"
    );
    assert!(said.ends_with("cancel run 7 of o/r, and run it again"), "{said}");
    // They are before no other job.
    let said = case("").job(waiting(1, 86_401, &LABELS)).job(waiting(2, 90, &LABELS)).explain(2);
    let demand = said.links.iter().find(|link| link.link == LinkKind::Demand).expect("reached");
    assert!(demand.what.starts_with("one of 1 queued job, 0 of them older"), "{}", demand.what);
}

#[test]
fn a_job_that_the_runner_group_refuses() {
    let org = |more: &str| format!("org = \"o\"\nrepositories = [\"r\"]\n{more}");
    let group = RunnerGroup {
        name: "Default".into(),
        repositories: GroupRepositories::All,
        allows_public: false,
        workflows: None,
    };
    let (ci, b) = (fleet_with("ci", &org(""), ""), fleet_with("b", &org("priority = 200"), ""));
    let closed = |mut queue: Queue| {
        queue.repository = Some(RunRepository { name: "o/r".parse().expect("valid"), is_public: true });
        queue.refused = refused([&ci], &BTreeMap::from([(ci.name.clone(), group.clone())]), &queue);
        queue
    };
    let mut alone = case("").top(&org(""), "").job(waiting(1, 90, &LABELS));
    alone.queue = closed(alone.queue);
    let said = answer(&alone.explain(1));
    let begin = "attribution broken: is refused by the runner group \"Default\" of ci | the runner group \"Default\" does \
                 not serve public repositories, so ci does not count it | allow public repositories";
    assert!(said.starts_with(begin), "{said}");
    let mut two = case("")
        .top(&org(""), "")
        .other(b.name.as_str(), &org("priority = 200"))
        .job(waiting(1, 90, &LABELS));
    two.queue = closed(two.queue);
    let said = answer(&two.explain(1));
    assert!(said.contains("; it counts for b | `azlin github-runner explain --pool b --job 1`"), "{said}");
}

#[test]
fn a_job_that_a_runner_may_have_begun_a_moment_ago() {
    let of = |pending: u32| {
        let scene = case("").scene(|scene| scene.runner(4, 600, Entry::Busy)).job(waiting(1, 90, &LABELS));
        scene.pending(pending).explain(1)
    };
    assert!(
        answer(&of(0)).starts_with("demand waits: may be running already | a runner has just become busy")
    );
    assert!(!answer(&of(1)).starts_with("demand"), "it is counted");
}
