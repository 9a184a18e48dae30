//! Which jobs count for which fleet.

use super::*;
use crate::fixture::{at, fleet_with};
use crate::model::RunId;

fn job(id: u64, status: JobStatus, labels: &[&str]) -> Job {
    Job {
        id: JobId(id),
        run_id: RunId(1),
        repo: "o/r".parse().expect("valid"),
        name: format!("job {id}").into(),
        workflow: None,
        link: None,
        status,
        labels: labels.iter().map(|label| (*label).into()).collect(),
        created_at: at(id as i64),
        started_at: None,
        runner_name: None,
    }
}

fn queue(jobs: Vec<Job>) -> Queue {
    Queue { jobs, ..Queue::default() }
}

/// Which of the fleets one waiting job with these labels counts for.
fn owner(fleets: &[Fleet], labels: &[&str]) -> Option<String> {
    let queue = queue(vec![job(1, JobStatus::Queued, labels)]);
    let demands = attribute(fleets, &queue, at(100));
    let owners: Vec<&PoolName> =
        demands.iter().filter(|(_, demand)| demand.metrics.total_jobs > 0).map(|(name, _)| name).collect();
    assert!(owners.len() <= 1, "a job counts once: {owners:?}");
    owners.first().map(ToString::to_string)
}

#[test]
fn a_fleet_serves_the_jobs_whose_every_label_it_has() {
    let docker = [fleet_with("docker", "labels = [\"linux\", \"docker\"]", "")];
    let plain = [fleet_with("plain", "", "")];
    let arm = {
        let mut fleet = fleet_with("arm", "", "");
        fleet.vm.sizes = vec!["Standard_D4ps_v5".to_owned()];
        [fleet]
    };
    let table: &[(&str, &[Fleet], &[&str], bool)] = &[
        ("all of its labels", &docker, &["linux", "docker"], true),
        ("some of its labels", &docker, &["docker"], true),
        ("implicit ones beside", &docker, &["self-hosted", "X64", "docker"], true),
        ("without regard to case", &docker, &["Self-Hosted", "LINUX", "Docker"], true),
        ("one that it lacks", &docker, &["linux", "docker", "gpu"], false),
        ("another architecture", &docker, &["linux", "arm64"], false),
        ("a hosted image", &docker, &["ubuntu-latest"], false),
        ("no label in the file, implicit ones asked", &plain, &["self-hosted", "linux"], true),
        ("no label in the file, self-hosted alone", &plain, &["self-hosted"], true),
        ("no label in the file, one asked", &plain, &["self-hosted", "docker"], false),
        ("no label in the file, a hosted image", &plain, &["ubuntu-latest"], false),
        ("no label in the file, no label asked", &plain, &[], false),
        ("no label asked", &docker, &[], false),
        ("Arm sizes", &arm, &["self-hosted", "ARM64"], true),
        ("Arm sizes do not run x86", &arm, &["self-hosted", "x64"], false),
    ];
    for (situation, fleets, labels, is_served) in table {
        assert_eq!(owner(fleets, labels).is_some(), *is_served, "{situation}");
    }
}

#[test]
fn a_job_without_labels_is_only_that_fleet_s_whose_file_says_so() {
    let org = |name, more: &str| fleet_with(name, &format!("org = \"o\"\n{more}"), "");
    let takes = "labels = [\"docker\"]\ntakes_jobs_without_labels = true";
    let fleets = [org("a", "labels = [\"docker\"]"), org("b", takes), org("c", "")];
    assert_eq!(owner(&fleets, &[]).as_deref(), Some("b"));
    assert_eq!(owner(&fleets, &["docker"]).as_deref(), Some("a"), "it takes others as it did before");
    assert_eq!(owner(&[org("a", ""), org("c", "takes_jobs_without_labels = false")], &[]), None);
}

#[test]
fn a_job_that_several_fleets_match_counts_for_one() {
    let small = || fleet_with("b-small", "labels = [\"docker\"]", "");
    let large = || fleet_with("a-large", "labels = [\"docker\", \"gpu\", \"big\"]", "");
    let same = || fleet_with("c-same", "labels = [\"docker\"]", "");
    let first = || fleet_with("z-first", "labels = [\"docker\", \"gpu\", \"big\"]\npriority = 1", "");
    let off = || fleet_with("a-off", "labels = [\"docker\"]\nenabled = false", "");
    assert_eq!(
        owner(&[large(), small()], &["docker"]).as_deref(),
        Some("b-small"),
        "fewest labels not asked for"
    );
    assert_eq!(owner(&[large(), small()], &["gpu"]).as_deref(), Some("a-large"), "the only one that has it");
    assert_eq!(owner(&[same(), small()], &["docker"]).as_deref(), Some("b-small"), "then the name");
    assert_eq!(
        owner(&[small(), first()], &["docker"]).as_deref(),
        Some("z-first"),
        "the lowest priority before all"
    );
    assert_eq!(
        owner(&[off(), small()], &["docker"]).as_deref(),
        Some("b-small"),
        "one that is not enabled takes none"
    );
    assert_eq!(owner(&[off()], &["docker"]), None);
}

