//! What Azure's refusals mean, by what they name: bodies in the forms that Azure's services answer with.

use azlin_fleet::model::ErrorPolicy;

use super::*;
use CallErrorKind::{
    Blocked, Invalid, NameTaken, NoCapacity, NoQuota, NotFound, NotPermitted, OutcomeUnknown, Throttled,
    Unavailable, Unfit, Unknown,
};

fn of_body(status: u16, body: &str) -> ArmError {
    let refusal = ArmRefusal::new(status, body.as_bytes(), None, &[]);
    ArmError { how: How::Refused(refusal), may_be_done: false }
}

fn told_of(status: u16, body: &str) -> CallError {
    call_error("PUT vm", ArmEffect::Creates, CredentialKind::AzureCli, &of_body(status, body))
}

fn body(code: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message}}).to_string()
}

#[test]
fn a_refusal_belongs_to_what_it_names() {
    let quota = |name: &str, limit: u32| {
        format!(
            "Operation could not be completed as it results in exceeding approved {name} quota. Additional details - \
             Deployment Model: Resource Manager, Location: northeurope, Current Limit: {limit}, Current Usage: 0, \
             Additional Required: 8, (Minimum) New Limit Required: 8."
        )
    };
    let (family, regional, low) = ("standardFSv2Family Cores", "Total Regional Cores", "LowPriorityCores");
    for (status, code, message, expected) in [
        // Capacity and price.
        (
            409,
            "SkuNotAvailable",
            "Following SKUs have failed for Capacity Restrictions: Standard_F8s_v2",
            NoCapacity,
        ),
        (409, "ZonalAllocationFailed", "not in this zone", NoCapacity),
        (409, "OverconstrainedAllocationRequest", "Constraints applied are:\n  - VM Size\n", NoCapacity),
        (
            409,
            "OperationNotAllowed",
            "Unable to perform operation 'Create Virtual Machine' since the provided max price '0.02 USD' is lower than \
             the current spot price '0.03 USD' for Azure Spot VM size 'Standard_F8s_v2'.",
            NoCapacity,
        ),
        (409, "SpotPriceGreaterThanProvidedMaxPrice", "too low", NoCapacity),
        // Quotas.
        (409, "OperationNotAllowed", &quota(family, 40), NoQuota(QuotaScope::Family)),
        (409, "OperationNotAllowed", &quota(regional, 100), NoQuota(QuotaScope::Region)),
        (409, "OperationNotAllowed", &quota(low, 3), NoQuota(QuotaScope::Region)),
        (409, "QuotaExceeded", &quota("StandardFasv6Family Cores", 10), NoQuota(QuotaScope::Family)),
        (409, "OperationNotAllowed", &quota(family, 0), Unfit(UnfitScope::Quota(QuotaScope::Family))),
        (409, "OperationNotAllowed", &quota(low, 0), Unfit(UnfitScope::Quota(QuotaScope::Region))),
        (400, "PublicIPCountLimitReached", "Cannot create more than 10", NoQuota(QuotaScope::Addresses)),
        (400, "SubnetIsFull", "not enough capacity for 1 IP addresses", NoQuota(QuotaScope::Addresses)),
        (400, "InsufficientSubnetSize", "", NoQuota(QuotaScope::Addresses)),
        // The size.
        (
            409,
            "NotSupported",
            "OS disk of Ephemeral VM with size greater than 30 GB is not allowed for VM size Standard_F2s_v2",
            Unfit(UnfitScope::Size),
        ),
        (
            400,
            "NotSupported",
            "Ephemeral OS disk is not supported for VM size Standard_B1s",
            Unfit(UnfitScope::Size),
        ),
        (
            400,
            "BadRequest",
            "The selected VM size 'Standard_F4as_v6' cannot boot Hypervisor Generation '1'.",
            Unfit(UnfitScope::Size),
        ),
        (
            400,
            "InvalidParameter",
            "The VM size 'Standard_F4as_v6' cannot boot with OS image or disk. Check the disk controller types.",
            Unfit(UnfitScope::Size),
        ),
        (
            400,
            "InvalidParameter",
            "The value Standard_F4s_v99 provided for the VM size is not valid.",
            Unfit(UnfitScope::Size),
        ),
        (400, "VMSizeNotSupported", "not supported for subscription 1", Unfit(UnfitScope::Size)),
        // Spot, zone, region.
        (400, "AzureSpotIsNotSupportedForThisVMSize", "", Unfit(UnfitScope::SpotSize)),
        (409, "AzureSpotFeatureNotEnabledForSubscription", "", Unfit(UnfitScope::Spot)),
        (
            400,
            "AvailabilityZoneNotSupported",
            "The zone(s) '3' is not supported. The supported zones for location 'x' are '1,2'",
            Unfit(UnfitScope::Zone),
        ),
        (
            400,
            "ComputeResourceZoneConstraintDoesNotMatchPublicIPAddressZoneConstraint",
            "a zone constraint 2 but the PublicIPAddress has a different zone constraint Regional",
            Unfit(UnfitScope::Zone),
        ),
        (403, "RequestDisallowedByAzure", "best available regions", Unfit(UnfitScope::Region)),
        (
            404,
            "GalleryImageNotFound",
            "The gallery image /x is not available in northeurope region.",
            Unfit(UnfitScope::Region),
        ),
        (404, "GalleryImageNotFound", "The gallery image /x does not exist.", Invalid),
        (
            403,
            "RequestDisallowedByPolicy",
            "[{\"name\":\"Allowed virtual machine size SKUs\"}]",
            Unfit(UnfitScope::Size),
        ),
        (403, "RequestDisallowedByPolicy", "[{\"name\":\"Allowed locations\"}]", Unfit(UnfitScope::Region)),
        // The fleet.
        (403, "RequestDisallowedByPolicy", "[{\"name\":\"Require a cost centre tag\"}]", NotPermitted),
        (403, "AuthorizationFailed", "", NotPermitted),
        (400, "MaxPriceValueInvalid", "-1 or above zero", Invalid),
        (
            400,
            "InvalidParameter",
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.",
            Invalid,
        ),
        (400, "InvalidResourceReference", "", Invalid),
        (404, "PlatformImageNotFound", "not available", NotFound),
        (400, "VMMarketplaceInvalidInput", "requires Plan information", Invalid),
        (400, "FailedIdentityOperation", "", Invalid),
        // What only a person ends.
        (400, "ResourcePurchaseValidationFailed", "You have not accepted the legal terms", Blocked),
        (400, "MarketplacePurchaseEligibilityFailed", "See inner errors", Blocked),
        (409, "ScopeLocked", "cannot perform write operation", Blocked),
        (409, "ResourceGroupBeingDeleted", "in deprovisioning state", Blocked),
        (409, "ReadOnlyDisabledSubscription", "is disabled", Blocked),
        (409, "SubscriptionNotRegistered", "", Blocked),
        (409, "MissingSubscriptionRegistration", "", Blocked),
        (400, "NoRegisteredProviderFound", "and API version '2025-04-01'", Blocked),
        (400, "InvalidApiVersionParameter", "is invalid", Blocked),
        (400, "InvalidResourceType", "could not be found for api version '2025-04-01'", Blocked),
        (400, "InvalidResourceType", "no such type", Invalid),
        // What passes by itself.
        (409, "OperationNotAllowed", "the VM is marked for deletion", Unavailable),
        (409, "ConflictingConcurrentWriteNotAllowed", "", Unavailable),
        (409, "AttachDiskWhileBeingDetached", "", Unavailable),
        (409, "OperationPreempted", "", Unavailable),
        (400, "NicReservedForAnotherVm", "reserved for another Virtual Machine for 180 seconds", Unavailable),
        (400, "NicInUse", "is used by existing resource", Unavailable),
        (429, "RetryableErrorDueToAnotherOperation", "another operation is in progress", Unavailable),
        (429, "OperationNotAllowed", "exceeding the approved quota of requests", Throttled),
        (429, "SubscriptionRequestsThrottled", "try again after '9' seconds", Throttled),
        (412, "PreconditionFailed", "Etag does not match", NameTaken),
    ] {
        let found = kind_of(ArmEffect::Creates, &of_body(status, &body(code, message)));
        assert_eq!(found, expected, "{status} {code} {message}");
        for code in [code.to_ascii_lowercase(), code.to_ascii_uppercase()] {
            let found = kind_of(ArmEffect::Creates, &of_body(status, &body(&code, message)));
            assert_eq!(found, expected, "the case of a code says nothing: {code}");
        }
    }
}

