//! What a person can do about a call that failed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a person can do about a call that failed. [`Display`](fmt::Display) makes the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// GitHub refuses the token: set another one. Where the token came from, if that is known.
    ReplaceToken(Option<Arc<str>>),
    /// The token lacks a permission. The text names the permission in GitHub's words.
    GrantToken(Cow<'static, str>),
    /// GitHub shows nothing under this name: the name is wrong, or the token lacks a permission (in GitHub's
    /// words).
    CheckNameAndToken(Cow<'static, str>),
    /// The owner has single sign-on, and the token is not authorised for it. The address where a person does
    /// that, if GitHub names it.
    AuthorizeSignOn(Option<String>),
    /// The owner's IP allow list does not have this machine's address.
    AllowAddress,
    /// GitHub received no `User-Agent` header.
    KeepUserAgent,
    /// GitHub has blocked the repository.
    AskToUnblock,
    /// The repository has another name today, and the fleet's file has the old one.
    RenameRepository,
    /// An old GitHub Enterprise Server has no JIT configurations, or the token lacks a permission (in GitHub's
    /// words).
    UseSshBootstrap(&'static str),
    /// How far this machine's clock is ahead of GitHub's, in seconds; negative means behind.
    SetClock(i64),
    /// GitHub does not accept a time that this machine's clock gave, and does not say how far it is off.
    CheckClock,
    /// The GitHub App's id and key do not belong together.
    CheckAppKey,
    /// The GitHub App has no installation with this id.
    CheckInstallation,
    /// The owner has suspended the installation of the GitHub App.
    UnsuspendInstallation,
    /// Azure does not accept the credential, or the credential cannot be used. The text says what its kind
    /// needs.
    CheckCredential(&'static str),
    /// Azure's identity lacks the roles that the daemon needs.
    GrantRoles,
    /// Azure's identity lacks this action.
    GrantAction(&'static str),
    /// The subscription has not registered this resource provider.
    RegisterProvider(String),
    /// A policy of the subscription forbids the request.
    ChangePolicy,
    /// A lock protects the resource: on this scope, if Azure names it.
    RemoveLock(Option<String>),
    /// The identity lacks an action on a scope, both as Azure names them.
    AskFor {
        /// The action, or several.
        action: Box<str>,
        /// The scope.
        scope: Box<str>,
    },
    /// The subscription is disabled: most often a bill is open.
    EnableSubscription,
    /// The subscription refuses, until a person acts.
    CheckSubscription,
    /// The resource group is being deleted.
    UseOtherGroup,
    /// The terms of the image's offer are not accepted, or the subscription may not buy it.
    AcceptImageTerms,
    /// The image comes from an offer with a plan, which azlin cannot send.
    UseImageWithoutPlan,
    /// The image is not in this region.
    ReplicateImage,
    /// Azure cannot give the VM the identity of the fleet's file.
    CheckVmIdentity,
    /// The cloud does not have the API version that azlin sends.
    ReportVersion,
    /// Azure does not let this subscription create VMs in this region.
    UseOtherRegion,
    /// Azure never makes the fleet's VMs in this size.
    DropSize,
    /// Azure never makes spot VMs of this size.
    DropSpotSize,
    /// The subscription may not have spot VMs.
    EnableSpot,
    /// The region has no such zone for the fleet's sizes.
    DropZone,
    /// A VM in a zone cannot have the public address that Azure makes for it.
    DropZoneOrAddress,
    /// The price of spot VMs is above the fleet's limit.
    RaiseMaxPrice,
    /// The quota is used up.
    RaiseQuota,
    /// The quota of public addresses is used up.
    RaiseAddressQuota,
    /// The subnet has no free address.
    EnlargeSubnet,
    /// A VM holds the NIC, or Azure reserves it for one for three minutes.
    WaitForNic,
    /// Azure does not offer this VM size in that region or zone.
    AddSizeOrZone,
    /// The runner's name is taken.
    RenameRunner,
    /// The VM's name is taken.
    RenameVm,
    /// Azure has no resource with one of the names in the fleet's file.
    CheckAzureNames,
    /// GitHub rejects the request as invalid.
    CheckRequest,
    /// Azure rejects the request as invalid.
    CheckVmSection,
    /// The address in this setting cannot be reached.
    CheckConnection(&'static str),
    /// GitHub redirects to another host.
    CheckApiUrl,
    /// The answer does not come from GitHub.
    CheckProxy,
    /// No action is needed: the daemon tries again later.
    Wait,
    /// No action is needed: GitHub has a failure, and the daemon tries again later.
    WaitForGitHub,
    /// No action is needed: the daemon sends nothing for this long.
    WaitFor(Duration),
    /// No action is needed: the next tick finds out whether the request was carried out.
    LookAgain,
    /// azlin does not know this refusal.
    Report,
}

impl Advice {
    /// The advice for a person who makes one call by hand, as `check` does. No daemon repeats that call.
    pub fn by_hand(&self) -> String {
        match self {
            Advice::Wait => "run check again".to_owned(),
            Advice::WaitForGitHub => format!("{GITHUB_HAS_TROUBLE}: run check again"),
            Advice::WaitFor(wait) => format!("run check again in {} s", seconds(*wait)),
            Advice::Report => UNKNOWN_REFUSAL.to_owned(),
            advice => advice.to_string(),
        }
    }
}

const GITHUB_HAS_TROUBLE: &str = "GitHub has trouble (https://www.githubstatus.com)";
const UNKNOWN_REFUSAL: &str = "azlin does not know this refusal: please report it";

fn seconds(wait: Duration) -> f64 {
    wait.as_secs_f64().ceil()
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Advice::ReplaceToken(Some(origin)) => {
                return write!(
                    f,
                    "GitHub rejects the token in {origin} (wrong, expired or revoked): replace it there, then: systemctl \
                     restart azlin-github-runner"
                );
            }
            Advice::ReplaceToken(None) => {
                "GitHub rejects the token (wrong, expired or revoked): replace it in GITHUB_TOKEN or in the credential github-token, and restart the daemon"
            }
            Advice::GrantToken(needs) => {
                return write!(
                    f,
                    "the token may not do this: it needs {needs}, and single sign-on where the owner has it"
                );
            }
            Advice::CheckNameAndToken(needs) => {
                return write!(
                    f,
                    "it does not exist, or the token may not see it: check the name, and that the token has {needs}"
                );
            }
            Advice::AuthorizeSignOn(Some(address)) => {
                return write!(f, "authorise the token for single sign-on at {address}");
            }
            Advice::AuthorizeSignOn(None) => {
                "authorise the token for single sign-on (GitHub: Settings, Personal access tokens, Configure SSO)"
            }
            Advice::AllowAddress => {
                "let the owner add the address that this machine has on the internet to the IP allow list"
            }
            Advice::KeepUserAgent => {
                "GitHub receives no User-Agent header, which azlin sends: check which proxy takes it away"
            }
            Advice::AskToUnblock => "GitHub has blocked the repository: its owner can ask GitHub Support why",
            Advice::RenameRepository => {
                "the repository was renamed, and what writes follows no redirect: write its new name into the \
                 fleet's file"
            }
            Advice::UseSshBootstrap(needs) => {
                return write!(
                    f,
                    "it does not exist, or the token may not see it: check the name, and that the token has {needs}; an \
                     old GitHub Enterprise Server has no JIT configurations: set method = \"ssh\" in [bootstrap]"
                );
            }
            Advice::CheckClock => {
                "most likely the clock here is wrong: check it (timedatectl), and set it (timedatectl set-ntp true)"
            }
            Advice::SetClock(ahead) => {
                let (off, side) = (ahead.abs(), if *ahead < 0 { "behind" } else { "ahead of" });
                return write!(
                    f,
                    "the clock here is {off} s {side} GitHub's: set it (timedatectl set-ntp true)"
                );
            }
            Advice::CheckAppKey => {
                "check that app_id is the app's, and that the private key is one of its own"
            }
            Advice::CheckInstallation => {
                "check installation_id: it is the number at the end of the installation's address (Settings, \
                 Applications, Configure), and has to be one of this app's"
            }
            Advice::UnsuspendInstallation => {
                "let the owner unsuspend the installation (Settings, Applications, Configure)"
            }
            Advice::CheckCredential(check) => check,
            Advice::GrantRoles => {
                "give the daemon's identity the roles Virtual Machine Contributor and Network Contributor on the \
                 resource group, join on the subnet, and reading virtual machines on the subscription"
            }
            Advice::GrantAction(action) => return write!(f, "grant {action}"),
            Advice::RegisterProvider(namespace) => {
                return write!(f, "az provider register --namespace {namespace}");
            }
            Advice::ChangePolicy => {
                "a policy of the subscription forbids it: change the policy, or the fleet's [vm] section"
            }
            Advice::RemoveLock(Some(scope)) => {
                return write!(f, "ask an owner of {scope} to remove its lock, or it stays as it is");
            }
            Advice::RemoveLock(None) => "remove the lock on the resource group, or it stays as it is",
            Advice::AskFor { action, scope } => {
                return write!(
                    f,
                    "ask an owner of {scope} for {action} on it; a grant takes some minutes to arrive"
                );
            }
            Advice::EnableSubscription => {
                "ask the subscription's account owner to enable it again: most often a bill is open or a credit is used \
                 up"
            }
            Advice::CheckSubscription => "ask the subscription's owner what it means",
            Advice::UseOtherGroup => {
                "ask the subscription's owner why the resource group is being deleted, and set resource_group to another"
            }
            Advice::AcceptImageTerms => {
                "ask the subscription's owner to accept the terms of the image's offer (az vm image terms accept), or use \
                 another image"
            }
            Advice::UseImageWithoutPlan => {
                "the image needs plan information, which azlin cannot send: use an image without a plan"
            }
            Advice::ReplicateImage => {
                "ask the image's owner to replicate it to the region, or use an image that is there"
            }
            Advice::CheckVmIdentity => {
                "check identity in [vm]: that it exists, and that its owner lets it be assigned to VMs"
            }
            Advice::ReportVersion => {
                "this cloud is older than the API version that azlin sends; the fleet's file is right: please report it, \
                 with the name of the cloud"
            }
            Advice::UseOtherRegion => {
                "no role helps: use another region ([[vm.elsewhere]]), or ask Microsoft's support for access to this one"
            }
            Advice::DropSize => {
                "take the size out of sizes, or change what does not fit it: the image's generation, the ephemeral disk's \
                 size, trusted_launch or accelerated_networking"
            }
            Advice::DropSpotSize => "take the size out of sizes, or set regular_fallback = true",
            Advice::EnableSpot => {
                "this kind of subscription has no spot VMs: take spot out of [vm], or ask the subscription's owner for \
                 another offer"
            }
            Advice::DropZone => "take the zone out of zones: the region does not have it for this size",
            Advice::DropZoneOrAddress => {
                "zones and public_ip do not go together here: take one of them out of [vm]"
            }
            Advice::RaiseMaxPrice => "raise max_price, add a size, or set regular_fallback = true",
            Advice::RaiseQuota => "ask for a higher quota, or use sizes of another family",
            Advice::RaiseAddressQuota => {
                "ask for a higher quota of public IP addresses, or set public_ip = false"
            }
            Advice::EnlargeSubnet => {
                "VMs that go make room; if it lasts, use a larger subnet or a lower max_runners"
            }
            Advice::WaitForNic => "its VM goes first; it is tried again after three minutes",
            Advice::AddSizeOrZone => "add another size to sizes, or another zone",
            Advice::RenameRunner => "the name is in use: take another",
            Advice::RenameVm => "another VM has the name: take another",
            Advice::CheckAzureNames => "check subscription_id, resource_group, image and subnet_id",
            Advice::CheckRequest => "GitHub does not take the request as it is",
            Advice::CheckVmSection => {
                "Azure does not take the request as it is: check the fleet's [vm] section"
            }
            Advice::CheckConnection(setting) => {
                return write!(f, "check {setting}, the network, the proxy and the system's certificates");
            }
            Advice::CheckApiUrl => {
                "GitHub points to another host, where the token is not sent: check api_url"
            }
            Advice::CheckProxy => "check api_url, and whether a proxy answers",
            Advice::Wait => "it is tried again later",
            Advice::WaitForGitHub => return write!(f, "{GITHUB_HAS_TROUBLE}: it is tried again later"),
            Advice::WaitFor(wait) => return write!(f, "nothing is sent for {} s", seconds(*wait)),
            Advice::LookAgain => "it may have been carried out; the next tick sees",
            Advice::Report => return write!(f, "{UNKNOWN_REFUSAL}; it is tried again later"),
        };
        f.write_str(text)
    }
}