#[test]
fn jobs_of_another_repository_are_not_ours() {
    let fleets = [fleet_with("p", "", "")];
    let mut foreign = job(1, JobStatus::Queued, &["self-hosted"]);
    foreign.repo = "o/other".parse().expect("valid");
    let demands = attribute(&fleets, &queue(vec![foreign.clone()]), at(100));
    assert_eq!(demands[&fleets[0].name].metrics.total_jobs, 0);
    let org = [fleet_with("p", "org = \"O\"", "")];
    assert_eq!(attribute(&org, &queue(vec![foreign]), at(100))[&org[0].name].metrics.total_jobs, 1);
}

#[test]
fn jobs_are_counted_by_what_they_wait_for() {
    let fleets = [fleet_with("p", "", "")];
    let of = |id, status| job(id, status, &["self-hosted"]);
    let jobs = vec![
        of(5, JobStatus::Queued),
        of(3, JobStatus::Queued),
        of(1, JobStatus::Waiting),
        of(2, JobStatus::Pending),
        of(4, JobStatus::Requested),
        of(6, JobStatus::InProgress),
    ];
    let demands = attribute(&fleets, &queue(jobs), at(100));
    let demand = &demands[&fleets[0].name];
    let expected = QueueMetrics {
        pending_jobs: 2,
        in_progress_jobs: 1,
        queued_jobs: 5,
        total_jobs: 6,
        timestamp: at(100),
    };
    assert_eq!(demand.metrics, expected);
    assert!(demand.metrics.needs_scaling());
    let none = QueueMetrics::none(at(0));
    assert!(!none.needs_scaling());
    assert!(QueueMetrics { pending_jobs: 1, ..none }.needs_scaling());
    assert!(QueueMetrics { queued_jobs: 1, ..none }.needs_scaling());
    let oldest = demand.oldest_pending().expect("two are pending");
    assert_eq!(oldest.job.id, JobId(3), "a held job does not starve");
}

#[test]
fn what_several_repositories_ask_for_is_added_up() {
    let fleet = [fleet_with("ci", "", "")];
    let of = |jobs| {
        attribute(
            &fleet,
            &Queue { missing: vec!["m".into()], notes: vec!["n".into()], jobs, ..Queue::default() },
            at(100),
        )
    };
    let here = of(vec![
        job(5, JobStatus::Queued, &["self-hosted"]),
        job(6, JobStatus::InProgress, &["self-hosted"]),
        job(7, JobStatus::Waiting, &["self-hosted"]),
        job(8, JobStatus::InProgress, &["self-hosted"]),
    ]);
    let there =
        of(vec![job(3, JobStatus::Queued, &["self-hosted"]), job(4, JobStatus::Pending, &["self-hosted"])]);
    let sum = Demand::of_all([&here[&fleet[0].name], &there[&fleet[0].name]], at(200));
    let QueueMetrics { pending_jobs, in_progress_jobs, queued_jobs, total_jobs, timestamp } = sum.metrics;
    assert_eq!((pending_jobs, in_progress_jobs, queued_jobs, total_jobs), (2, 2, 4, 6));
    assert_eq!(timestamp, at(200));
    assert_eq!(sum.oldest_pending().map(|oldest| oldest.job.id), Some(JobId(3)));
    assert_eq!((sum.missing, sum.notes), (vec!["m".to_owned(); 2], vec!["n".to_owned(); 2]));
}

#[test]
fn a_queue_needs_scaling_while_a_job_waits() {
    let fleet = [fleet_with("ci", "", "")];
    for (status, needs) in [
        (JobStatus::Queued, true),
        (JobStatus::Waiting, true),
        (JobStatus::Requested, true),
        (JobStatus::InProgress, false),
    ] {
        let demands = attribute(&fleet, &queue(vec![job(1, status, &["self-hosted"])]), at(100));
        assert_eq!(demands[&fleet[0].name].metrics.needs_scaling(), needs, "{status:?}");
    }
    assert!(!QueueMetrics::none(at(0)).needs_scaling());
}

#[test]
fn of_two_jobs_of_one_moment_the_lower_number_is_older() {
    let fleet = [fleet_with("ci", "", "")];
    let mut twin = job(2, JobStatus::Queued, &["self-hosted"]);
    twin.created_at = at(1);
    for jobs in [
        [job(1, JobStatus::Queued, &["self-hosted"]), twin.clone()],
        [twin, job(1, JobStatus::Queued, &["self-hosted"])],
    ] {
        let demands = attribute(&fleet, &queue(jobs.to_vec()), at(100));
        let oldest = demands[&fleet[0].name].oldest_pending().map(|oldest| oldest.job.id);
        assert_eq!(oldest, Some(JobId(1)));
    }
}

