//! What a fleet's file permits jobs that an attacker could use: each is a choice, so it is a warning.
//! docs/explanation/security.md says who is trusted with what.

use super::facts::{AzureFacts, Facts};
use super::{Notes, State};
use crate::config::Fleet;
use crate::model::{ForeignText, RepoSlug, Scope, first_few};
use crate::ports::preflight::{InboundRule, SecurityGroup};

pub(super) fn check(notes: &mut Notes, fleet: &Fleet, facts: &Facts) {
    public_repositories(notes, fleet, facts);
    if !fleet.vm.identity.is_empty() {
        let names = fleet.vm.identity.iter().map(|id| id.rsplit('/').next().unwrap_or_default().to_owned());
        let found = format!("every job can sign in to Azure as {}", first_few(names));
        let cure = "grant it what every job may do and no more, or leave [vm] identity out";
        notes.warning("risk: identity", found, cure);
    }
    if fleet.lifecycle.max_job_count > 1 {
        let found = "a job can leave something behind that the next one on the same VM runs";
        let cure = "set max_job_count = 1 (the default), unless all jobs of this fleet are trusted alike";
        notes.warning("risk: several jobs on a VM", found, cure);
    }
    if let Some(azure) = facts.signed_in_azure() {
        network(notes, fleet, azure);
    }
}

/// What others on the daemon's machine and in its network can read.
pub(super) fn of_the_host(notes: &mut Notes, facts: &Facts) {
    if let Some(listen) = facts.listen.filter(|listen| !listen.ip().is_loopback()) {
        let found = format!(
            "[http] listen = \"{listen}\": everyone who reaches it reads the page, the API and the metrics, with the names of \
             repositories and jobs"
        );
        let cure = "listen on 127.0.0.1 behind a proxy that asks who it is, and give GitHub a door of its own: \
                    webhook_listen";
        notes.warning("risk: listen", found, cure);
    }
    if !facts.exposed.is_empty() {
        let found =
            format!("every user of this machine can read {}", first_few(facts.exposed.iter().cloned()));
        notes.warning("risk: secrets", found, "chmod o-rwx, and make new secrets: these may be known");
    }
}

/// The scopes of tokens that fleets and their webhooks need: of repositories, of organisations, of enterprises.
const NEEDED_SCOPES: [&str; 15] = [
    "repo",
    "public_repo",
    "repo:status",
    "repo_deployment",
    "repo:invite",
    "security_events",
    "admin:repo_hook",
    "write:repo_hook",
    "read:repo_hook",
    "admin:org",
    "write:org",
    "read:org",
    "manage_runners:org",
    "admin:org_hook",
    "manage_runners:enterprise",
];

/// The scopes of a token that no fleet needs, whatever its scope.
pub(super) fn superfluous(scopes: &[ForeignText]) -> Vec<&str> {
    scopes.iter().map(ForeignText::as_str).filter(|scope| !NEEDED_SCOPES.contains(scope)).collect()
}

/// Strangers can have code run by a public repository's workflows (GitHub Docs: Secure use reference, hardening for
/// self-hosted runners).
fn public_repositories(notes: &mut Notes, fleet: &Fleet, facts: &Facts) {
    let found = match &fleet.credential {
        None => facts.github.as_ref(),
        Some(name) => facts.credentials.get(name),
    };
    let Some(Ok(github)) = found else { return };
    let public: Vec<&RepoSlug> = match &fleet.scope {
        Scope::Repo(repo) => {
            let repository = github.scopes.get(&fleet.scope).and_then(|scope| scope.repository.as_ref());
            let is_public = matches!(repository, Some(Ok(repository)) if repository.is_public);
            Some(repo).filter(|_| is_public).into_iter().collect()
        }
        Scope::Org(_) | Scope::Enterprise(_) => {
            let limits =
                github.scopes.get(&fleet.scope).and_then(|scope| scope.limits.get(&fleet.runner_group));
            let is_closed = matches!(limits, Some(Ok(Some(group))) if !group.allows_public);
            let all = github.public.values().flatten().flatten().filter(|_| !is_closed);
            all.filter(|repo| fleet.repositories.iter().any(|pattern| pattern.matches(repo))).collect()
        }
    };
    if !public.is_empty() {
        let names = first_few(public.iter().map(ToString::to_string));
        let found = format!("{names}: a pull request from a stranger's fork may run code on these VMs");
        let cure = "have every outside contributor's run approved (repository: Settings, Actions), give the VMs no identity \
                    and keep max_job_count = 1";
        notes.warning("risk: public repository", found, cure);
    }
}

/// Whether other machines of the network, and the internet, can reach the VMs.
fn network(notes: &mut Notes, fleet: &Fleet, azure: &AzureFacts) {
    // What cannot be read is told where it is looked at.
    let own = match fleet.vm.nsg_id.as_ref().map(|id| azure.security_groups.get(id)) {
        Some(Some(found)) => Some(&found.group),
        Some(None) => return,
        None => None,
    };
    let Some(Ok(subnet)) = azure.subnets.get(&fleet.vm.subnet_id).map(|found| &found.subnet) else { return };
    let of_subnet = subnet.security_group.as_ref().and_then(|id| azure.subnet_groups.get(id.as_str()));
    if let Some(Err(error)) = of_subnet {
        return notes.failed(State::Unknown, "risk: reach", error);
    }
    let groups: Vec<&SecurityGroup> = match own.into_iter().chain(of_subnet).map(Result::as_ref).collect() {
        Ok(groups) => groups,
        Err(_) => return,
    };
    if fleet.vm.public_ip && groups.is_empty() {
        let found =
            "each VM has a public address and no network security group: the internet reaches its SSH port";
        let cure = "name a network security group as nsg_id, or use a NAT gateway instead";
        notes.warning("risk: public_ip", found, cure);
    }
    if !groups.into_iter().any(keeps_apart) {
        let found = "a job can reach the other runners and all that the virtual network lets in";
        let cure = "name as nsg_id a network security group that denies what comes from VirtualNetwork: the package has one \
                    in /usr/share/doc/azlin/examples/network";
        notes.warning("risk: reach", found, cure);
    }
}

/// Whether a group lets nothing in from the virtual network: Azure's own last rules would, so a rule before them must
/// deny it, and none before that may allow it.
fn keeps_apart(group: &SecurityGroup) -> bool {
    let mut rules: Vec<&InboundRule> = group.inbound.iter().filter(|rule| rule.is_of_network()).collect();
    rules.sort_by_key(|rule| rule.priority);
    rules.iter().find(|rule| rule.allows || rule.is_whole()).is_some_and(|rule| !rule.allows)
}

impl InboundRule {
    /// Whether it is about machines of the virtual network.
    fn is_of_network(&self) -> bool {
        let all = ["VirtualNetwork", "*", "Any", "0.0.0.0/0"];
        self.sources.iter().any(|source| all.iter().any(|one| one.eq_ignore_ascii_case(source)))
    }

    /// Whether it is about every port and protocol.
    fn is_whole(&self) -> bool {
        self.protocol == "*" && self.ports.iter().any(|port| port == "*" || port == "0-65535")
    }
}

#[cfg(test)]
mod tests;
