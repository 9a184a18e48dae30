//! Deleting a VM: requested once, and a missing VM is a success.

use azlin_fleet::model::CallErrorKind;
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::Reply;

use crate::{arm_requests, azure, group, name, page, refusal};

#[tokio::test]
async fn a_vm_that_is_gone_is_a_success() {
    let empty = |status| Reply::Answer(status, Vec::new(), String::new());
    for (situation, answer) in [
        ("taken", empty(202)),
        ("done", empty(200)),
        ("was not there", empty(204)),
        ("never was there", refusal(404, "ResourceNotFound", "")),
        ("even its group is gone", refusal(404, "ResourceGroupNotFound", "")),
    ] {
        let (server, azure) = azure(move |_, _| answer.clone()).await;
        azure.delete(&group(), name(7).as_str()).await.expect(situation);
        let requests = arm_requests(&server);
        assert_eq!(requests.len(), 1, "{situation}");
        assert_eq!(requests[0].method, "DELETE");
        assert_eq!(requests[0].query("forceDeletion").as_deref(), Some("true"));
    }
}

#[tokio::test]
async fn nothing_but_azures_own_word_means_that_a_vm_is_gone() {
    let to =
        |status, target: &str| Reply::Answer(status, vec![("location", target.to_owned())], String::new());
    for (situation, answer) in [
        ("a captive portal", page(200)),
        ("a page that was accepted", page(202)),
        ("a status that no deletion has", Reply::Answer(203, Vec::new(), String::new())),
        ("a login page", to(302, "/login")),
        ("a redirect that keeps the method", to(307, "/elsewhere")),
        ("a page of a proxy", page(404)),
        ("nothing at all", Reply::Answer(404, Vec::new(), String::new())),
        ("JSON of another service", Reply::Answer(404, Vec::new(), r#"{"message": "no route"}"#.to_owned())),
        ("a block page", page(403)),
    ] {
        let (server, azure) = azure(move |_, _| answer.clone()).await;
        let error = azure.delete(&group(), name(7).as_str()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::OutcomeUnknown, "{situation}: {error}");
        assert!(error.to_string().contains("Azure"), "{situation}: {error}");
        let requests = arm_requests(&server);
        assert!(requests.iter().all(|request| request.path().ends_with(name(7).as_str())), "{situation}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let (server, azure) = azure(|_, before| match before {
        0 => Reply::HangUp,
        _ => refusal(404, "ResourceNotFound", ""),
    })
    .await;
    azure.delete(&group(), name(7).as_str()).await.expect("gone");
    assert_eq!(arm_requests(&server).len(), 2);
}

#[tokio::test]
async fn what_refusals_mean() {
    for (status, code, expected) in [
        (409, "AnotherOperationInProgress", CallErrorKind::Unavailable),
        (403, "AuthorizationFailed", CallErrorKind::NotPermitted),
        (409, "ScopeLocked", CallErrorKind::Blocked),
        (500, "InternalServerError", CallErrorKind::OutcomeUnknown),
    ] {
        let (_server, azure) = azure(move |_, _| refusal(status, code, "")).await;
        let error = azure.delete(&group(), name(7).as_str()).await.expect_err(code);
        assert_eq!(error.kind, expected, "{code}: {error}");
    }
}