#[test]
fn claims_are_alike_whatever_does_not_decide_who_gets_a_job() {
    let fleet = fleet_with("ci", "labels = [\"docker\"]", "");
    for (other, alike) in [
        (fleet_with("ci", "labels = [\"docker\"]", "max_runners = 3"), true),
        (fleet_with("ci", "labels = [\"gpu\"]", ""), false),
        (fleet_with("ci", "labels = [\"docker\"]\npriority = 1", ""), false),
        (fleet_with("ci", "labels = [\"docker\"]\nenabled = false", ""), false),
    ] {
        assert_eq!(claims_alike(&fleet, &other), alike, "{other:?}");
    }
}

#[test]
fn an_organisation_s_fleet_serves_the_repositories_that_its_file_names() {
    let of = |text: &str| fleet_with("ci", text, "");
    let some = of("org = \"o\"\nrepositories = [\"o/web-*\"]");
    let all = of("org = \"o\"");
    for (fleet, repo, serves) in
        [(&some, "o/web-1", true), (&some, "o/api", false), (&all, "o/api", true), (&all, "p/api", false)]
    {
        assert_eq!(is_in_scope(fleet, &repo.parse().expect("valid")), serves, "{repo}");
    }
}

#[test]
fn the_labels_that_fleets_serve() {
    let fleets = [
        fleet_with("a", "labels = [\"Docker\"]", ""),
        fleet_with("b", "labels = [\"gpu\"]", ""),
        fleet_with("off", "labels = [\"arm\"]\nenabled = false", ""),
    ];
    let expected = ["docker", "gpu", "linux", "self-hosted", "x64"];
    assert_eq!(labels_served(&fleets).into_iter().collect::<Vec<_>>(), expected);
}

/// A label misspelled: nobody counted such jobs. What GitHub hosts, or what has nothing in common with any fleet, is
/// another's.
#[test]
fn a_job_that_no_fleet_serves_is_counted_for_the_fleet_that_is_most_like_it() {
    let fleets = [
        fleet_with("docker", "labels = [\"linux\", \"docker\"]", ""),
        fleet_with("gpu", "labels = [\"gpu\", \"a100\"]\npriority = 1", ""),
    ];
    let table: &[(&str, &[&str], JobStatus, Option<&str>)] = &[
        ("served", &["docker"], JobStatus::Queued, None),
        ("a label misspelled", &["docker", "linus"], JobStatus::Queued, Some("docker")),
        ("the most labels in common", &["self-hosted", "gpu", "a1000"], JobStatus::Queued, Some("gpu")),
        ("as many in common: the priority", &["self-hosted", "x"], JobStatus::Queued, Some("gpu")),
        ("nothing in common", &["macmini"], JobStatus::Queued, None),
        ("a hosted image", &["ubuntu-24.04"], JobStatus::Queued, None),
        ("held by a rule", &["self-hosted", "dokcer"], JobStatus::Waiting, None),
    ];
    for (situation, labels, status, expected) in table {
        let queue = queue(vec![job(1, *status, labels), job(2, *status, labels)]);
        let demands = attribute(&fleets, &queue, at(100));
        let found: Vec<_> = demands
            .iter()
            .filter_map(|(name, demand)| Some((name.as_str(), demand.unserved.as_ref()?)))
            .map(|(name, unserved)| (name, unserved.count, unserved.oldest.job.id))
            .collect();
        let expected: Vec<_> = expected.iter().map(|name| (*name, 2, JobId(1))).collect();
        assert_eq!(found, expected, "{situation}");
        let sum = Demand::of_all(demands.values(), at(100));
        assert_eq!(
            sum.unserved.map_or(0, |unserved| unserved.count),
            found.iter().map(|(_, count, _)| count).sum::<u32>()
        );
    }
}

#[test]
fn a_scale_set_is_given_a_job_before_a_queue_shows_it() {
    let set = |name| {
        fleet_with(name, "labels = [\"docker\"]\npriority = 900\n[demand]\nsource = \"scale-set\"", "")
    };
    let queue = || fleet_with("a", "labels = [\"docker\"]\npriority = 1", "");
    assert_eq!(owner(&[queue(), set("b")], &["docker"]).as_deref(), Some("b"));
    assert_eq!(owner(&[queue(), set("b")], &["docker", "gpu"]), None);
    assert_eq!(owner(&[queue()], &["docker"]).as_deref(), Some("a"));
}
