//! The PUT that creates a VM with its NIC, disk and address, so that one DELETE removes them all.

use azlin_fleet::model::{Image, VmSpec};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::api::Sealed;
use crate::api::models::{
    BillingProfile, BootDiagnostics, Caching, CreateOption, DeleteOption, DiagnosticsProfile, DiffDiskOption,
    DiffDiskSettings, EvictionPolicy, HardwareProfile, ImageReference, LinuxConfiguration,
    ManagedDiskParameters, NetworkProfile, OsDisk, OsProfile, Priority, PublicIpAddressSku, Resource,
    SecurityProfile, SshConfiguration, SshPublicKey, StorageAccountType, StorageProfile, SubResource,
    UefiSettings, VirtualMachine, VirtualMachineIdentity, VirtualMachineNetworkInterfaceConfiguration,
    VirtualMachineNetworkInterfaceConfigurationProperties, VirtualMachineNetworkInterfaceIpConfiguration,
    VirtualMachineNetworkInterfaceIpConfigurationProperties, VirtualMachineProperties,
    VirtualMachinePublicIpAddressConfiguration, VirtualMachinePublicIpAddressConfigurationProperties,
    hardware_profile, network_profile, public_ip_address_sku, security_profile, virtual_machine_identity,
    virtual_machine_network_interface_configuration_properties,
    virtual_machine_public_ip_address_configuration_properties as public_ip_properties,
};
use crate::error::{ArmError, How};

/// The version of the network API that makes a VM's NIC and address: the newest that the compute API takes.
const NETWORK_API_OF_VMS: &str = "2022-11-01";

/// The most that custom data may have in base64 (Learn: Custom data on Azure VMs).
const MOST_CUSTOM_DATA: usize = 64 * 1024;

/// The version of the API that a VM is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateApi {
    /// The first in which tags apply to a NIC and an address that are created with a VM.
    Newest,
    /// For clouds that lack it: national clouds have lagged behind.
    Older,
}

impl CreateApi {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CreateApi::Newest => "2025-04-01",
            CreateApi::Older => "2024-11-01",
        }
    }

    /// Whether Azure refused a request since it lacks this version.
    pub(crate) fn is_missing(self, error: &ArmError) -> bool {
        let How::Refused(refusal) = &error.how else { return false };
        let codes = ["NoRegisteredProviderFound", "InvalidApiVersionParameter", "InvalidResourceType"];
        codes.iter().any(|code| refusal.code.eq_ignore_ascii_case(code))
            && refusal.message.contains(self.as_str())
    }
}

/// The VM as the generated client gets it: without its custom data, which is a secret.
pub(crate) fn virtual_machine(spec: &VmSpec) -> VirtualMachine {
    let properties = VirtualMachineProperties {
        hardware_profile: Some(HardwareProfile {
            // The generated list of sizes is years old. Other sizes are passed on as they are.
            vm_size: Some(hardware_profile::VmSize::UnknownValue(spec.size.clone())),
            vm_size_properties: None,
        }),
        storage_profile: Some(StorageProfile {
            image_reference: Some(image(&spec.image)),
            os_disk: Some(os_disk(spec)),
            ..StorageProfile::default()
        }),
        os_profile: Some(os_profile(spec)),
        network_profile: Some(network(spec)),
        // Azure keeps the boot log. azlin reads it when the VM does not become a runner.
        diagnostics_profile: Some(DiagnosticsProfile {
            boot_diagnostics: Some(BootDiagnostics { enabled: Some(true), storage_uri: None }),
        }),
        security_profile: spec.trusted_launch.then(trusted_launch),
        priority: spec.spot.map(|_| Priority::Spot),
        eviction_policy: spec.spot.map(|_| EvictionPolicy::Delete),
        // -1 stands for at most the on-demand price.
        billing_profile: spec
            .spot
            .map(|spot| BillingProfile { max_price: Some(spot.max_price.unwrap_or(-1.0)) }),
        ..VirtualMachineProperties::default()
    };
    VirtualMachine {
        properties: Some(properties),
        zones: spec.zone.clone().into_iter().collect(),
        identity: (!spec.identity.is_empty()).then(|| VirtualMachineIdentity {
            type_: Some(virtual_machine_identity::Type::UserAssigned),
            ..VirtualMachineIdentity::default()
        }),
        ..VirtualMachine::new(Resource {
            tags: Some(json!(spec.tags)),
            ..Resource::new(spec.location.clone())
        })
    }
}

