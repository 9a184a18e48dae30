//! The ports over the simulated world: what failures mean, and that nothing is done twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::model::{
    CallErrorKind, Deregistration, FoundJob, JobId, RunnerConfig, RunnerError, RunnerId, RunnerName, Scope,
    VmSpec,
};
use azlin_fleet::ports::{Azure, GitHub};
use jiff::Timestamp;

use super::InProcess;
use crate::fixture::{sim_vm, vm_spec};
use crate::github::Conclusion;
use crate::{Workload, World};
use parking_lot::Mutex;

fn cloud(more: &str) -> (Arc<Mutex<World>>, InProcess) {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{more}")).expect("a workload");
    let world = Arc::new(Mutex::new(World::new(&workload, Timestamp::UNIX_EPOCH)));
    (Arc::clone(&world), InProcess::new(world, Arc::new(|| Timestamp::UNIX_EPOCH)))
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn name() -> RunnerName {
    RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, 1)
}

fn config() -> RunnerConfig {
    RunnerConfig {
        scope: scope(),
        runner_name: name(),
        labels: vec!["docker".parse().expect("valid")],
        runner_group: None,
        scale_set: None,
    }
}

fn spec(pool: &str) -> VmSpec {
    VmSpec { tags: BTreeMap::from([("azlin-pool".to_owned(), pool.to_owned())]), ..vm_spec(name()) }
}

