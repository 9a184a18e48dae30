//! VMs, as Azure lists them and as the daemon requests them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::{
    CallError, ForeignText, PoolName, PowerState, ProvisioningState, RunnerId, RunnerName, Scope,
};

/// A resource group, which holds a fleet's VMs.
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

/// A VM with our tags, or with what is left of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm<T = VmTags> {
    /// The name as Azure spells it.
    pub name: ForeignText,
    /// The resource group that holds the VM.
    pub group: ResourceGroup,
    /// The size, such as `Standard_D4s_v5`.
    pub size: ForeignText,
    /// The region.
    pub location: ForeignText,
    /// The availability zone.
    pub zone: Option<ForeignText>,
    /// Whether Azure may evict the VM.
    pub spot: bool,
    /// The provisioning state.
    pub provisioning: ProvisioningState,
    /// Why Azure failed to make the VM, if that is known.
    pub failure: Option<CallError>,
    /// The power state.
    pub power: PowerState,
    /// Our tags.
    pub tags: T,
}

impl<T> Vm<T> {
    /// The same VM, with tags made of those that it has.
    pub fn with_tags<U>(self, tags: impl FnOnce(T) -> U) -> Vm<U> {
        let Vm { name, group, size, location, zone, spot, provisioning, failure, power, tags: own } = self;
        Vm { name, group, size, location, zone, spot, provisioning, failure, power, tags: tags(own) }
    }
}

impl Vm {
    /// Whether the VM is on standby: it was never a runner, and is deallocated.
    pub fn is_on_standby(&self) -> bool {
        self.tags.standby == Some(StandbyTag::Kept) && self.power == PowerState::Deallocated
    }

    /// Whether no job can be running on the VM, so that it may be removed without asking GitHub. A VM in
    /// state Failed may run a job: an extension that fails on a running VM sets that state too.
    pub fn runs_nothing(&self) -> bool {
        self.power.is_off()
    }

    /// Whether the VM is at its end: it powers off when its runner ends, and is never started again.
    pub fn has_powered_off(&self) -> bool {
        self.power.is_off()
    }
}

/// The tags of a VM: everything that must survive the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmTags {
    /// The fleet that made the VM.
    pub pool: PoolName,
    /// The runner on it, which has the same name.
    pub runner_name: RunnerName,
    /// The GitHub where its runner is registered, as the host of its API.
    pub github: ForeignText,
    /// The scope where its runner is registered.
    pub scope: Scope,
    /// When the VM was requested.
    pub created_at: Timestamp,
    /// The hash of the configuration that the VM was made from.
    pub config_hash: ForeignText,
    /// GitHub's id of the runner. Present if it was known before the VM was made (JIT configuration).
    pub runner_id: Option<RunnerId>,
    /// The runner that this one replaces. Absent means none.
    pub replaces: Option<ForeignText>,
    /// The VM's host key. Present if it is bootstrapped over SSH.
    pub host_key: Option<ForeignText>,
    /// What it is, if it was made for standby.
    pub standby: Option<StandbyTag>,
}

/// What the tags of a VM say that was made for standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandbyTag {
    /// It has had no runner yet.
    Kept,
    /// It was given a runner then, and is never on standby again.
    Used(Timestamp),
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
const STANDBY: &str = "azlin-standby";
/// The value of the tag while the VM has had no runner. After that it is the time when it got one.
const KEPT: &str = "kept";

impl VmTags {
    /// The tags for the request that creates a VM.
    pub fn to_tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::from([
            (POOL.to_owned(), self.pool.to_string()),
            (GITHUB.to_owned(), self.github.to_string()),
            (SCOPE.to_owned(), self.scope.to_string()),
            (CREATED.to_owned(), self.created_at.to_string()),
            (CONFIG.to_owned(), self.config_hash.to_string()),
            (RUNNER.to_owned(), self.runner_name.to_string()),
        ]);
        if let Some(id) = self.runner_id {
            tags.insert(RUNNER_ID.to_owned(), id.to_string());
        }
        if let Some(replaces) = &self.replaces {
            tags.insert(REPLACES.to_owned(), replaces.to_string());
        }
        if let Some(host_key) = &self.host_key {
            tags.insert(HOST_KEY.to_owned(), host_key.to_string());
        }
        if let Some(standby) = self.standby {
            let value = match standby {
                StandbyTag::Kept => KEPT.to_owned(),
                StandbyTag::Used(at) => at.to_string(),
            };
            tags.insert(STANDBY.to_owned(), value);
        }
        tags
    }

    /// The tags that a standby VM gets with its runner, beside those that it has.
    pub fn of_use(runner_id: RunnerId, now: Timestamp) -> BTreeMap<String, String> {
        BTreeMap::from([(RUNNER_ID.to_owned(), runner_id.to_string()), (STANDBY.to_owned(), now.to_string())])
    }

    /// When the VM got its runner: when it was requested, or when it was taken from standby.
    pub fn began_at(&self) -> Timestamp {
        match self.standby {
            Some(StandbyTag::Used(at)) => at,
            Some(StandbyTag::Kept) | None => self.created_at,
        }
    }

    /// Reads the tags of a part that was made with a VM.
    pub fn of_part(tags: &BTreeMap<String, String>) -> Option<Self> {
        VmTags::of(tags.get(RUNNER)?, tags)
    }

    /// The tags that every VM of ours gets and that are absent.
    pub fn lost(tags: &BTreeMap<String, String>) -> Vec<&'static str> {
        let every = [POOL, RUNNER, GITHUB, SCOPE, CREATED, CONFIG];
        every.into_iter().filter(|tag| !tags.contains_key(*tag)).collect()
    }

    /// The host key of a VM, whatever else its tags have lost.
    pub fn host_key_in(tags: &BTreeMap<String, String>) -> Option<ForeignText> {
        tags.get(HOST_KEY).map(ForeignText::from)
    }

    /// Reads the tags of the VM `name`; `None` if they are not ours. The daemon never touches what it did not
    /// create.
    pub fn of(name: &str, tags: &BTreeMap<String, String>) -> Option<Self> {
        let pool: PoolName = tags.get(POOL)?.parse().ok()?;
        let runner = tags.get(RUNNER)?;
        if !runner.eq_ignore_ascii_case(name) {
            return None;
        }
        Some(VmTags {
            runner_name: RunnerName::of_pool(&pool, runner)?,
            github: tags.get(GITHUB).map(ForeignText::from).unwrap_or_default(),
            scope: tags.get(SCOPE)?.parse().ok()?,
            created_at: tags.get(CREATED)?.parse().ok()?,
            config_hash: tags.get(CONFIG).map(ForeignText::from).unwrap_or_default(),
            runner_id: tags.get(RUNNER_ID).and_then(|id| id.parse().ok()).map(RunnerId),
            replaces: tags.get(REPLACES).map(ForeignText::from),
            host_key: VmTags::host_key_in(tags),
            standby: tags.get(STANDBY).map(|value| StandbyTag::of(value)),
            pool,
        })
    }
}

