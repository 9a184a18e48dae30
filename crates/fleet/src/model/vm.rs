//! VMs, as Azure lists them and as they are requested.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::{CallError, PoolName, PowerState, RunnerId, RunnerName, Scope};

/// A resource group: where VMs are made and listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceGroup {
    /// The subscription's id (a UUID).
    pub subscription_id: String,
    /// The group's name.
    pub name: String,
}

impl fmt::Display for ResourceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subscription_id, self.name)
    }
}

/// `provisioningState` of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Azure is making it.
    Creating,
    /// It is made, or was changed with success.
    Succeeded,
    /// Azure could not make or change it. What was made of it is still there and costs money.
    Failed,
    /// Azure is removing it.
    Deleting,
    /// Any other state: it is there, and Azure changes it.
    Other,
}

/// A VM that has our tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm {
    /// The name as Azure has it.
    pub name: String,
    /// The resource group that it is in.
    pub group: ResourceGroup,
    /// The size: `Standard_D4s_v5`.
    pub size: String,
    /// The region.
    pub location: String,
    /// The availability zone.
    pub zone: Option<String>,
    /// Whether Azure may evict it.
    pub spot: bool,
    /// How far Azure is with it.
    pub provisioning: ProvisioningState,
    /// Why Azure could not make it, where that is known.
    pub failure: Option<CallError>,
    /// Whether it runs.
    pub power: PowerState,
    /// Our tags.
    pub tags: VmTags,
}

impl Vm {
    /// Whether no job can be running on it, so that it may go without asking GitHub. A VM that Azure calls failed
    /// may run one: an extension that fails on a running VM makes it failed too.
    pub fn runs_nothing(&self) -> bool {
        self.power.is_off()
    }

    /// Whether it has come to its end: a VM powers off when its runner ends, and none is started again.
    pub fn has_powered_off(&self) -> bool {
        self.power.is_off()
    }
}

/// The tags of a VM: everything that must survive the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmTags {
    /// The fleet that made it.
    pub pool: PoolName,
    /// The runner on it, which has the same name.
    pub runner_name: RunnerName,
    /// The GitHub that its runner is registered with, by the host of its API.
    pub github: String,
    /// Where its runner is registered there.
    pub scope: Scope,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The hash of the configuration that it was made from.
    pub config_hash: String,
    /// The runner's id, where it is known before the VM (JIT configuration).
    pub runner_id: Option<RunnerId>,
    /// The runner that this one replaces.
    pub replaces: Option<String>,
    /// Its host key, where it is bootstrapped over SSH.
    pub host_key: Option<String>,
}

const POOL: &str = "azlin-pool";
const GITHUB: &str = "azlin-github";
const SCOPE: &str = "azlin-scope";
const CREATED: &str = "azlin-created";
const CONFIG: &str = "azlin-config";
const RUNNER: &str = "azlin-runner";
const RUNNER_ID: &str = "azlin-runner-id";
const REPLACES: &str = "azlin-replaces";
const HOST_KEY: &str = "azlin-host-key";

impl VmTags {
    /// The tags to create a VM with.
    pub fn to_tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::from([
            (POOL.to_owned(), self.pool.to_string()),
            (GITHUB.to_owned(), self.github.clone()),
            (SCOPE.to_owned(), self.scope.to_string()),
            (CREATED.to_owned(), self.created_at.to_string()),
            (CONFIG.to_owned(), self.config_hash.clone()),
            (RUNNER.to_owned(), self.runner_name.to_string()),
        ]);
        if let Some(id) = self.runner_id {
            tags.insert(RUNNER_ID.to_owned(), id.to_string());
        }
        if let Some(replaces) = &self.replaces {
            tags.insert(REPLACES.to_owned(), replaces.clone());
        }
        if let Some(host_key) = &self.host_key {
            tags.insert(HOST_KEY.to_owned(), host_key.clone());
        }
        tags
    }

    /// Reads the tags of something that was made with a VM.
    pub fn of_part(tags: &BTreeMap<String, String>) -> Option<Self> {
        VmTags::of(tags.get(RUNNER)?, tags)
    }

    /// Reads the tags of the VM `name`; `None` when they are not ours. The daemon never touches what it did
    /// not create.
    pub fn of(name: &str, tags: &BTreeMap<String, String>) -> Option<Self> {
        let pool: PoolName = tags.get(POOL)?.parse().ok()?;
        let runner = tags.get(RUNNER)?;
        if !runner.eq_ignore_ascii_case(name) {
            return None;
        }
        Some(VmTags {
            runner_name: RunnerName::of_pool(&pool, runner)?,
            github: tags.get(GITHUB).cloned().unwrap_or_default(),
            scope: tags.get(SCOPE)?.parse().ok()?,
            created_at: tags.get(CREATED)?.parse().ok()?,
            config_hash: tags.get(CONFIG).cloned().unwrap_or_default(),
            runner_id: tags.get(RUNNER_ID).and_then(|id| id.parse().ok()).map(RunnerId),
            replaces: tags.get(REPLACES).cloned(),
            host_key: tags.get(HOST_KEY).cloned(),
            pool,
        })
    }
}

