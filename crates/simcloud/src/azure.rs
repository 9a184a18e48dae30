//! Azure's side of the world: VMs, from the request to their deletion.

mod state;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::OrphanKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::standby::is_for_standby;

pub use state::{SimPower, SimVmState};

/// A VM. Azure creates and deletes its NIC, disk and address with it.
#[derive(Debug, Clone)]
pub struct SimVm {
    /// A number that no other VM has, even one of the same name.
    pub uid: u64,
    /// The id of its subscription.
    pub subscription: String,
    /// The name of its resource group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The body of the request that created it.
    pub body: Arc<Value>,
    /// Its custom data, decoded: what cloud-init reads.
    pub custom_data: Arc<str>,
    /// Whether it was made for standby. Custom data are long, and each look of the simulation's checks asks.
    pub is_for_standby: bool,
    /// Its provisioning state.
    pub state: SimVmState,
    /// The code of the failure that Azure will report; `None` where creation succeeds.
    pub failure: Option<String>,
    /// Whether it is running; `None` before it is created.
    pub power: Option<SimPower>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When its provisioning state last changed.
    pub changed_at: Timestamp,
    /// The id of the runner that it became.
    pub runner: Option<u64>,
    /// When it last booted or ended a job; simulated VMs only.
    pub idle_since: Option<Timestamp>,
    /// What is installed on it; simulated VMs only.
    pub guest: Guest,
    /// The real machine behind the VM, if there is one.
    pub machine: Option<RealMachine>,
}

/// What is installed on a simulated VM, as steps over SSH find it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guest {
    /// Whether it has booted.
    pub is_up: bool,
    /// Whether no fault stops the runner's program from starting, or a real machine from booting.
    pub works: bool,
    /// Whether a fault keeps a real machine's runner from reaching GitHub.
    pub is_mute: bool,
    /// The version of the runner's program, if that is installed.
    pub program: Option<String>,
    /// The runner's id in its configuration.
    pub runner_id: Option<u64>,
    /// The id that the runner was registered with.
    pub registered: Option<u64>,
    /// Whether the service is running; `None` where there is no service.
    pub service: Option<bool>,
    /// Whether the VM powers off when its runner ends.
    pub powers_off: bool,
    /// Whether the runner's dependencies are installed.
    pub has_dependencies: bool,
    /// Whether it is set up as its fleet says.
    pub is_set_up: bool,
    /// Whether it reads its user data again and again, since that asks it to drain.
    pub is_draining: bool,
    /// The line about a refused drain that its console shows.
    pub refusal: Option<String>,
    /// Whether a fault keeps it from answering; `None` until it was first asked.
    pub is_deaf: Option<bool>,
    /// Whether its runner's program was ended by a drain.
    pub is_drained: bool,
}

/// The real machine behind a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealMachine {
    /// Its address, once its network exists.
    pub address: Option<Ipv4Addr>,
    /// The name of its network namespace.
    pub netns: String,
    /// The file that takes its console output.
    pub console: PathBuf,
    /// The process id of its `systemd-nspawn`, while it runs.
    pub nspawn: Option<u32>,
    /// The process id of its init on the host, while it runs.
    pub leader: Option<u32>,
}

impl SimVm {
    /// A VM that was requested at this moment and is being created.
    pub fn asked(
        uid: u64,
        (subscription, group, name): (&str, &str, &str),
        body: Value,
        at: Timestamp,
    ) -> Self {
        let encoded = body["properties"]["osProfile"]["customData"].as_str().unwrap_or_default();
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        let custom_data: Arc<str> = String::from_utf8_lossy(&bytes).into();
        SimVm {
            uid,
            subscription: subscription.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
            is_for_standby: is_for_standby(&custom_data),
            custom_data,
            body: Arc::new(body),
            state: SimVmState::Creating,
            failure: None,
            power: None,
            created_at: at,
            changed_at: at,
            runner: None,
            idle_since: None,
            guest: Guest::default(),
            machine: None,
        }
    }

    /// Whether the machine runs.
    pub fn is_running(&self) -> bool {
        self.power == Some(SimPower::Running)
    }

