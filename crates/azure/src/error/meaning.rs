//! What Azure's error codes mean: one table, from a code, and a text where the code alone says too little, to what the
//! daemon does differently, and to what a person can do.
//!
//! Codes are compared without regard to case. A code that is not here, or only with other texts, is judged by the
//! status of its answer (sources: Learn, Resolve common Azure deployment errors; Error messages for Azure Spot VMs;
//! Compute throttling limits; reports of what the services answer).

use azlin_fleet::model::{Advice, CallErrorKind, QuotaScope, UnfitScope};
use azlin_http::quote;

use crate::error::body::BodyError;

/// What a known error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeMeaning {
    pub(crate) kind: CallErrorKind,
    /// What a person can do, where the kind alone does not say it.
    pub(crate) advice: Option<Advice>,
}

impl CodeMeaning {
    fn with(kind: CallErrorKind, advice: Advice) -> Self {
        CodeMeaning { kind, advice: Some(advice) }
    }

    /// The same, with what it takes from the answer in a form that a message may show.
    pub(crate) fn quoted(self, secrets: &[&str]) -> Self {
        let advice = self.advice.map(|advice| match advice {
            Advice::AskFor { action, scope } => Advice::AskFor {
                action: quote(&action, secrets).into(),
                scope: quote(&scope, secrets).into(),
            },
            Advice::RemoveLock(scope) => Advice::RemoveLock(scope.map(|scope| quote(&scope, secrets))),
            advice => advice,
        });
        CodeMeaning { advice, ..self }
    }
}

impl From<CallErrorKind> for CodeMeaning {
    fn from(kind: CallErrorKind) -> Self {
        CodeMeaning { kind, advice: None }
    }
}

/// What an error means, if its code and its text say it.
pub(crate) fn of(error: &BodyError) -> Option<CodeMeaning> {
    let code = error.code.to_ascii_lowercase();
    let said = error.message.to_ascii_lowercase();
    let says = |text: &str| said.contains(text);
    let meaning = match code.as_str() {
        "allocationfailed"
        | "zonalallocationfailed"
        | "overconstrainedallocationrequest"
        | "overconstrainedzonalallocationrequest"
        | "skunotavailable" => CallErrorKind::NoCapacity.into(),
        "operationnotallowed" if says("max price") => price(),
        "spotpricegreaterthanprovidedmaxprice" => price(),
        "quotaexceeded" => quota(&said),
        "operationnotallowed" if says("quota") => quota(&said),
        "publicipcountlimitreached" => {
            CodeMeaning::with(CallErrorKind::NoQuota(QuotaScope::Addresses), Advice::RaiseAddressQuota)
        }
        // Room returns when VMs are deleted.
        "subnetisfull" | "insufficientsubnetsize" => {
            CodeMeaning::with(CallErrorKind::NoQuota(QuotaScope::Addresses), Advice::EnlargeSubnet)
        }

        "vmsizenotsupported" | "vmsizeisnotpermittedtoenableacceleratednetworking" | "invalidvmsize" => {
            size()
        }
        "notsupported"
        | "badrequest"
        | "invalidparameter"
        | "invalidparametervalue"
        | "invalidrequest"
        | "operationnotallowed"
            if is_about_size(error, &said) =>
        {
            size()
        }
        "azurespotisnotsupportedforthisvmsize" => {
            CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::SpotSize), Advice::DropSpotSize)
        }
        "azurespotfeaturenotenabledforsubscription" => {
            CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::Spot), Advice::EnableSpot)
        }
        "maxpricevalueinvalid" => CallErrorKind::Invalid.into(),
        "availabilityzonenotsupported"
        | "invalidavailabilityzone"
        | "locationnotsupportavailabilityzones"
        | "resourcetypenotsupportavailabilityzones" => zone(Advice::DropZone),
        "badrequest" | "invalidparameter" | "invalidrequest"
            if says("supported zones for location") || says("does not support availability zones") =>
        {
            zone(Advice::DropZone)
        }
        "computeresourcezoneconstraintdoesnotmatchpublicipaddresszoneconstraint" => {
            zone(Advice::DropZoneOrAddress)
        }
        "requestdisallowedbyazure" | "locationnotavailableforresourcetype" => {
            CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::Region), Advice::UseOtherRegion)
        }
        "galleryimagenotfound" if says("not available in") => {
            CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::Region), Advice::ReplicateImage)
        }
        "galleryimagenotfound" => CallErrorKind::Invalid.into(),

        "authorizationfailed" | "linkedauthorizationfailed" => {
            CodeMeaning { kind: CallErrorKind::NotPermitted, advice: missing_grant(&error.message) }
        }
        "expiredauthenticationtoken" => CallErrorKind::NotPermitted.into(),
        "requestdisallowedbypolicy" => policy(&said),
        "scopelocked" => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::RemoveLock(locked_scope(&error.message)))
        }
        "resourcegroupbeingdeleted" => CodeMeaning::with(CallErrorKind::Blocked, Advice::UseOtherGroup),
        "readonlydisabledsubscription"
        | "disabledsubscription"
        | "subscriptiondisabled"
        | "vmstoppedtowarnsubscription" => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::EnableSubscription)
        }
        "missingsubscriptionregistration" | "subscriptionnotregistered" => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::RegisterProvider(namespace(&error.message)))
        }
        "resourcepurchasevalidationfailed" | "marketplacepurchaseeligibilityfailed" => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::AcceptImageTerms)
        }
        "vmmarketplaceinvalidinput" => CodeMeaning::with(CallErrorKind::Invalid, Advice::UseImageWithoutPlan),
        "failedidentityoperation" => CodeMeaning::with(CallErrorKind::Invalid, Advice::CheckVmIdentity),
        "noregisteredproviderfound" | "invalidapiversionparameter" => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::ReportVersion)
        }
        "invalidresourcetype" if says("api version") => {
            CodeMeaning::with(CallErrorKind::Blocked, Advice::ReportVersion)
        }

        "anotheroperationinprogress"
        | "retryableerror"
        | "retryableerrorduetoanotheroperation"
        | "conflictingconcurrentwritenotallowed"
        | "attachdiskwhilebeingdetached"
        | "operationpreempted" => CallErrorKind::Unavailable.into(),
        "nicreservedforanothervm" | "nicinuse" => {
            CodeMeaning::with(CallErrorKind::Unavailable, Advice::WaitForNic)
        }
        _ => return None,
    };
    Some(meaning)
}