/// Power states of a subscription's VMs, by resource group and name. Azure may change the case of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerStates(BTreeMap<(String, String), PowerState>);

impl PowerStates {
    /// Adds the state of a VM.
    pub fn insert(&mut self, group: &str, name: &str, state: PowerState) {
        self.0.insert((group.to_ascii_lowercase(), name.to_ascii_lowercase()), state);
    }

    /// The state of a VM, as far as it is known.
    pub fn of(&self, vm: &Vm) -> PowerState {
        let key = (vm.group.name.to_ascii_lowercase(), vm.name.to_ascii_lowercase());
        self.0.get(&key).copied().unwrap_or(PowerState::Unknown)
    }
}

/// The image of a VM's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Image {
    /// `publisher:offer:sku:version` of the marketplace.
    Marketplace {
        /// The first part.
        publisher: String,
        /// The second part.
        offer: String,
        /// The third part.
        sku: String,
        /// The fourth part; "latest" is allowed.
        version: String,
    },
    /// The resource id of an image or of a gallery's image version.
    Id(String),
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Image::Marketplace { publisher, offer, sku, version } => {
                write!(f, "{publisher}:{offer}:{sku}:{version}")
            }
            Image::Id(id) => f.write_str(id),
        }
    }
}

/// A VM to be made, with everything that the PUT needs.
#[derive(Debug, Clone)]
pub struct VmSpec {
    /// Its name, which its runner has too.
    pub name: RunnerName,
    /// The resource group.
    pub group: ResourceGroup,
    /// The region: `westeurope`.
    pub location: String,
    /// The size: `Standard_D4s_v5`.
    pub size: String,
    /// The image of its disk.
    pub image: Image,
    /// The resource id of the subnet of its NIC.
    pub subnet_id: String,
    /// The resource id of the network security group of its NIC; absent: only that of the subnet applies.
    pub nsg_id: Option<String>,
    /// Whether its NIC bypasses the host's virtual switch. Not every size can do that.
    pub accelerated_networking: bool,
    /// Whether it gets a public address.
    pub public_ip: bool,
    /// The availability zone.
    pub zone: Option<String>,
    /// Whether Azure may evict it.
    pub spot: Option<Spot>,
    /// Whether its disk lives on the host.
    pub ephemeral_os_disk: bool,
    /// The size of its disk; absent: the size of the image.
    pub os_disk_size_gb: Option<u32>,
    /// Whether it boots with secure boot and a virtual TPM.
    pub trusted_launch: bool,
    /// The administrator's account.
    pub admin_user: String,
    /// The public key for that account; absent: no private key exists.
    pub admin_key: Option<String>,
    /// Resource ids of user-assigned identities.
    pub identity: Vec<String>,
    /// All its tags, ours and the user's.
    pub tags: BTreeMap<String, String>,
    /// The custom data for cloud-init, not encoded. At most 64 KiB in base64.
    pub custom_data: SecretString,
}

/// A spot VM.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// The maximum price, in US dollars an hour; `None` is up to the on-demand price.
    pub max_price: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> VmTags {
        let pool: PoolName = "ci".parse().expect("valid");
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().expect("valid");
        VmTags {
            runner_name: RunnerName::new(&pool, at, 1),
            pool,
            github: "api.github.com".to_owned(),
            scope: "repo:o/r".parse().expect("valid"),
            created_at: at,
            config_hash: "abc".to_owned(),
            runner_id: Some(RunnerId(7)),
            replaces: None,
            host_key: Some("ssh-ed25519 AAAA".to_owned()),
        }
    }

    #[test]
    fn tags_read_what_they_write() {
        let tags = tags();
        let name = tags.runner_name.to_string();
        assert_eq!(VmTags::of(&name, &tags.to_tags()), Some(tags.clone()));
        assert_eq!(
            VmTags::of(&name.to_uppercase(), &tags.to_tags()),
            Some(tags),
            "Azure may change its case"
        );
    }

    #[test]
    fn power_states_are_found_in_any_spelling() {
        let vm = crate::fixture::Scene::new("").vm(1, 60, ProvisioningState::Succeeded, PowerState::Unknown);
        let vm = vm.seen.vms.expect("readable").into_values().next().expect("one");
        let mut states = PowerStates::default();
        assert_eq!(states.of(&vm), PowerState::Unknown);
        states.insert(&vm.group.name.to_uppercase(), &vm.name.to_uppercase(), PowerState::Running);
        assert_eq!(states.of(&vm), PowerState::Running);
    }

    #[test]
    fn a_vm_that_only_carries_our_pool_tag_is_not_ours() {
        let tags = tags();
        assert_eq!(VmTags::of("somebody-elses", &tags.to_tags()), None);
        let pool_only = BTreeMap::from([(POOL.to_owned(), "ci".to_owned())]);
        assert_eq!(VmTags::of(tags.runner_name.as_str(), &pool_only), None);
    }
}