impl StandbyTag {
    /// A value that is neither was set by others, who may have used the VM.
    fn of(value: &str) -> StandbyTag {
        if value == KEPT {
            StandbyTag::Kept
        } else {
            StandbyTag::Used(value.parse().unwrap_or(Timestamp::MIN))
        }
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

    /// The power state of a VM; `Unknown` if it was not read.
    pub fn of(&self, vm: &Vm) -> PowerState {
        self.at(&vm.group, &vm.name)
    }

    /// The power state of the VM of that name; `Unknown` if it was not read.
    pub fn at(&self, group: &ResourceGroup, name: &str) -> PowerState {
        self.0
            .get(&(group.name.to_ascii_lowercase(), name.to_ascii_lowercase()))
            .copied()
            .unwrap_or(PowerState::Unknown)
    }
}

/// The image of a VM's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Image {
    /// A marketplace image: `publisher:offer:sku:version`.
    Marketplace {
        /// The publisher.
        publisher: String,
        /// The offer.
        offer: String,
        /// The SKU.
        sku: String,
        /// The version; "latest" is allowed.
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

/// A VM to request, with everything that the PUT needs.
#[derive(Debug, Clone)]
pub struct VmSpec {
    /// The name of the VM and of its runner.
    pub name: RunnerName,
    /// The resource group.
    pub group: ResourceGroup,
    /// The region, such as `westeurope`.
    pub location: String,
    /// The size, such as `Standard_D4s_v5`.
    pub size: String,
    /// The image of its disk.
    pub image: Image,
    /// The resource id of the NIC's subnet.
    pub subnet_id: String,
    /// The resource id of the NIC's network security group. Absent means that only the subnet's group
    /// applies.
    pub nsg_id: Option<String>,
    /// Whether Azure may install extensions on the VM, as policies do.
    pub extensions: bool,
    /// Whether the NIC bypasses the host's virtual switch. Not every size supports that.
    pub accelerated_networking: bool,
    /// Whether the VM gets a public IP address.
    pub public_ip: bool,
    /// The availability zone. Absent means a VM in no particular zone.
    pub zone: Option<String>,
    /// Present means a spot VM, which Azure may evict.
    pub spot: Option<Spot>,
    /// Whether the OS disk is on the host's local storage.
    pub ephemeral_os_disk: bool,
    /// The size of the OS disk in GB. Absent means the size of the image.
    pub os_disk_size_gb: Option<u32>,
    /// Whether the VM uses secure boot and a virtual TPM.
    pub trusted_launch: bool,
    /// The name of the administrator account.
    pub admin_user: String,
    /// The public key for that account, Ed25519 or RSA: Azure takes no others.
    pub admin_key: String,
    /// Resource ids of user-assigned identities.
    pub identity: Vec<String>,
    /// All tags of the VM, ours and the user's.
    pub tags: BTreeMap<String, String>,
    /// The custom data for cloud-init, not encoded. At most 64 KiB in base64.
    pub custom_data: SecretString,
}

/// A spot VM.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// The maximum price, in US dollars per hour. `None` means up to the on-demand price.
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
            github: "api.github.com".into(),
            scope: "repo:o/r".parse().expect("valid"),
            created_at: at,
            config_hash: "abc".into(),
            runner_id: Some(RunnerId(7)),
            replaces: None,
            host_key: Some("ssh-ed25519 AAAA".into()),
            standby: None,
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
    fn a_vm_that_was_used_is_never_on_standby_again() {
        let at: Timestamp = "2026-01-02T09:00:00Z".parse().expect("valid");
        let read = |tags: &BTreeMap<String, String>| VmTags::of(&tags[RUNNER], tags).expect("ours");
        let mut all = VmTags { standby: Some(StandbyTag::Kept), runner_id: None, ..tags() }.to_tags();
        assert_eq!(read(&all).standby, Some(StandbyTag::Kept));
        assert_eq!(read(&all).began_at(), tags().created_at);
        all.extend(VmTags::of_use(RunnerId(8), at));
        assert_eq!(read(&all).runner_id, Some(RunnerId(8)));
        assert_eq!((read(&all).standby, read(&all).began_at()), (Some(StandbyTag::Used(at)), at));
        all.insert(STANDBY.to_owned(), "set-by-policy".to_owned());
        assert!(matches!(read(&all).standby, Some(StandbyTag::Used(_))), "what is unclear counts as used");
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