fn price() -> CodeMeaning {
    CodeMeaning::with(CallErrorKind::NoCapacity, Advice::RaiseMaxPrice)
}

fn size() -> CodeMeaning {
    CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::Size), Advice::DropSize)
}

fn zone(advice: Advice) -> CodeMeaning {
    CodeMeaning::with(CallErrorKind::Unfit(UnfitScope::Zone), advice)
}

/// Whether a general code is about the size: it does not exist here, or does not boot this image or disk.
fn is_about_size(error: &BodyError, said: &str) -> bool {
    let says = |text: &str| said.contains(text);
    error.target.rsplit('.').next().is_some_and(|target| target.eq_ignore_ascii_case("vmSize"))
        || says("cannot boot") && says("size")
        || says("provided for the vm size is not valid")
        || says("ephemeral") && (says("vm size") || says("vmsize"))
        || says("not supported for vm size")
        || says("the vm size") && says("not supported")
}

/// What the quota counts that is used up: "exceeding approved Total Regional Cores quota", "exceeding
/// approved LowPriorityCores quota", "exceeding approved standardDSv5Family Cores quota". A limit of 0 is a
/// subscription that never had any: waiting does not help.
fn quota(said: &str) -> CodeMeaning {
    let regional = ["total regional", "lowpriority", "low priority", "regional spot"];
    let of = if regional.iter().any(|words| said.contains(words)) {
        QuotaScope::Region
    } else {
        QuotaScope::Family
    };
    let has_none = said
        .split("current limit: 0")
        .nth(1)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit() || next == '.'));
    if has_none {
        CallErrorKind::Unfit(UnfitScope::Quota(of)).into()
    } else {
        CallErrorKind::NoQuota(of).into()
    }
}

/// Azure's own policies on sizes and regions name them; of any other policy only its owner knows what it asks for.
fn policy(said: &str) -> CodeMeaning {
    let says = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let kind = if says(&["allowed vm size", "allowed virtual machine size"]) {
        CallErrorKind::Unfit(UnfitScope::Size)
    } else if says(&["allowed location", "allowed region"]) {
        CallErrorKind::Unfit(UnfitScope::Region)
    } else {
        CallErrorKind::NotPermitted
    };
    CodeMeaning::with(kind, Advice::ChangePolicy)
}

/// The action and the scope that a refusal names: "does not have authorization to perform action 'A' over scope
/// 'S'", "does not have permission to perform action(s) 'A' on the linked scope(s) 'S'".
fn missing_grant(message: &str) -> Option<Advice> {
    let rest = ["does not have authorization", "does not have permission"]
        .iter()
        .find_map(|words| Some(message.split_once(words)?.1))?;
    let mut quoted = rest.split('\'').skip(1).step_by(2);
    let (action, scope) = (quoted.next()?, quoted.next()?);
    let is_action = |c: char| c.is_ascii_alphanumeric() || "./*,_ -".contains(c);
    (action.starts_with("Microsoft.") && action.chars().all(is_action) && is_scope(scope))
        .then(|| Advice::AskFor { action: action.into(), scope: scope.into() })
}

/// The scope that is locked: "because following scope(s) are locked: 'S'".
fn locked_scope(message: &str) -> Option<String> {
    let scope = message.split_once("locked:")?.1.split('\'').nth(1)?;
    is_scope(scope).then(|| scope.to_owned())
}

fn is_scope(text: &str) -> bool {
    text.starts_with('/') && !text.chars().any(|c| c.is_control() || c == '"')
}

/// The service that the subscription has not registered: "The subscription is not registered to use
/// namespace 'Microsoft.Compute'."
fn namespace(message: &str) -> String {
    let quoted = message.split('\'').nth(1).unwrap_or_default();
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let namespace = Some(quoted).filter(|text| text.starts_with("Microsoft.") && is_name(text));
    namespace.unwrap_or("NAMESPACE").to_owned()
}
