use super::*;
use serde_json::json;

#[test]
fn a_size_as_azure_lists_it() {
    let sku = json!({
        "resourceType": "virtualMachines", "name": "Standard_D4s_v5", "tier": "Standard", "size": "D4s_v5",
        "family": "standardDSv5Family", "locations": ["westeurope"],
        "locationInfo": [{"location": "westeurope", "zones": ["1", "3"], "zoneDetails": []}],
        "capabilities": [
            {"name": "vCPUs", "value": "4"}, {"name": "CpuArchitectureType", "value": "x64"},
            {"name": "HyperVGenerations", "value": "V1,V2"}, {"name": "LowPriorityCapable", "value": "True"},
            {"name": "EphemeralOSDiskSupported", "value": "False"}, {"name": "MemoryGB", "value": "16"}
        ],
        "restrictions": [
            {"type": "Location", "values": ["westeurope"], "restrictionInfo": {"locations": ["westeurope"]},
             "reasonCode": "NotAvailableForSubscription"},
            {"type": "Zone", "values": ["westeurope"],
             "restrictionInfo": {"locations": ["westeurope"], "zones": ["3"]},
             "reasonCode": "NotAvailableForSubscription"}
        ]
    });
    let sku: Sku = serde_json::from_value(sku).expect("a SKU");
    assert!(sku.is_in("westeurope") && !sku.is_in("northeurope"));
    let expected = preflight::Size {
        name: "Standard_D4s_v5".into(),
        family: "standardDSv5Family".into(),
        vcpus: 4,
        architecture: Some(Architecture::X64),
        zones: vec!["1".into(), "3".into()],
        restricted: Some("NotAvailableForSubscription".into()),
        restricted_zones: vec!["3".into()],
        ephemeral_os_disk: Some(false),
        spot: Some(true),
        generations: vec!["V1".into(), "V2".into()],
        local_disk: None,
        disk_controllers: Vec::new(),
        accelerated_networking: None,
        trusted_launch: None,
    };
    assert_eq!(sku.size("westeurope"), expected);
}

/// A size in the form in which Azure lists a large one of the newest series.
#[test]
fn a_size_with_nvme_disks_alone() {
    let sku = json!({
        "name": "Standard_E64ds_v6", "family": "StandardEdsv6Family", "resourceType": "virtualMachines",
        "tier": "Standard", "size": "E64ds_v6", "restrictions": [], "locations": ["northeurope"],
        "capabilities": [
            {"name": "MaxResourceVolumeMB", "value": "0"}, {"name": "vCPUs", "value": "64"},
            {"name": "HyperVGenerations", "value": "V2"}, {"name": "DiskControllerTypes", "value": "NVMe"},
            {"name": "SupportedEphemeralOSDiskPlacements", "value": "NvmeDisk"},
            {"name": "CpuArchitectureType", "value": "x64"}, {"name": "LowPriorityCapable", "value": "True"},
            {"name": "NvmeDiskSizeInMiB", "value": "3604480"},
            {"name": "EphemeralOSDiskSupported", "value": "True"},
            {"name": "AcceleratedNetworkingEnabled", "value": "True"}
        ]
    });
    let sku: Sku = serde_json::from_value(sku).expect("a SKU");
    assert!(sku.is_in("northeurope"));
    let size = sku.size("northeurope");
    assert_eq!(size.local_disk, Some(LocalDisk { kind: "NVMe disk", gib: 3520 }));
    assert_eq!((size.disk_controllers.as_slice(), size.vcpus), (["NVMe".into()].as_slice(), 64));
    assert_eq!((size.accelerated_networking, size.trusted_launch), (Some(true), None));
    assert_eq!((size.generations.as_slice(), size.spot), (["V2".into()].as_slice(), Some(true)));
}

#[test]
fn where_a_disk_on_the_host_would_be() {
    let (cache, temp) = (("CachedDiskBytes", "107374182400"), ("MaxResourceVolumeMB", "153600"));
    let (nvme, names) = (("NvmeDiskSizeInMiB", "450560"), "SupportedEphemeralOSDiskPlacements");
    for (capabilities, expected) in [
        (vec![cache, temp], Some(("cache", 100))),
        (vec![cache, temp, (names, "ResourceDisk,CacheDisk")], Some(("cache", 100))),
        (vec![cache, temp, (names, "ResourceDisk")], Some(("temporary disk", 150))),
        (vec![("CachedDiskBytes", "0"), temp], Some(("temporary disk", 150))),
        (vec![nvme, temp, (names, "NvmeDisk")], Some(("NVMe disk", 440))),
        (vec![nvme], None),
        (vec![("CachedDiskBytes", "many")], None),
        (vec![], None),
    ] {
        let list = capabilities.iter().map(|(name, value)| json!({"name": name, "value": value}));
        let sku = json!({"capabilities": list.collect::<Vec<_>>()});
        let sku: Sku = serde_json::from_value(sku).expect("a SKU");
        let found = sku.size("x").local_disk.map(|disk| (disk.kind, disk.gib));
        assert_eq!(found, expected, "{capabilities:?}");
    }
}

#[test]
fn what_a_subnet_leaves() {
    for (properties, free) in [
        (json!({"addressPrefix": "10.0.0.0/24"}), Some(251)),
        (
            json!({"addressPrefixes": ["10.0.0.0/29", "fd00::/64"], "ipConfigurations": [{"id": "a"}]}),
            Some(2),
        ),
        (json!({"addressPrefix": "10.0.0.0/29", "ipConfigurations": [{}, {}, {}, {}]}), Some(0)),
        (json!({"addressPrefixes": ["fd00::/64"]}), None),
        (json!({"addressPrefixes": null, "ipConfigurations": null, "natGateway": null}), None),
        (json!({}), None),
    ] {
        let read: SubnetProperties = serde_json::from_value(properties.clone()).expect("properties");
        assert_eq!(read.subnet(None).free_addresses, free, "{properties}");
    }
}

#[test]
fn a_subnet_that_is_given_away() {
    let read =
        json!({"delegations": [{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}]});
    let read: SubnetProperties = serde_json::from_value(read).expect("properties");
    assert_eq!(read.subnet(None).delegated_to.as_deref(), Some("Microsoft.Web/serverFarms"));
}

#[test]
fn one_location_in_two_spellings() {
    assert_eq!(plain_location("West Europe"), plain_location("westeurope"));
}
