//! What a rehearsal has made and not yet removed, with the commands that remove it by hand.

use std::fmt;

use crate::model::{ForeignText, OrphanKind, ResourceGroup, RunnerId, RunnerName, Scope};

/// What may be left of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// The name of the runner and its VM.
    pub runner: RunnerName,
    /// Where the VM is.
    pub group: ResourceGroup,
    /// Where the entry is.
    pub scope: Scope,
    /// Whether the VM may be there.
    pub vm: bool,
    /// Whether the entry may be there.
    pub entry: bool,
    /// GitHub's id of the runner, if it is known.
    pub runner_id: Option<RunnerId>,
    /// Parts that the VM left behind.
    pub parts: Vec<(OrphanKind, ForeignText)>,
}

impl Leftovers {
    /// Nothing is made yet.
    pub fn none(runner: RunnerName, group: ResourceGroup, scope: Scope) -> Self {
        Leftovers { runner, group, scope, vm: false, entry: false, runner_id: None, parts: Vec::new() }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        !self.vm && !self.entry && self.parts.is_empty()
    }
}

/// A line for each resource, and below it how it is removed by hand.
impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leftovers { runner, group, scope, .. } = self;
        let at = format!("--subscription {} --resource-group {}", group.subscription_id, group.name);
        if self.vm {
            writeln!(f, "VM {runner}, which costs money:\n  az vm delete --yes {at} --name {runner}")?;
        }
        for (kind, name) in &self.parts {
            let command = match kind {
                OrphanKind::NetworkInterface => format!("az network nic delete {at} --name {name}"),
                OrphanKind::PublicIp => format!("az network public-ip delete {at} --name {name}"),
                OrphanKind::Disk => format!("az disk delete --yes {at} --name {name}"),
            };
            writeln!(f, "{kind} {name}, which costs money:\n  {command}")?;
        }
        if self.entry {
            let path = match scope {
                Scope::Repo(repo) => format!("repos/{repo}"),
                Scope::Org(org) => format!("orgs/{org}"),
                Scope::Enterprise(slug) => format!("enterprises/{slug}"),
            };
            let id = self.runner_id.map_or("ID".to_owned(), |id| id.to_string());
            writeln!(f, "runner {runner} of {scope}:\n  gh api --method DELETE {path}/actions/runners/{id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn each_thing_has_its_command() {
        let pool = "ci".parse().expect("a name");
        let group = ResourceGroup { subscription_id: "s".to_owned(), name: "rg".to_owned() };
        let scope = "repo:o/r".parse().expect("a scope");
        let mut left = Leftovers::none(RunnerName::new(&pool, at(0), 1), group, scope);
        assert!(left.is_empty() && left.to_string().is_empty());
        (left.vm, left.entry, left.runner_id) = (true, true, Some(RunnerId(7)));
        left.parts = OrphanKind::ALL.map(|kind| (kind, "p".into())).to_vec();
        let told = left.to_string();
        for command in [
            "az vm delete --yes --subscription s --resource-group rg --name ci-",
            "az network nic delete --subscription s --resource-group rg --name p",
            "az network public-ip delete ",
            "az disk delete --yes ",
            "gh api --method DELETE repos/o/r/actions/runners/7",
        ] {
            assert!(told.contains(command), "{told}");
        }
    }
}
