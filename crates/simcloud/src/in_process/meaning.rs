//! What Azure's refusals mean behind the ports. It is what the adapter makes of the same answers over HTTP:
//! crates/azure/tests/simcloud.rs compares the two, code by code.

use azlin_fleet::model::{CallError, CallErrorKind, QuotaScope, UnfitScope};

use crate::fault::CodedRefusal;

/// The error for a refusal of Azure's, as the adapter reads it. `lost` is what a lost answer means.
pub(super) fn refused(refusal: &CodedRefusal, lost: CallErrorKind) -> CallError {
    let CodedRefusal { status, code, message } = refusal;
    CallError::new(meaning(*status, code, message, lost), format!("{status} {code} \"{message}\""))
}

/// What an error code means. `lost` is what a lost answer means.
pub(super) fn meaning(status: u16, code: &str, message: &str, lost: CallErrorKind) -> CallErrorKind {
    let says = |text: &str| message.contains(text);
    match code {
        "AllocationFailed"
        | "ZonalAllocationFailed"
        | "OverconstrainedAllocationRequest"
        | "OverconstrainedZonalAllocationRequest"
        | "SkuNotAvailable"
        | "SpotPriceGreaterThanProvidedMaxPrice" => CallErrorKind::NoCapacity,
        "OperationNotAllowed" if says("max price") => CallErrorKind::NoCapacity,
        "QuotaExceeded" | "OperationNotAllowed" if says("quota") || code == "QuotaExceeded" => {
            let of =
                if says("Regional") || says("LowPriority") { QuotaScope::Region } else { QuotaScope::Family };
            if says("Current Limit: 0,") {
                CallErrorKind::Unfit(UnfitScope::Quota(of))
            } else {
                CallErrorKind::NoQuota(of)
            }
        }
        "SubnetIsFull" | "InsufficientSubnetSize" | "PublicIPCountLimitReached" => {
            CallErrorKind::NoQuota(QuotaScope::Addresses)
        }
        "VMSizeNotSupported" => CallErrorKind::Unfit(UnfitScope::Size),
        "NotSupported" if says("Ephemeral") => CallErrorKind::Unfit(UnfitScope::Size),
        "BadRequest" if says("cannot boot") => CallErrorKind::Unfit(UnfitScope::Size),
        "AzureSpotIsNotSupportedForThisVMSize" => CallErrorKind::Unfit(UnfitScope::SpotSize),
        "AzureSpotFeatureNotEnabledForSubscription" => CallErrorKind::Unfit(UnfitScope::Spot),
        "AvailabilityZoneNotSupported" => CallErrorKind::Unfit(UnfitScope::Zone),
        "RequestDisallowedByAzure" => CallErrorKind::Unfit(UnfitScope::Region),
        "GalleryImageNotFound" if says("not available in") => CallErrorKind::Unfit(UnfitScope::Region),
        "ScopeLocked"
        | "ResourceGroupBeingDeleted"
        | "ReadOnlyDisabledSubscription"
        | "SubscriptionNotRegistered"
        | "MissingSubscriptionRegistration"
        | "MarketplacePurchaseEligibilityFailed"
        | "VMStoppedToWarnSubscription" => CallErrorKind::Blocked,
        "PreconditionFailed" => CallErrorKind::NameTaken,
        "RetryableErrorDueToAnotherOperation" | "NicReservedForAnotherVm" | "NicInUse" => {
            CallErrorKind::Unavailable
        }
        _ => match status {
            429 => CallErrorKind::Throttled,
            401 | 403 => CallErrorKind::NotPermitted,
            404 => CallErrorKind::NotFound,
            400 if code.starts_with("Invalid")
                || matches!(code, "BadRequest" | "FailedIdentityOperation") =>
            {
                CallErrorKind::Invalid
            }
            400 => CallErrorKind::Unknown,
            500.. if status != 503 => lost,
            _ => CallErrorKind::Unavailable,
        },
    }
}
