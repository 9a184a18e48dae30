use azlin_fleet::model::Scope;

use super::*;
use crate::workload::Workload;

fn world(more: &str) -> World {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{more}")).expect("valid");
    World::new(&workload, Timestamp::UNIX_EPOCH)
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn asked(world: &mut World, name: &str) -> Registration {
    let (token, _) = world.issue_runner_token(&scope(), TokenUse::Register);
    Registration {
        scope: scope(),
        token,
        name: name.to_owned(),
        labels: vec!["docker".to_owned()],
        group: None,
        ephemeral: false,
        replace: false,
    }
}

#[test]
fn a_scope_is_a_pages_path() {
    for (path, expected) in [
        ("o/r", Some("repo:o/r")),
        ("o", Some("org:o")),
        ("enterprises/e", Some("enterprise:e")),
        ("a/b/c", None),
        ("", None),
    ] {
        let scope = scope_of(path).map(|scope| scope.to_string());
        assert_eq!(scope.as_deref(), expected, "{path}");
    }
}

#[test]
fn a_token_is_good_for_its_scope_its_use_and_an_hour() {
    let mut world = world("");
    let good = asked(&mut world, "a");
    let status =
        |world: &mut World, asked: &Registration| world.register(asked).map_err(|refused| refused.status);
    let elsewhere = Registration { scope: "repo:o/other".parse().expect("valid"), ..good.clone() };
    assert_eq!(status(&mut world, &elsewhere).err(), Some(404));
    let (remove, _) = world.issue_runner_token(&scope(), TokenUse::Remove);
    assert_eq!(status(&mut world, &Registration { token: remove, ..good.clone() }).err(), Some(404));
    let id = status(&mut world, &good).expect("registered").id;
    assert_eq!(status(&mut world, &good).err(), Some(409), "the name is in use");
    let replacing = Registration { replace: true, ..good };
    assert_eq!(status(&mut world, &replacing).expect("replaced").id, id);
    world.advance(Timestamp::UNIX_EPOCH + Duration::from_secs(3600));
    assert_eq!(status(&mut world, &replacing).err(), Some(404), "the token has expired");
}

#[test]
fn a_refusal_strikes_as_often_as_it_says() {
    let mut world = world("[[faults]]\nwhat = 'registration_refused'\ntimes = 1\n");
    let asked = asked(&mut world, "a");
    assert_eq!(world.register(&asked).map_err(|refused| refused.status).err(), Some(403));
    assert!(world.register(&asked).is_ok());
}

#[test]
fn a_runner_that_polls_is_online_gets_jobs_and_is_lost_with_its_silence() {
    let mut world = world("");
    let asked = asked(&mut world, "a");
    let runner = world.register(&asked).expect("registered");
    let at = |seconds| Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
    let poll = |world: &mut World, with| {
        world.poll(runner.id, &runner.secret, None, with).map(|job| job.map(|job| job.id))
    };
    assert_eq!(world.poll(runner.id, "wrong", None, None).map_err(|refused| refused.status).err(), Some(401));
    assert_eq!(poll(&mut world, None), Ok(None));
    let is_online = |world: &World| world.state.github.runners[&runner.id].online;
    assert!(is_online(&world));
    let jobs = vec![(vec!["docker".to_owned()], Duration::from_secs(1)); 2];
    let jobs = world.submit("o/r", jobs, Vec::new());
    assert_eq!(poll(&mut world, None), Ok(Some(jobs[0])));
    world.advance(at(4));
    assert_eq!(poll(&mut world, Some(jobs[0])), Ok(Some(jobs[0])), "the same until it is done");
    let report = |job| crate::session::JobReport {
        job,
        conclusion: crate::github::Conclusion::Success,
        result: crate::github::JobResult { output: "done".to_owned(), ..Default::default() },
    };
    assert_eq!(world.report_job(runner.id, &runner.secret, report(jobs[0])), Ok(()));
    assert_eq!(
        world.state.github.jobs[&jobs[0]].result.as_ref().map(|result| result.output.as_str()),
        Some("done")
    );
    assert_eq!(poll(&mut world, None), Ok(Some(jobs[1])), "it is not ephemeral");
    assert_eq!(poll(&mut world, Some(jobs[1])), Ok(Some(jobs[1])));
    world.advance(at(8));
    assert!(is_online(&world), "it was heard of four seconds ago");
    world.advance(at(9));
    assert!(!is_online(&world));
    world.advance(at(9) + world.settings.lost_after);
    let state = world.state.github.jobs[&jobs[1]].state;
    assert_eq!(state, crate::github::JobState::Completed(crate::github::Conclusion::Failure));
    assert_eq!(world.deregister(&scope(), runner.id), crate::Removal::Removed);
    assert_eq!(poll(&mut world, None).map_err(|refused| refused.status).err(), Some(404));
}

/// The listener was frozen with the message in its hands, and then killed.
#[test]
fn a_job_that_a_listener_was_sent_and_never_acquired_goes_back_to_the_queue() {
    let mut world = world("");
    let asked = asked(&mut world, "a");
    let runner = world.register(&asked).expect("registered");
    assert_eq!(world.poll(runner.id, &runner.secret, None, None).map(|job| job.is_some()), Ok(false));
    let jobs = vec![(vec!["docker".to_owned()], Duration::from_secs(1))];
    let job = world.submit("o/r", jobs, Vec::new())[0];
    let sent = world.poll(runner.id, &runner.secret, None, None).expect("known");
    assert_eq!(sent.map(|job| job.state), Some(crate::github::JobState::Queued));
    let at = |seconds| Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
    world.advance(at(59));
    assert!(!world.state.github.queued.contains(&job));
    world.advance(at(61));
    assert!(world.state.github.queued.contains(&job));
    assert_eq!(
        (world.report().jobs_lost_to_faults, world.state.github.jobs[&job].runner.as_ref()),
        (0, None)
    );
}
