use std::collections::BTreeMap;

use azlin_fleet::model::{CallErrorKind, RunnerName};
use azlin_simcloud::fixture::vm_spec;
use jiff::Timestamp;

use super::*;

fn spec(number: u32) -> VmSpec {
    let pool = "ci".parse().expect("valid");
    let name = RunnerName::new(&pool, Timestamp::UNIX_EPOCH, number);
    let tags = VmTags {
        runner_name: name.clone(),
        pool,
        scope: "repo:o/r".parse().expect("valid"),
        created_at: Timestamp::UNIX_EPOCH,
        github: "api.github.com".into(),
        config_hash: "hash".into(),
        runner_id: None,
        replaces: None,
        host_key: None,
        standby: None,
    };
    VmSpec { tags: tags.to_tags(), ..vm_spec(name) }
}

fn operation() -> Option<Url> {
    "https://management.azure.com/subscriptions/s/operations/7".parse().ok()
}

fn failed() -> CreationEnd {
    let body =
        r#"{"status": "Failed", "error": {"code": "ZonalAllocationFailed", "message": "no room in zone 1"}}"#;
    creation_end(body.as_bytes())
}

#[test]
fn how_an_operation_stands() {
    let failed = |end| match end {
        CreationEnd::Failed(error) => Some(error.kind),
        CreationEnd::Open | CreationEnd::Over => None,
    };
    for (body, kind) in [
        (
            r#"{"status":"Failed","startTime":"2026-03-01T10:00:00.1+00:00","error":{"code":"OverconstrainedZonalAllocationRequest","message":"m"},"name":"7"}"#,
            CallErrorKind::NoCapacity,
        ),
        (
            r#"{"status":"Failed","error":{"code":"AllocationFailed","message":null}}"#,
            CallErrorKind::NoCapacity,
        ),
        (r#"{"status":"failed","Error":{"Code":"allocationfailed"}}"#, CallErrorKind::NoCapacity),
        (
            r#"{"status":"Failed","error":{"code":"OSProvisioningTimedOut","message":"not in time"}}"#,
            CallErrorKind::Unavailable,
        ),
        (
            r#"{"status":"Canceled","error":{"code":"OperationPreempted","message":"by a newer one"}}"#,
            CallErrorKind::Unavailable,
        ),
    ] {
        assert_eq!(failed(creation_end(body.as_bytes())), Some(kind), "{body}");
    }
    for (body, end) in [
        (
            r#"{"startTime":"2026-03-01T10:00:00.1+00:00","status":"InProgress","name":"7"}"#,
            CreationEnd::Open,
        ),
        (r#"{"status":"Creating"}"#, CreationEnd::Open),
        (r#"{"status":"Succeeded","endTime":"2026-03-01T10:01:00+00:00"}"#, CreationEnd::Over),
        (r#"{"status":"Failed"}"#, CreationEnd::Over),
        ("<html>", CreationEnd::Over),
    ] {
        assert_eq!(creation_end(body.as_bytes()), end, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_vanishes_before_it_is_made_is_looked_up_and_listed_as_failed_until_it_is_deleted() {
    let (awaited, spec) = (AwaitedVms::default(), spec(1));
    let (group, name) = (&spec.group, spec.name.as_str());
    awaited.accepted(&spec, operation());
    assert_eq!(awaited.missing_in(group, &[]), [], "a list may lag");
    let vm = |provisioning| Vm { provisioning, ..awaited.0.lock().values().next().expect("one").vm.clone() };
    let creating = vm(ProvisioningState::Creating);
    assert_eq!(awaited.missing_in(group, &[creating]), []);
    let missing = [(name.to_owned(), operation())];
    assert_eq!(awaited.missing_in(group, &[]), missing, "it was there");
    awaited.ended(group, name, CreationEnd::Open);
    assert_eq!((awaited.missing_in(group, &[]), awaited.failed(group, name)), (missing.to_vec(), None));
    awaited.ended(group, name, failed());
    assert_eq!(awaited.missing_in(group, &[]), [(name.to_owned(), None)], "the operation is asked once");
    let vm = awaited.failed(group, name).expect("it failed");
    let why = vm.failure.expect("a reason");
    assert_eq!((vm.provisioning, why.kind), (ProvisioningState::Failed, CallErrorKind::NoCapacity));
    assert_eq!((vm.name.as_str(), vm.tags.config_hash.as_str()), (name, "hash"));
    awaited.deleted(group, name);
    assert_eq!((awaited.missing_in(group, &[]), awaited.failed(group, name)), (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_looking_up() {
    let (awaited, spec) = (AwaitedVms::default(), spec(1));
    let group = &spec.group;
    awaited.accepted(&spec, None);
    tokio::time::advance(LIST_LAG * 2).await;
    assert_eq!(awaited.missing_in(group, &[]), [], "without an operation there is nothing to ask");

    let vm = |provisioning| {
        awaited.accepted(&spec, operation());
        Vm { provisioning, ..awaited.0.lock().values().next().expect("one").vm.clone() }
    };
    for ends in [ProvisioningState::Succeeded, ProvisioningState::Deleting] {
        let shown = vm(ends);
        assert_eq!(awaited.missing_in(group, &[shown]), []);
        tokio::time::advance(LIST_LAG * 2).await;
        assert_eq!(awaited.missing_in(group, &[]), [], "{ends:?}: it was made, or it is being deleted");
    }
    awaited.accepted(&spec, operation());
    let elsewhere = ResourceGroup { name: "other".to_owned(), ..group.clone() };
    tokio::time::advance(LIST_LAG * 2).await;
    assert_eq!(awaited.missing_in(&elsewhere, &[]), [], "a list of another group says nothing");
    tokio::time::advance(FORGOTTEN).await;
    awaited.missing_in(group, &[]);
    assert_eq!(awaited.missing_in(group, &[]), [], "forgotten");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded() {
    let awaited = AwaitedVms::default();
    for number in 0..u32::try_from(MOST_AWAITED).expect("small") + 10 {
        awaited.accepted(&spec(number), operation());
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let kept: BTreeMap<_, _> = awaited.0.lock().clone();
    assert_eq!(kept.len(), MOST_AWAITED);
    let first = spec(0);
    assert!(!kept.contains_key(&(first.group.clone(), first.name.to_string())), "the oldest goes first");
}