    /// Whether the machine has run, and runs no more.
    pub fn is_off(&self) -> bool {
        matches!(self.power, Some(SimPower::Stopped | SimPower::Deallocated))
    }

    /// The name of its disk.
    pub fn disk(&self) -> String {
        format!("{}_OsDisk_1_{:032x}", self.name, self.uid)
    }

    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.body["tags"][name].as_str()
    }

    /// The size in its request.
    pub fn size(&self) -> &str {
        self.body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default()
    }

    /// Its availability zone.
    pub fn zone(&self) -> Option<&str> {
        self.body["zones"][0].as_str()
    }

    /// Its region.
    pub fn location(&self) -> &str {
        self.body["location"].as_str().unwrap_or_default()
    }

    /// Whether it is a spot VM, which Azure may evict.
    pub fn is_spot(&self) -> bool {
        self.body["properties"]["priority"] == "Spot"
    }

    /// Its resource id.
    pub fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}",
            self.subscription, self.group, self.name
        )
    }

    /// Its resource id as lists write it, with the group in capitals.
    pub fn id_in_capitals(&self) -> String {
        SimVm { group: self.group.to_ascii_uppercase(), ..self.clone() }.id()
    }

    /// The resource id of its disk.
    pub fn disk_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/disks/{}",
            self.subscription,
            self.group,
            self.disk()
        )
    }

    /// What becomes of its NIC when it is deleted.
    pub fn nic_delete_option(&self) -> &str {
        let nics = &self.body["properties"]["networkProfile"]["networkInterfaceConfigurations"];
        nics[0]["properties"]["deleteOption"].as_str().unwrap_or("Detach")
    }

    /// The name of its NIC.
    pub fn nic(&self) -> String {
        let nics = &self.body["properties"]["networkProfile"]["networkInterfaceConfigurations"];
        nics[0]["name"].as_str().map_or_else(|| format!("{}-nic", self.name), str::to_owned)
    }

    /// The resource id of its NIC.
    pub fn nic_id(&self) -> String {
        format!("{}/{}", self.network("networkInterfaces"), self.nic())
    }

    /// The path of network resources of this kind in its resource group.
    pub fn network(&self, kind: &str) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/{kind}",
            self.subscription, self.group
        )
    }

    /// Its private address: the real machine's, or an invented one.
    pub fn address(&self, is_real: bool) -> Option<Ipv4Addr> {
        if is_real {
            return self.machine.as_ref()?.address;
        }
        let [.., a, b] = (4 + self.uid % 65_000).to_be_bytes();
        self.power.map(|_| Ipv4Addr::new(10, 0, a, b))
    }

    /// The name of its public address, if one was requested.
    pub fn public_ip(&self) -> Option<String> {
        let nics = &self.body["properties"]["networkProfile"]["networkInterfaceConfigurations"];
        let ip = &nics[0]["properties"]["ipConfigurations"][0]["properties"]["publicIPAddressConfiguration"];
        ip["name"].as_str().map(str::to_owned)
    }

    /// Its NIC, its public address if it has one, and its disk if that is a managed one.
    pub fn parts(&self) -> Vec<SimResource> {
        let properties = &self.body["properties"];
        let nic = &properties["networkProfile"]["networkInterfaceConfigurations"][0];
        let ip = &nic["properties"]["ipConfigurations"][0]["properties"]["publicIPAddressConfiguration"];
        let part = |kind, id, tags: &Value| SimResource {
            kind,
            id,
            location: self.body["location"].clone(),
            tags: tags.clone(),
            vm: Some(self.id()),
            reserved: None,
        };
        let mut parts = vec![part(OrphanKind::NetworkInterface, self.nic_id(), &nic["tags"])];
        if let Some(name) = self.public_ip() {
            let id = format!("{}/{name}", self.network("publicIPAddresses"));
            parts.push(part(OrphanKind::PublicIp, id, &ip["tags"]));
        }
        if properties["storageProfile"]["osDisk"]["diffDiskSettings"].is_null() {
            // Azure gives the disk that it creates with a VM the VM's tags.
            parts.push(part(OrphanKind::Disk, self.disk_id(), &self.body["tags"]));
        }
        parts
    }

    /// What a simulated VM has printed on its console.
    pub fn console(&self) -> String {
        if !self.guest.is_up {
            return String::new();
        }
        let refusal = self.guest.refusal.iter().map(|line| format!("azlin-runner[2]: {line}\n"));
        let lines = [format!("Linux version 6.1\n{} login: \nazlin-runner[1]: it is up\n", self.name)];
        lines.into_iter().chain(refusal).collect()
    }

    /// The time without a job after which the VM powers off.
    pub fn dead_mans_switch(&self) -> Option<Duration> {
        let (_, after) = self.custom_data.split_once("/runner watch ")?;
        let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok().map(Duration::from_secs)
    }

    /// Whether deleting the VM leaves a NIC or a disk behind, for want of `deleteOption`.
    pub fn leaks(&self) -> bool {
        let properties = &self.body["properties"];
        let nics = &properties["networkProfile"]["networkInterfaceConfigurations"];
        let keeps_nic = nics
            .as_array()
            .is_none_or(|nics| nics.iter().any(|nic| nic["properties"]["deleteOption"] != "Delete"));
        keeps_nic || properties["storageProfile"]["osDisk"]["deleteOption"] != "Delete"
    }
}

