//! What each of several jobs gets, and what is said of jobs that do not wait.

use super::*;

#[test]
fn the_oldest_job_gets_what_is_there_and_each_other_what_comes_after() {
    let ours = |scene: Scene, number| labelled(scene, number, 600, &["self-hosted"]);
    let there = || {
        case("jobs_per_runner = 1\ncooldown = \"0s\"").jobs(4, 90).scene(|scene| {
            let scene = ours(scene.runner(1, 600, Entry::Idle), 1);
            let scene = labelled(scene.runner(2, 600, Entry::Idle), 2, 600, &["other"]);
            offline(scene.runner(3, 60, Entry::Offline), 4)
        })
    };
    for (id, expected) in [
        (1, "an idle runner is there for it"),
        (2, "its runner is starting"),
        (3, "the idle runners lack its labels"),
        (4, "offline"),
    ] {
        let explanation = there().explain(id);
        let told = format!("{} {:?}", explanation.verdict, explanation.links);
        assert!(told.contains(expected), "job {id}: {}", answer(&explanation));
    }
}

#[test]
fn what_holds_is_told_on_the_way() {
    let explanation = case("jobs_per_runner = 1").other("later", "").jobs(2, 90).explain(2);
    let holds: Vec<String> = explanation
        .links
        .iter()
        .filter(|link| link.state == LinkState::Holds)
        .map(|link| format!("{}: {}", link.link.as_str(), link.what))
        .collect();
    insta::assert_snapshot!(holds.join("\n"));
}

#[test]
fn a_job_that_runs_or_is_done_or_is_not_there_waits_no_more() {
    let running = Job {
        status: JobStatus::InProgress,
        runner_name: Some("theirs-1".into()),
        ..waiting(1, 90, &["self-hosted"])
    };
    let explanation = case("").job(running).explain(1);
    assert_eq!(answer(&explanation), "none: runs on theirs-1");
    assert_eq!(explanation.links[0].what, "runs on theirs-1, no runner of ci");
    let busy = case("").scene(|scene| scene.runner(1, 600, Entry::Busy));
    let name = busy.scene.name(1, 600).to_string();
    let ours = Job {
        status: JobStatus::InProgress,
        runner_name: Some(name.clone().into()),
        ..waiting(1, 90, &["self-hosted"])
    };
    let explanation = busy.job(ours).explain(1);
    assert_eq!(explanation.links[0].what, format!("runs on {name}, a runner of ci"));

    let scene = Scene::new("");
    let (plan, queue) = (scene.plan(), Queue::default());
    let (fleet, seen, fleet_state) = (&scene.fleet, &scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&queue), now: at(NOW) };
    let repo: RepoSlug = "o/r".parse().expect("valid");
    let done = CompletedJob {
        id: JobId(1),
        name: "build".into(),
        workflow: None,
        link: None,
        conclusion: "cancelled".into(),
        completed_at: Some(at(NOW - 60)),
        runner_name: None,
    };
    let table = [
        (JobQuery::Completed(&done, &repo), "completed 1m ago"),
        (JobQuery::Completed(&done, &repo), "conclusion cancelled, on no runner"),
        (JobQuery::Unknown(JobId(1), &repo), "GitHub has no job 1 in o/r"),
        (JobQuery::Unseen(JobId(1), "503"), "could not be asked for: 503"),
    ];
    for (asked, words) in table {
        let said = answer(&job(asked, &view, &[fleet]));
        assert!(said.starts_with("queue broken") && said.contains(words), "{said}");
    }
    let nobody = unserved(JobQuery::Unknown(JobId(1), &repo), &repo, &[]);
    assert_eq!(nobody.verdict, "no fleet is on o/r");
}

#[test]
fn a_queue_that_was_not_read_is_told() {
    let mut case = case("");
    case.queue.missing.push("GitHub lists at most 1,000 runs".to_owned());
    let said = answer(&case.explain(1));
    assert!(said.starts_with("demand broken") && said.contains("at most 1,000"), "{said}");
}

#[test]
fn a_job_is_looked_at_for_the_fleet_that_it_counts_for_or_that_is_nearest() {
    let fleets =
        [fleet_with("a", "labels = [\"docker\"]", ""), fleet_with("b", "labels = [\"docker\", \"gpu\"]", "")];
    let fleets: Vec<&Fleet> = fleets.iter().collect();
    let table: &[(&[&str], &str)] =
        &[(&["docker"], "a"), (&["gpu"], "b"), (&["docker", "gpu", "big"], "b"), (&["big"], "a")];
    for (labels, pool) in table {
        let found = best(&fleets, &waiting(1, 9, labels)).map(|fleet| fleet.name.as_str());
        assert_eq!(found, Some(*pool), "{labels:?}");
    }
    // A fleet of the organisation fits better, and does not count jobs.
    let fleets = [
        fleet_with("big", "org = \"o\"", ""),
        fleet_with("ci", "priority = 200\nlabels = [\"docker\"]", ""),
        fleet_with("off", "enabled = false\nlabels = [\"arm\"]", ""),
        fleet_with("wide", "org = \"o\"\nlabels = [\"arm\", \"gpu\"]", ""),
    ];
    let fleets: Vec<&Fleet> = fleets.iter().collect();
    let table: &[(&[&str], &str)] = &[(&[], "ci"), (&["docker"], "ci"), (&["arm"], "wide"), (&["tpu"], "ci")];
    for (labels, pool) in table {
        let found = best(&fleets, &waiting(1, 9, labels)).map(|fleet| fleet.name.as_str());
        assert_eq!(found, Some(*pool), "{labels:?}");
    }
    let far = Job { repo: "x/y".parse().expect("valid"), ..waiting(1, 9, &[]) };
    assert!(best(&fleets, &far).is_none());
}

#[test]
fn the_oldest_are_shown_and_the_rest_is_counted() {
    let mut case = case("").jobs(13, 30).job(waiting(90, 40, &["ubuntu-latest"]));
    case = case
        .job(waiting(91, 50, &["gpu"]))
        .job(Job { status: JobStatus::InProgress, ..waiting(92, 60, &[]) });
    let scene = case.scene.runner(4, 600, Entry::Busy);
    let (plan, fleet) = (scene.plan(), &scene.fleet);
    let (seen, fleet_state) = (&scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&case.queue), now: at(NOW) };
    let found = pool(&view, &[fleet]);
    assert_eq!((found.jobs.len(), found.more_jobs, found.runners.len()), (10, 4, 1));
    assert!(matches!(found.jobs[0].about, ExplainedItem::Job { id: JobId(91), .. }), "nobody serves it");
}