#[test]
fn a_code_is_found_wherever_azure_puts_it() {
    let size = r#"{"error":{"code":"InvalidParameter","message":"not valid","target":"vmSize"}}"#;
    let policy_tag = r#"{"error":{"code":"InvalidParameter","message":"not valid","target":"tags"}}"#;
    for (status, body, expected) in [
        (409, r#"{"code":"SkuNotAvailable","message":"none"}"#, NoCapacity),
        (409, r#"{"Code":"SkuNotAvailable","Message":"none"}"#, NoCapacity),
        (409, r#"{"Error":{"Code":"skunotavailable","Message":"none"}}"#, NoCapacity),
        (409, r#"{"error":{"code":"SkuNotAvailable","message":null}}"#, NoCapacity),
        (409, r#"{"error":{"code":"SkuNotAvailable"}}"#, NoCapacity),
        (409, r#"{"status":"Failed","error":{"code":"SkuNotAvailable","message":"none"}}"#, NoCapacity),
        (
            409,
            r#"{"error":{"code":"ResourceOperationFailure","message":"state 'Failed'","details":[
                {"code":"ZonalAllocationFailed","message":"not in this zone"}]}}"#,
            NoCapacity,
        ),
        (
            409,
            r#"{"error":{"code":"Conflict","message":"x","details":[{"code":"Other"},{"error":{"code":"QuotaExceeded"}}]}}"#,
            NoQuota(QuotaScope::Family),
        ),
        (
            400,
            r#"{"error":{"code":"BadRequest","message":"x","innererror":{"code":"a","innerError":{"code":"SubnetIsFull"}}}}"#,
            NoQuota(QuotaScope::Addresses),
        ),
        (
            409,
            r#"{"error":{"code":"DeploymentFailed","message":"{\"error\":{\"code\":\"ScopeLocked\",\"message\":\"no\"}}"}}"#,
            Blocked,
        ),
        (400, size, Unfit(UnfitScope::Size)),
        (400, policy_tag, Invalid),
        (
            400,
            r#"{"error":{"code":"MarketplacePurchaseEligibilityFailed","message":"x","details":[{"code":"BadRequest","message":"y"}]}}"#,
            Blocked,
        ),
        (409, r#"{"error":{"code":"AllocationFailed","details":[{"code":"ScopeLocked"}]}}"#, NoCapacity),
        (
            429,
            r#"{"code":"OperationNotAllowed","message":"too many","details":[{"code":"TooManyRequests","target":"HighCostGet","message":"{}"}]}"#,
            Throttled,
        ),
        (409, r#"{"error":{"code":null,"message":"x"}}"#, Unavailable),
        (409, r#"{"error":{"code":7,"message":["x"],"details":"none","innererror":null}}"#, Unavailable),
        (400, r#"{"error":"invalid_request","error_description":"AADSTS7"}"#, OutcomeUnknown),
        (429, "", Throttled),
        (503, "<html><title>503</title></html>", Unavailable),
        (404, "", OutcomeUnknown),
        (400, r#"{"error":{"code":"NeverHeardOf","details":[]}}"#, Unknown),
    ] {
        assert_eq!(kind_of(ArmEffect::Creates, &of_body(status, body)), expected, "{status} {body}");
    }
    let inner = told_of(
        409,
        r#"{"error":{"code":"Failure","message":"it says more","details":[{"code":"AllocationFailed"}]}}"#,
    );
    assert!(inner.to_string().contains("409 AllocationFailed \"it says more\""), "{inner}");
    let mut deep = r#"{"code":"SkuNotAvailable"}"#.to_owned();
    for _ in 0..60 {
        deep = format!(r#"{{"code":"x","innererror":{deep}}}"#);
    }
    assert_eq!(kind_of(ArmEffect::Creates, &of_body(400, &deep)), Unknown, "there is a limit");
}

#[test]
fn a_person_is_told_whom_to_ask_for_what() {
    let scope = "/subscriptions/1/resourceGroups/ci";
    let role = format!(
        "The client 'c' with object id 'o' does not have authorization to perform action \
         'Microsoft.Compute/virtualMachines/write' over scope '{scope}' or the scope is invalid."
    );
    let linked = format!(
        "The client 'c' with object id 'o' has permission to perform action 'Microsoft.Network/networkInterfaces/write' \
         on scope '/other'; however, it does not have permission to perform action(s) \
         'Microsoft.Network/networkSecurityGroups/join/action' on the linked scope(s) '{scope}/nsg' or the linked \
         scope(s) are invalid."
    );
    let lock = format!(
        "cannot perform write operation because following scope(s) are locked: '{scope}'. Remove it."
    );
    for (status, code, message, says) in [
        (
            403,
            "AuthorizationFailed",
            role.as_str(),
            "ask an owner of /subscriptions/1/resourceGroups/ci for Microsoft.Compute/virtualMachines/write on it",
        ),
        (
            403,
            "LinkedAuthorizationFailed",
            &linked,
            "ask an owner of /subscriptions/1/resourceGroups/ci/nsg for Microsoft.Network/networkSecurityGroups/join/action on it",
        ),
        (403, "AuthorizationFailed", "it says 'something' else", "give the daemon's identity the roles"),
        (
            403,
            "AuthorizationFailed",
            "does not have authorization to perform action 'rm -rf' over scope 'x'",
            "give the daemon's identity the roles",
        ),
        (403, "RequestDisallowedByAzure", "", "no role helps: use another region"),
        (409, "ScopeLocked", &lock, "ask an owner of /subscriptions/1/resourceGroups/ci to remove its lock"),
        (409, "ResourceGroupBeingDeleted", "", "why the resource group is being deleted"),
        (409, "ReadOnlyDisabledSubscription", "", "ask the subscription's account owner to enable it again"),
        (
            409,
            "SubscriptionNotRegistered",
            "to use namespace 'Microsoft.Network'",
            "az provider register --namespace Microsoft.Network",
        ),
        (400, "MarketplacePurchaseEligibilityFailed", "", "accept the terms of the image's offer"),
        (400, "NoRegisteredProviderFound", "", "the fleet's file is right: please report it"),
        (404, "GalleryImageNotFound", "not available in x region", "ask the image's owner to replicate it"),
        (400, "NicInUse", "", "its VM goes first"),
        (400, "SubnetIsFull", "", "use a larger subnet"),
        (409, "SpotPriceGreaterThanProvidedMaxPrice", "", "raise max_price"),
    ] {
        let error = told_of(status, &body(code, message));
        assert!(error.to_string().contains(says), "{code}: {error}");
    }
}

#[test]
fn what_a_vm_failed_for_means_the_same_as_a_refusal() {
    for (code, message, kind, policy) in [
        ("OverconstrainedZonalAllocationRequest", "", NoCapacity, ErrorPolicy::AnotherWay),
        ("allocationfailed", "", NoCapacity, ErrorPolicy::AnotherWay),
        (
            "OperationNotAllowed",
            "exceeding approved LowPriorityCores quota. Current Limit: 8, Current Usage: 8",
            NoQuota(QuotaScope::Region),
            ErrorPolicy::AnotherWay,
        ),
        ("VMStoppedToWarnSubscription", "stopped as a warning", Blocked, ErrorPolicy::Stop),
        ("InternalOperationError", "abandoned", Unavailable, ErrorPolicy::Later),
        ("OSProvisioningTimedOut", "not in time", Unavailable, ErrorPolicy::Later),
        ("VMExtensionProvisioningError", "an extension", Unavailable, ErrorPolicy::Later),
    ] {
        let error = told(code, message);
        assert_eq!((error.kind, error.kind.policy()), (kind, policy), "{code}");
    }
}

#[test]
fn a_busy_resource_is_held_back_alone() {
    for (status, code, holds_back, wait) in [
        (429, "RetryableErrorDueToAnotherOperation", Some(Extent::Resource), None),
        (400, "NicReservedForAnotherVm", Some(Extent::Resource), Some(NIC_RESERVED)),
        (400, "nicinuse", Some(Extent::Resource), Some(NIC_RESERVED)),
        (429, "OperationNotAllowed", Some(Extent::Subscription), None),
        (409, "AnotherOperationInProgress", None, None),
    ] {
        let How::Refused(refusal) = of_body(status, &body(code, "")).how else { panic!("a refusal") };
        let found = refusal.holds_back().then_some(refusal.extent);
        assert_eq!((found, refusal.retry_after), (holds_back, wait), "{code}");
    }
}

#[test]
fn no_secret_and_no_second_line_gets_into_an_advice() {
    let message =
        "does not have authorization to perform action 'Microsoft.Compute/x' over scope '/s/hush-hush'";
    let refusal = ArmRefusal::new(403, body("AuthorizationFailed", message).as_bytes(), None, &["hush-hush"]);
    let error = ArmError { how: How::Refused(refusal), may_be_done: false };
    let told = call_error("PUT vm", ArmEffect::Creates, CredentialKind::AzureCli, &error).to_string();
    assert!(!told.contains("hush-hush") && told.contains("ask an owner of /s/[redacted]"), "{told}");
}