#[tokio::test]
async fn a_vm_whose_answer_was_lost_is_there_when_it_is_asked_for_again() {
    let (world, cloud) = cloud("[[faults]]\nwhat = 'lost_answer'\nmethod = 'PUT'\ntimes = 1\n");
    let lost = cloud.create(&spec("ci")).await.expect_err("no answer");
    assert_eq!(lost.kind, CallErrorKind::OutcomeUnknown);
    cloud.create(&spec("ci")).await.expect("the very VM that is asked for");
    let taken = cloud.create(&spec("other")).await.expect_err("another's name");
    assert_eq!(taken.kind, CallErrorKind::NameTaken);
    let report = world.lock().report();
    assert_eq!((report.vms_created, report.overwrites), (1, 0));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_not_empty() {
    let (_world, cloud) = cloud("");
    let nowhere: Scope = "repo:o/other".parse().expect("valid");
    let troubles = [
        cloud.queue(&"o/other".parse().expect("valid")).await.expect_err("no repository").kind,
        cloud.runners(&nowhere).await.expect_err("no repository").kind,
        cloud
            .jit_config(&RunnerConfig { scope: nowhere.clone(), ..config() })
            .await
            .expect_err("no repository")
            .call()
            .kind,
        cloud.runners(&"org:nobody".parse().expect("valid")).await.expect_err("no account").kind,
    ];
    assert_eq!(troubles, [CallErrorKind::NotFound; 4]);
    assert_eq!(cloud.deregister(&nowhere, RunnerId(1)).await, Ok(Deregistration::NotFound));
    assert_eq!(cloud.runners(&"org:O".parse().expect("valid")).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_refusal_means_what_it_means_over_the_wire() {
    let unclear = CallErrorKind::OutcomeUnknown;
    for (what, on_read, on_change) in [
        ("{ status = 502 }", CallErrorKind::Unavailable, unclear),
        ("{ status = 503 }", CallErrorKind::Unavailable, unclear),
        ("{ status = 401 }", CallErrorKind::NotPermitted, CallErrorKind::NotPermitted),
        ("{ status = 403 }", CallErrorKind::Throttled, CallErrorKind::Throttled),
        ("'reset'", CallErrorKind::Unavailable, CallErrorKind::Unavailable),
        ("'truncated'", CallErrorKind::Unavailable, unclear),
        ("'block_page'", CallErrorKind::Unavailable, unclear),
        ("'login_redirect'", CallErrorKind::Unavailable, unclear),
        ("'html_not_found'", CallErrorKind::Unavailable, unclear),
    ] {
        let (_world, cloud) = cloud(&format!("[[faults]]\nwhat = {what}\nside = 'github'\n"));
        assert_eq!(cloud.runners(&scope()).await.expect_err(what).kind, on_read, "{what}");
        let changed = cloud.jit_config(&config()).await.expect_err(what);
        assert_eq!(changed.call().kind, on_change, "{what}");
    }
    let (_world, cloud) = cloud("[[faults]]\nwhat = { status = 503 }\nside = 'azure'\n");
    assert_eq!(cloud.create(&spec("ci")).await.expect_err("503").kind, CallErrorKind::Unavailable);
}

#[tokio::test]
async fn faults_go_by_path_and_the_ledger_by_route() {
    let (world, cloud) = cloud("[[faults]]\nwhat = 'reset'\npath = '/repos/o/r/actions/runners/7'\n");
    cloud.runner(&scope(), RunnerId(7)).await.expect_err("a fault");
    for id in 8..20 {
        assert_eq!(cloud.runner(&scope(), RunnerId(id)).await, Ok(None));
    }
    let requests = world.lock().statistics.requests.clone();
    let routes: Vec<_> = requests.keys().map(|(_, method, route, status)| (method, route, *status)).collect();
    let (get, route) = ("GET".to_owned(), "/repos/{owner}/{repo}/actions/runners/{runner_id}".to_owned());
    assert_eq!(routes, [(&get, &route, 200), (&get, &route, 500)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_time_and_no_caller_waits_longer_than_the_adapters() {
    for (latency, took, created) in [
        ("10s", 10, Ok(())),
        ("50s", 30, Err(CallErrorKind::OutcomeUnknown)),
        ("5m", 30, Err(CallErrorKind::OutcomeUnknown)),
    ] {
        let (world, cloud) = cloud(&format!("[[faults]]\nwhat = {{ latency = '{latency}' }}\n"));
        let began = tokio::time::Instant::now();
        let result = cloud.create(&spec("ci")).await.map_err(|error| error.kind);
        assert_eq!((result, began.elapsed().as_secs()), (created, took), "{latency}");
        tokio::time::sleep(std::time::Duration::from_secs(300)).await;
        let made = world.lock().report().vms_created;
        assert_eq!(made, 1, "it was done all the same, sooner or later");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_twice_makes_one_vm_and_no_second_entry() {
    let (world, cloud) = cloud("[[faults]]\nwhat = 'twice'\n");
    assert_eq!(cloud.create(&spec("ci")).await, Ok(()), "the second finds the very VM");
    let entry = cloud.jit_config(&config()).await;
    let refused =
        matches!(&entry, Err(RunnerError::Registration(error)) if error.kind == CallErrorKind::NameTaken);
    assert!(refused, "{entry:?}");
    let report = world.lock().report();
    assert_eq!((report.vms_created, report.overwrites, report.runners_left), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_dies_sends_nothing_more_and_what_it_sent_has_its_effect() {
    for (points, created) in [(0, 0), (1, 1), (2, 1), (3, 2)] {
        let (world, cloud) = cloud("");
        let calls = async {
            for number in 1..=3 {
                let name = RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, number);
                let _ = cloud.create(&VmSpec { name, ..spec("ci") }).await;
            }
        };
        cloud.crash_caller_after(points);
        tokio::select! {
            biased;
            () = cloud.caller_crashed() => {}
            () = calls => panic!("it lives"),
        }
        let made = world.lock().report().vms_created;
        assert_eq!(made, created, "{points} points");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_limit_is_not_sent_and_looks_leave_the_last_of_it() {
    let (world, cloud) = cloud("settings = { rate_limit = 100 }\n");
    let mut looks = 0;
    while cloud.runners(&scope()).await.is_ok() {
        looks += 1;
    }
    assert_eq!(looks, 98, "two are kept");
    assert_eq!(cloud.deregister(&scope(), RunnerId(1)).await.ok(), Some(Deregistration::NotFound));
    let world = world.lock();
    assert_eq!(world.budget().map(|budget| budget.remaining), Some(1));
    assert_eq!((world.statistics.requests_beyond_limit, world.statistics.requests_held_back), (0, 1));
}

#[tokio::test]
async fn a_job_is_found_by_its_number_in_its_repository_alone() {
    let (world, cloud) = cloud("");
    let job = (vec!["docker".to_owned()], std::time::Duration::from_secs(60));
    let id = world.lock().submit("o/r", vec![job], Vec::new())[0];
    let repo = "o/r".parse().expect("valid");
    let found = cloud.job(&repo, JobId(id)).await.expect("an answer");
    assert!(matches!(found, Some(FoundJob::Open(job)) if job.id == JobId(id)));
    world.lock().state.github.complete(id, Conclusion::Cancelled, Timestamp::UNIX_EPOCH);
    let found = cloud.job(&repo, JobId(id)).await.expect("an answer");
    assert!(matches!(found, Some(FoundJob::Completed(job)) if job.conclusion == "cancelled"));
    assert_eq!(cloud.job(&"o/x".parse().expect("valid"), JobId(id)).await, Ok(None));
}

#[tokio::test]
async fn a_page_of_something_on_the_way_removes_nothing_and_is_no_absence() {
    for what in ["block_page", "login_redirect", "html_not_found"] {
        let faults = format!("[[faults]]\nwhat = '{what}'\nfrom = '0s'\ntimes = 2\n");
        let (world, cloud) = cloud(&faults);
        let made = world.lock().jit_config(&scope(), "a", 1, vec!["docker".to_owned()]).expect("a runner").0;
        cloud.runner(&scope(), RunnerId(made.id)).await.expect_err(what);
        cloud.deregister(&scope(), RunnerId(made.id)).await.expect_err(what);
        assert_eq!(world.lock().report().runners_left, 1, "{what}");
    }
}

#[tokio::test]
async fn the_old_name_of_a_repository_can_be_read_and_changes_nothing() {
    let (world, cloud) = cloud("");
    world.lock().submit("o/r", vec![(vec!["docker".to_owned()], std::time::Duration::ZERO)], Vec::new());
    let made = world.lock().jit_config(&scope(), "a", 1, vec!["docker".to_owned()]).expect("a runner").0;
    world.lock().rename_repo("o/r", "o/new");
    assert_eq!(cloud.queue(&"o/r".parse().expect("valid")).await.expect("a queue").jobs.len(), 1);
    assert_eq!(cloud.runners(&scope()).await.expect("a list").len(), 1);
    assert_eq!(cloud.runner(&scope(), RunnerId(made.id)).await.map(|entry| entry.is_some()), Ok(true));
    let refused = cloud.deregister(&scope(), RunnerId(made.id)).await.expect_err("307");
    assert_eq!(refused.call().kind, CallErrorKind::Invalid);
    assert!(cloud.jit_config(&config()).await.is_err() && cloud.registration_token(&scope()).await.is_err());
    let new: Scope = "repo:o/new".parse().expect("valid");
    assert_eq!(cloud.deregister(&new, RunnerId(made.id)).await, Ok(Deregistration::Removed));
}

#[tokio::test]
async fn the_list_the_entry_and_the_removal_of_a_busy_runner_may_all_err() {
    let (world, _) = cloud("[[faults]]\nwhat = 'list_idle'\n[[faults]]\nwhat = 'delete_idle'\n");
    let id = {
        let mut world = world.lock();
        let id = sim_vm(&mut world, &scope(), "a");
        world.submit(
            "o/r",
            vec![(vec!["docker".to_owned()], std::time::Duration::from_secs(900))],
            Vec::new(),
        );
        world.advance(Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(600));
        assert!(world.state.github.runners[&id].job.is_some());
        id
    };
    let cloud = InProcess::new(Arc::clone(&world), Arc::new(|| Timestamp::UNIX_EPOCH));
    assert_eq!(cloud.runners(&scope()).await.map(|list| list[0].busy), Ok(false));
    assert_eq!(
        cloud.runner(&scope(), RunnerId(id)).await.map(|entry| entry.map(|it| it.busy)),
        Ok(Some(false))
    );
    assert_eq!(cloud.deregister(&scope(), RunnerId(id)).await, Ok(Deregistration::Removed));
    assert_eq!(world.lock().report().jobs_killed, 1);
}