/// A VM's NIC, public address or disk.
#[derive(Debug, Clone)]
pub struct SimResource {
    /// The kind of resource.
    pub kind: OrphanKind,
    /// Its resource id.
    pub id: String,
    /// Its region.
    pub location: Value,
    /// Its tags.
    pub tags: Value,
    /// The id of the VM that uses it; `None` where none does.
    pub vm: Option<String>,
    /// Until when it is kept for a VM that could not be created, and the id of that.
    pub reserved: Option<(Timestamp, String)>,
}

impl SimResource {
    /// Its name.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }
}

/// Subscription, resource group and name of a VM, in lower case since Azure ignores case.
pub type VmKey = (String, String, String);

/// The key of a VM.
pub fn key(subscription: &str, group: &str, name: &str) -> VmKey {
    (subscription.to_ascii_lowercase(), group.to_ascii_lowercase(), name.to_ascii_lowercase())
}

impl RealMachine {
    /// The state of the machine: `made`, `running` or `off`.
    pub fn state(&self) -> &'static str {
        match (self.address, self.leader) {
            (None, _) => "made",
            (Some(_), Some(_)) => "running",
            (Some(_), None) => "off",
        }
    }
}

/// Azure's side of the world.
#[derive(Debug, Clone, Default)]
pub struct AzureState {
    /// All VMs.
    pub vms: BTreeMap<VmKey, SimVm>,
    /// What VMs left behind, by resource id in lower case.
    pub left: BTreeMap<String, SimResource>,
    /// The last VM number given.
    pub last_uid: u64,
}

impl AzureState {
    /// The VMs of a resource group.
    pub fn of_group(&self, subscription: &str, group: &str) -> Vec<&SimVm> {
        let (subscription, group, _) = key(subscription, group, "");
        self.vms.iter().filter(|((s, g, _), _)| *s == subscription && *g == group).map(|(_, vm)| vm).collect()
    }

    /// The resources of one kind in a group, with and without a VM.
    pub fn parts(&self, subscription: &str, group: &str, kind: OrphanKind) -> Vec<SimResource> {
        let held = self.of_group(subscription, group).into_iter().flat_map(SimVm::parts);
        let here = format!("/subscriptions/{subscription}/resourcegroups/{group}/").to_ascii_lowercase();
        let left = self.left.iter().filter(|(id, _)| id.starts_with(&here)).map(|(_, part)| part.clone());
        held.chain(left).filter(|part| part.kind == kind).collect()
    }

    /// The VMs of a subscription.
    pub fn of_subscription(&self, subscription: &str) -> Vec<&SimVm> {
        let subscription = subscription.to_ascii_lowercase();
        self.vms.iter().filter(|((s, ..), _)| *s == subscription).map(|(_, vm)| vm).collect()
    }
}

/// The value of a tag that a policy sets.
pub(crate) const SET_BY_POLICY: &str = "set-by-policy";

/// A refusal by Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Azure's error code.
    pub code: &'static str,
    /// Azure's message.
    pub message: String,
}