/// The body that is sent: the model, the custom data, and the user-assigned identities, for which the
/// generated type has no fields.
pub(crate) fn sealed(model: &VirtualMachine, spec: &VmSpec, api: CreateApi) -> Result<Sealed, String> {
    let custom_data = BASE64_STANDARD.encode(spec.custom_data.expose_secret());
    if custom_data.len() > MOST_CUSTOM_DATA {
        return Err(format!(
            "the custom data has {} bytes in base64, and Azure takes {MOST_CUSTOM_DATA}",
            custom_data.len()
        ));
    }
    let mut body = serde_json::to_value(model).map_err(|error| error.to_string())?;
    if let Some(properties) = body["properties"].as_object_mut() {
        // The generated model writes null for fields that only Azure sets.
        properties.retain(|_, value| !value.is_null());
    }
    if api == CreateApi::Newest {
        // The generated model is older than these. The disk takes the VM's tags by itself.
        let nic = &mut body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0];
        nic["tags"] = json!(spec.tags);
        let ip = "/properties/ipConfigurations/0/properties/publicIPAddressConfiguration";
        if let Some(ip) = nic.pointer_mut(ip) {
            ip["tags"] = json!(spec.tags);
        }
    }
    body["properties"]["osProfile"]["customData"] = Value::String(custom_data.clone());
    if !spec.identity.is_empty() {
        let identities: Map<_, _> = spec.identity.iter().map(|id| (id.clone(), json!({}))).collect();
        body["identity"]["userAssignedIdentities"] = Value::Object(identities);
    }
    let secrets = vec![custom_data, spec.custom_data.expose_secret().to_owned()];
    Ok(Sealed { api_version: api.as_str(), body: body.to_string().into(), secrets })
}

fn image(image: &Image) -> ImageReference {
    match image {
        Image::Marketplace { publisher, offer, sku, version } => ImageReference {
            publisher: Some(publisher.clone()),
            offer: Some(offer.clone()),
            sku: Some(sku.clone()),
            version: Some(version.clone()),
            ..ImageReference::default()
        },
        Image::Id(id) => ImageReference { sub_resource: reference(id), ..ImageReference::default() },
    }
}

fn os_disk(spec: &VmSpec) -> OsDisk {
    let mut disk = OsDisk::new(CreateOption::FromImage);
    disk.delete_option = Some(DeleteOption::Delete);
    disk.disk_size_gb = spec.os_disk_size_gb.and_then(|size| i32::try_from(size).ok());
    if spec.ephemeral_os_disk {
        // On the host: no managed disk, and the only caching that Azure allows.
        disk.diff_disk_settings =
            Some(DiffDiskSettings { option: Some(DiffDiskOption::Local), placement: None });
        disk.caching = Some(Caching::ReadOnly);
    } else {
        // The fastest kind that every size supports.
        let kind = Some(StorageAccountType::StandardSsdLrs);
        disk.managed_disk = Some(ManagedDiskParameters { storage_account_type: kind, ..Default::default() });
    }
    disk
}

fn os_profile(spec: &VmSpec) -> OsProfile {
    let key = SshPublicKey {
        path: Some(format!("/home/{}/.ssh/authorized_keys", spec.admin_user)),
        key_data: Some(spec.admin_key.clone()),
    };
    OsProfile {
        computer_name: Some(spec.name.to_string()),
        admin_username: Some(spec.admin_user.clone()),
        // Policies put extensions on VMs. One that fails makes Azure call the whole VM failed.
        allow_extension_operations: (!spec.extensions).then_some(false),
        linux_configuration: Some(LinuxConfiguration {
            disable_password_authentication: Some(true),
            ssh: Some(SshConfiguration { public_keys: vec![key] }),
            ..LinuxConfiguration::default()
        }),
        ..OsProfile::default()
    }
}

fn network(spec: &VmSpec) -> NetworkProfile {
    let public_ip = spec.public_ip.then(|| VirtualMachinePublicIpAddressConfiguration {
        name: format!("{}-ip", spec.name),
        properties: Some(VirtualMachinePublicIpAddressConfigurationProperties {
            delete_option: Some(public_ip_properties::DeleteOption::Delete),
            public_ip_allocation_method: Some(public_ip_properties::PublicIpAllocationMethod::Static),
            ..Default::default()
        }),
        sku: Some(PublicIpAddressSku { name: Some(public_ip_address_sku::Name::Standard), tier: None }),
    });
    let ip = VirtualMachineNetworkInterfaceIpConfiguration {
        name: "ip".to_owned(),
        properties: Some(VirtualMachineNetworkInterfaceIpConfigurationProperties {
            subnet: Some(reference(&spec.subnet_id)),
            primary: Some(true),
            public_ip_address_configuration: public_ip,
            ..Default::default()
        }),
    };
    let nic = VirtualMachineNetworkInterfaceConfiguration {
        name: format!("{}-nic", spec.name),
        properties: Some(VirtualMachineNetworkInterfaceConfigurationProperties {
            primary: Some(true),
            delete_option: Some(
                virtual_machine_network_interface_configuration_properties::DeleteOption::Delete,
            ),
            enable_accelerated_networking: spec.accelerated_networking.then_some(true),
            network_security_group: spec.nsg_id.as_deref().map(reference),
            ..VirtualMachineNetworkInterfaceConfigurationProperties::new(vec![ip])
        }),
    };
    NetworkProfile {
        network_api_version: Some(network_profile::NetworkApiVersion::UnknownValue(
            NETWORK_API_OF_VMS.to_owned(),
        )),
        network_interface_configurations: vec![nic],
        ..NetworkProfile::default()
    }
}

fn trusted_launch() -> SecurityProfile {
    SecurityProfile {
        security_type: Some(security_profile::SecurityType::TrustedLaunch),
        uefi_settings: Some(UefiSettings { secure_boot_enabled: Some(true), v_tpm_enabled: Some(true) }),
        ..SecurityProfile::default()
    }
}

fn reference(id: &str) -> SubResource {
    SubResource { id: Some(id.to_owned()) }
}

#[cfg(test)]
mod tests;
