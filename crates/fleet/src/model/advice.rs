//! What a person can do about a call that failed.

use std::fmt;
use std::time::Duration;

/// What a person can do about a call that failed. [`Display`](fmt::Display) makes the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// GitHub refuses the token: set another.
    ReplaceToken,
    /// The token lacks a permission, in GitHub's words.
    GrantToken(&'static str),
    /// GitHub shows nothing under this name: it is not there, or the token lacks a permission, in GitHub's words.
    CheckNameAndToken(&'static str),
    /// The clock of this machine is ahead of GitHub's by so many seconds, or behind it where the number is negative.
    SetClock(i64),
    /// The GitHub App's id and key do not belong together.
    CheckAppKey,
    /// The GitHub App is not installed under this number.
    CheckInstallation,
    /// The owner has suspended the installation of the GitHub App.
    UnsuspendInstallation,
    /// Azure's credential is not accepted, or cannot be used: what its kind needs.
    CheckCredential(&'static str),
    /// Azure's identity lacks the roles that the daemon needs.
    GrantRoles,
    /// Azure's identity lacks this action.
    GrantAction(&'static str),
    /// The subscription has not registered this service of Azure.
    RegisterProvider(String),
    /// A policy of the subscription forbids the request.
    ChangePolicy,
    /// A lock protects the resource.
    RemoveLock,
    /// The quota is used up.
    RaiseQuota,
    /// Azure has no such machine there.
    AddSizeOrZone,
    /// The name of a runner is taken.
    RenameRunner,
    /// The name of a VM is taken.
    RenameVm,
    /// Azure has nothing under one of the names in the fleet's file.
    CheckAzureNames,
    /// GitHub does not take the request.
    CheckRequest,
    /// Azure does not take the request.
    CheckVmSection,
    /// There is no connection to the address that this setting holds.
    CheckConnection(&'static str),
    /// GitHub redirects to another host.
    CheckApiUrl,
    /// The answer is none of GitHub's.
    CheckProxy,
    /// Nothing: the daemon tries again later.
    Wait,
    /// Nothing: GitHub has trouble, and the daemon tries again later.
    WaitForGitHub,
    /// Nothing: the daemon sends nothing for so long.
    WaitFor(Duration),
    /// Nothing: the next tick finds out whether the request was carried out.
    LookAgain,
    /// azlin does not know the refusal.
    Report,
}

impl Advice {
    /// What a person does who makes one call by hand, as `check` does: no daemon repeats it.
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
            Advice::ReplaceToken => {
                "the token is wrong, has expired or was revoked: set GITHUB_TOKEN to one that is valid"
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
            Advice::RemoveLock => "remove the lock on the resource group, or it stays as it is",
            Advice::RaiseQuota => "ask for a higher quota, or use sizes of another family",
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
