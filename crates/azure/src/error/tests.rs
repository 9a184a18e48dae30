use azlin_fleet::model::{QuotaScope, UnfitScope};

use super::*;

mod refusals;

fn refused(status: u16, code: &str, message: &str) -> ArmError {
    let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
    let refusal = ArmRefusal::new(status, body.as_bytes(), Some(Duration::from_secs(17)), &[]);
    ArmError { how: How::Refused(refusal), may_be_done: false }
}

#[test]
fn a_provider_that_is_not_registered() {
    for (said, namespace) in [
        (
            "The subscription is not registered to use namespace 'Microsoft.Compute'. See x",
            "Microsoft.Compute",
        ),
        ("in 'a; rm' words", "NAMESPACE"),
    ] {
        let error = refused(409, "MissingSubscriptionRegistration", said);
        let told = call_error("list sizes", ArmEffect::Reads, CredentialKind::AzureCli, &error);
        let cure = format!("; az provider register --namespace {namespace}");
        assert!(told.to_string().ends_with(&cure), "{told}");
    }
}

#[test]
fn a_refusal_that_is_not_azures_says_nothing() {
    use ArmEffect::{Creates, Deletes, Reads};
    let page = "<html><title>Blocked</title></html>";
    for (status, body) in [
        (404, page),
        (404, ""),
        (404, r#"{"message": "no such route"}"#),
        (404, r#"{"error": "not found"}"#),
        (404, r#"{"error": {"message": "no code"}}"#),
        (404, r#"{"Message": "No HTTP resource was found."}"#),
        (404, r#"{"code": "NotFound", "message": "a gateway's, without the frame"}"#),
        (401, page),
        (403, page),
        (409, "already exists"),
        (412, ""),
    ] {
        for (effect, expected) in [
            (Reads, CallErrorKind::Unavailable),
            (Creates, CallErrorKind::OutcomeUnknown),
            (Deletes, CallErrorKind::OutcomeUnknown),
        ] {
            let refusal = ArmRefusal::new(status, body.as_bytes(), None, &[]);
            assert!(!refusal.is_absence(), "{status} {body}");
            let error = ArmError { how: How::Refused(refusal), may_be_done: false };
            assert_eq!(kind_of(effect, &error), expected, "{effect:?}: {status} {body}");
        }
    }
    let How::Refused(absence) = refused(404, "ResourceNotFound", "").how else { panic!("a refusal") };
    assert!(absence.is_absence());
}

#[test]
fn what_refusals_mean() {
    use ArmEffect::{Creates, Deletes, Reads};
    for (status, code, message, effect, expected) in [
        (409, "MissingSubscriptionRegistration", "", Reads, CallErrorKind::Blocked),
        (409, "AllocationFailed", "", Creates, CallErrorKind::NoCapacity),
        (409, "ZonalAllocationFailed", "", Creates, CallErrorKind::NoCapacity),
        (400, "OverconstrainedAllocationRequest", "", Creates, CallErrorKind::NoCapacity),
        (400, "OverconstrainedZonalAllocationRequest", "", Creates, CallErrorKind::NoCapacity),
        (409, "SkuNotAvailable", "", Creates, CallErrorKind::NoCapacity),
        (409, "QuotaExceeded", "", Creates, CallErrorKind::NoQuota(QuotaScope::Family)),
        (
            409,
            "OperationNotAllowed",
            "exceeding approved Total Regional Cores quota",
            Creates,
            CallErrorKind::NoQuota(QuotaScope::Region),
        ),
        (
            409,
            "OperationNotAllowed",
            "exceeding approved LowPriorityCores quota",
            Creates,
            CallErrorKind::NoQuota(QuotaScope::Region),
        ),
        (
            409,
            "OperationNotAllowed",
            "exceeding approved standardDSv5Family Cores quota",
            Creates,
            CallErrorKind::NoQuota(QuotaScope::Family),
        ),
        (409, "OperationNotAllowed", "marked for deletion", Creates, CallErrorKind::Unavailable),
        (409, "Conflict", "busy", Deletes, CallErrorKind::Unavailable),
        (409, "AnotherOperationInProgress", "", Deletes, CallErrorKind::Unavailable),
        (409, "RetryableError", "", Creates, CallErrorKind::Unavailable),
        (409, "Conflict", "The resource already exists", Creates, CallErrorKind::NameTaken),
        (412, "PreconditionFailed", "", Creates, CallErrorKind::NameTaken),
        (401, "InvalidAuthenticationToken", "", Reads, CallErrorKind::NotPermitted),
        (403, "AuthorizationFailed", "", Creates, CallErrorKind::NotPermitted),
        (404, "ResourceGroupNotFound", "", Reads, CallErrorKind::NotFound),
        (400, "InvalidParameter", "", Creates, CallErrorKind::Invalid),
        (400, "SubnetIsFull", "", Creates, CallErrorKind::NoQuota(QuotaScope::Addresses)),
        (400, "NeverHeardOf", "", Creates, CallErrorKind::Unknown),
        (418, "", "", Deletes, CallErrorKind::Unknown),
        (429, "TooManyRequests", "", Reads, CallErrorKind::Throttled),
        (503, "ServerBusy", "", Creates, CallErrorKind::Unavailable),
        (500, "InternalServerError", "", Creates, CallErrorKind::OutcomeUnknown),
        (504, "GatewayTimeout", "", Deletes, CallErrorKind::OutcomeUnknown),
        (500, "InternalServerError", "", Reads, CallErrorKind::Unavailable),
    ] {
        assert_eq!(kind_of(effect, &refused(status, code, message)), expected, "{status} {code} {message}");
    }
}

#[test]
fn an_earlier_try_leaves_the_outcome_unknown_unless_the_last_one_settles_it() {
    for (status, code, expected) in [
        (429, "TooManyRequests", CallErrorKind::OutcomeUnknown),
        (503, "ServerBusy", CallErrorKind::OutcomeUnknown),
        (401, "ExpiredAuthenticationToken", CallErrorKind::OutcomeUnknown),
        (409, "AllocationFailed", CallErrorKind::NoCapacity),
        (400, "InvalidParameter", CallErrorKind::Invalid),
    ] {
        let error = ArmError { may_be_done: true, ..refused(status, code, "") };
        assert_eq!(kind_of(ArmEffect::Creates, &error), expected, "{status} {code}");
    }
}

#[test]
fn a_message_says_what_was_tried_and_what_to_do() {
    for (status, code, message, expected) in [
        (
            409,
            "SkuNotAvailable",
            "not in\nwesteurope",
            "PUT vm: 409 SkuNotAvailable \"not in westeurope\"; add another size to sizes, or another zone",
        ),
        (
            401,
            "InvalidAuthenticationTokenTenant",
            "",
            "PUT vm: 401 InvalidAuthenticationTokenTenant; run `az login` as the user that the daemon runs as",
        ),
        (
            403,
            "RequestDisallowedByPolicy",
            "",
            "PUT vm: 403 RequestDisallowedByPolicy; a policy of the subscription forbids it: change the policy, \
             or the fleet's [vm] section",
        ),
        (
            409,
            "ScopeLocked",
            "",
            "PUT vm: 409 ScopeLocked; remove the lock on the resource group, or it stays as it is",
        ),
    ] {
        let refused = refused(status, code, message);
        let error = call_error("PUT vm", ArmEffect::Creates, CredentialKind::AzureCli, &refused);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_proxys_page_is_no_error_of_azures_but_is_shown() {
    let refusal = ArmRefusal::new(502, b"<html>\nBad Gateway</html>", None, &[]);
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("", "<html> Bad Gateway</html>"));
}
