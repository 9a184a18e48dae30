//! The findings at Azure, and of fleets there, when one thing is taken away.

mod room;

use super::*;
use crate::check::fixture::*;
use crate::model::{Architecture, CallErrorKind, Os};
use crate::ports::preflight::{Access, Grant, ImageFacts, Size, Subnet, Usage};

#[test]
fn azure() {
    type AzureChange = fn(&mut AzureFacts);
    fn group(facts: &mut AzureFacts) -> &mut GroupFacts {
        facts.groups.values_mut().next().expect("one group")
    }
    fn subscription(facts: &mut AzureFacts) -> &mut SubscriptionFacts {
        facts.subscriptions.values_mut().next().expect("one")
    }
    fn image(facts: &mut AzureFacts) -> &mut ImageFacts {
        facts.images.values_mut().next().expect("one").as_mut().expect("told")
    }
    fn subnet(facts: &mut AzureFacts) -> &mut Subnet {
        facts.subnets.get_mut(SUBNET).expect("one").subnet.as_mut().expect("told")
    }
    fn no_way_out(facts: &mut AzureFacts, default: Option<bool>) {
        (subnet(facts).nat_gateway, subnet(facts).default_outbound) = (false, default);
    }
    fn sizes(facts: &mut AzureFacts) -> &mut Vec<Size> {
        facts.places.values_mut().next().expect("one").sizes.as_mut().expect("told")
    }
    fn usages(facts: &mut AzureFacts) -> &mut Vec<Usage> {
        facts.places.values_mut().next().expect("one").usages.as_mut().expect("told")
    }
    fn quota(facts: &mut AzureFacts, name: &str, used: u64, limit: u64) {
        let usages = usages(facts);
        usages.retain(|usage| usage.name != name);
        usages.push(usage(name, used, limit));
    }
    let id = "00000000-0000-0000-0000-000000000000";
    let rows: &[(AzureChange, &[&str])] = &[
        (
            |f| f.principal = failed(CallErrorKind::NotPermitted),
            &[
                "Problem credential: GET /x: 500 \"said\"",
                "Unknown everything else at Azure: not looked at without a token",
            ],
        ),
        (
            |f| subscription(f).subscription.as_mut().expect("told").state = "Disabled".into(),
            &[&format!("Problem subscription {id}: Dev is Disabled")],
        ),
        (
            |f| subscription(f).subscription.as_mut().expect("told").state = "PastDue".into(),
            &[&format!("Warning subscription {id}: Dev is PastDue")],
        ),
        (
            |f| subscription(f).subscription = failed(CallErrorKind::NotFound),
            &[&format!("Problem subscription {id}: it does not exist, or the identity has no role in it")],
        ),
        (
            |f| subscription(f).subscription = failed(CallErrorKind::NotPermitted),
            &[&format!("Unknown subscription {id}: GET /x: 500 \"said\"")],
        ),
        (
            |f| subscription(f).power_states = Ok(Access::Denied(None)),
            &[&format!(
                "Problem subscription {id}: power states: not permitted: VMs that have stopped are not seen"
            )],
        ),
        (
            |f| group(f).location = failed(CallErrorKind::NotFound),
            &["Problem resource group rg: it does not exist"],
        ),
        (
            |f| group(f).location = failed(CallErrorKind::Unavailable),
            &["Unknown resource group rg: GET /x: 500 \"said\""],
        ),
        (
            |f| {
                group(f).grants.as_mut().expect("told")[0].not_actions =
                    vec!["microsoft.compute/disks/*".into()];
            },
            &[
                "Problem resource group rg: permissions: not granted: Microsoft.Compute/disks/delete, \
               Microsoft.Compute/disks/write",
                "Warning resource group rg: forgotten disks: not granted: Microsoft.Compute/disks/read; a disk that \
               Azure forgets when it removes a VM is not found",
            ],
        ),
        (
            |f| {
                group(f).grants.as_mut().expect("told")[0].not_actions =
                    vec![permissions::USEFUL_ON_GROUP[0].into()];
            },
            &["Warning resource group rg: boot logs: not granted: \
               Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action; what VMs print while they boot \
               cannot be read"],
        ),
        (
            |f| group(f).grants = failed(CallErrorKind::NotPermitted),
            &["Unknown resource group rg: permissions: GET /x: 500 \"said\""],
        ),
        (
            |f| {
                drop(
                    f.images
                        .values_mut()
                        .map(|image| *image = failed(CallErrorKind::NotFound))
                        .collect::<Vec<_>>(),
                );
            },
            &["Problem image: Canonical:ubuntu-24_04-lts:server:latest is not there"],
        ),
        (
            |f| image(f).plan = Some("p o s".into()),
            &["Problem image: it needs the purchase plan p o s, which azlin does not buy"],
        ),
        (|f| image(f).os = Some(Os::Windows), &["Problem image: it is for Windows; runners are Linux"]),
        (
            |f| image(f).architecture = Some(Architecture::Arm64),
            &["Problem image: it is for ARM64, and the sizes are X64"],
        ),
        (
            |f| image(f).locations = vec!["northeurope".into()],
            &["Problem image: it is in northeurope, not in westeurope"],
        ),
        (
            |f| image(f).generation = Some("V3".into()),
            &[
                "Problem size Standard_D4s_v5: images of generation V3 do not boot on it",
                "Problem size Standard_D8s_v5: images of generation V3 do not boot on it",
            ],
        ),
        (
            |f| sizes(f)[0].architecture = Some(Architecture::Arm64),
            &["Warning size Standard_D4s_v5: its processor is ARM64, which is not that of the fleet"],
        ),
        (
            |f| drop(sizes(f).remove(0)),
            &["Warning size Standard_D4s_v5: there is no such size in westeurope"],
        ),
        (
            |f| sizes(f)[1].restricted = Some("NotAvailableForSubscription".into()),
            &[
                "Warning size Standard_D8s_v5: the subscription may not use it in westeurope: NotAvailableForSubscription",
            ],
        ),
        (
            |f| {
                usages(f).retain(|usage| usage.name != "standardDSv5Family");
                quota(f, "Standard DSv5 Family", 100, 100);
            },
            &[
                "Problem vCPU quota for Standard_D4s_v5: 100 of 100 used in standardDSv5Family, 10 of 100 used in the \
                 region; 10 runners at most: 40 vCPUs; there is room for none",
                "Problem vCPU quota for Standard_D8s_v5: 100 of 100 used in standardDSv5Family, 10 of 100 used in the \
                 region; 10 runners at most: 80 vCPUs; there is room for none",
            ],
        ),
        (
            |f| quota(f, "standardDSv5Family", 80, 100),
            &[
                "Warning vCPU quota for Standard_D4s_v5: 80 of 100 used in standardDSv5Family, 10 of 100 used in the \
                 region; 10 runners at most: 40 vCPUs; there is room for 5",
                "Warning vCPU quota for Standard_D8s_v5: 80 of 100 used in standardDSv5Family, 10 of 100 used in the \
                 region; 10 runners at most: 80 vCPUs; there is room for 2",
            ],
        ),
        (
            |f| quota(f, "cores", 96, 100),
            &[
                "Warning vCPU quota for Standard_D4s_v5: 0 of 100 used in standardDSv5Family, 96 of 100 used in the \
                 region; 10 runners at most: 40 vCPUs; there is room for 1",
                "Warning vCPU quota for Standard_D8s_v5: 0 of 100 used in standardDSv5Family, 96 of 100 used in the \
                 region; 10 runners at most: 80 vCPUs; there is room for none",
            ],
        ),
        (
            |f| quota(f, "cores", 100, 100),
            &[
                "Problem vCPU quota for Standard_D4s_v5: 0 of 100 used in standardDSv5Family, 100 of 100 used in the \
                 region; 10 runners at most: 40 vCPUs; there is room for none",
                "Problem vCPU quota for Standard_D8s_v5: 0 of 100 used in standardDSv5Family, 100 of 100 used in the \
                 region; 10 runners at most: 80 vCPUs; there is room for none",
            ],
        ),
        (
            |f| subnet(f).location = Some("northeurope".into()),
            &["Problem subnet: its network is in northeurope, and the VMs are to be in westeurope"],
        ),
        (
            |f| subnet(f).delegated_to = Some("Microsoft.Web/serverFarms".into()),
            &["Problem subnet: it is delegated to Microsoft.Web/serverFarms: no VM can be in it"],
        ),
        (
            |f| image(f).is_specialized = true,
            &[
                "Problem image: it is specialized: it has the users and the name of one machine, and takes no others",
            ],
        ),
        (|f| image(f).security = Some("TrustedLaunchSupported".into()), IN_ORDER),
        (
            |f| image(f).security = Some("ConfidentialVM".into()),
            &["Problem image: it is for confidential VMs alone, which azlin does not make"],
        ),
        (|f| (subnet(f).location, subnet(f).free_addresses) = (None, None), IN_ORDER),
        (|f| subnet(f).free_addresses = Some(9), &["Warning subnet: 9 addresses free, max_runners is 10"]),
        (|f| subnet(f).free_addresses = Some(0), &["Problem subnet: 0 addresses free, max_runners is 10"]),
        (|f| no_way_out(f, Some(true)), IN_ORDER),
        (
            |f| no_way_out(f, Some(false)),
            &[
                "Warning outbound access: no way out that can be seen here: no NAT gateway, no route table, no default \
               outbound access",
            ],
        ),
        (
            |f| no_way_out(f, None),
            &[
                "Unknown outbound access: cannot be known: no NAT gateway and no route table; networks from before 2026 \
               may have Azure's default outbound access",
            ],
        ),
        (
            |f| f.subnets.get_mut(SUBNET).expect("one").subnet = failed(CallErrorKind::NotPermitted),
            &[
                "Unknown subnet: GET /x: 500 \"said\"",
                "Unknown outbound access: cannot be known without reading the subnet",
            ],
        ),
        (
            |f| f.subnets.get_mut(SUBNET).expect("one").grants = Ok(Vec::new()),
            &[
                "Problem subnet: permissions: not granted: Microsoft.Network/virtualNetworks/subnets/join/action",
            ],
        ),
        (
            |f| drop(f.identities.insert(IDENTITY.to_owned(), Ok(Vec::new()))),
            &[
                "Problem identity puller: not granted: Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
            ],
        ),
    ];
    let fleet = fleet("repo = \"o/r\"", &format!("identity = [\"{IDENTITY}\"]"));
    for (at, (change, expected)) in rows.iter().enumerate() {
        let mut facts = account(&fleet);
        change(facts.azure.as_mut().expect("known").as_mut().expect("signed in"));
        let mut found = told(std::slice::from_ref(&fleet), &facts);
        found.retain(|found| found != "Warning risk: identity: every job can sign in to Azure as puller");
        assert_eq!(found, *expected, "row {at}");
    }
}

#[test]
fn what_a_fleet_wishes_of_its_sizes() {
    for (vm, expected) in [
        ("ephemeral_os_disk = true", "it has no place for an ephemeral OS disk"),
        ("zones = [\"3\"]", "it is not to be had in zone 3"),
    ] {
        let fleet = fleet("repo = \"o/r\"", vm);
        let expected =
            ["Standard_D4s_v5", "Standard_D8s_v5"].map(|size| format!("Problem size {size}: {expected}"));
        assert_eq!(told(std::slice::from_ref(&fleet), &account(&fleet)), expected, "{vm}");
    }
    let zonal = fleet("repo = \"o/r\"", "public_ip = true\nzones = [\"1\"]");
    let found = told(std::slice::from_ref(&zonal), &account(&zonal));
    assert!(found.iter().any(|line| line.starts_with("Warning zones and public_ip: ")), "{found:?}");
    let public = fleet("repo = \"o/r\"", "public_ip = true");
    let mut facts = account(&public);
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    let group = azure.groups.values_mut().next().expect("one group");
    group.grants = Ok(vec![Grant {
        actions: permissions::ON_GROUP
            .iter()
            .chain(&permissions::USEFUL_ON_GROUP)
            .map(|action| (*action).into())
            .collect(),
        not_actions: Vec::new(),
    }]);
    let found = told(&[public], &facts);
    assert!(found.len() == 1 && found[0].contains("Microsoft.Network/publicIPAddresses/write"), "{found:?}");
}

#[test]
fn what_a_fleet_wishes_of_its_disk_and_its_sizes() {
    use crate::ports::preflight::LocalDisk;
    type FactsChange = fn(&mut Size, &mut ImageFacts);
    let none: FactsChange = |_, _| {};
    let on_host: FactsChange = |size, _| {
        (size.ephemeral_os_disk, size.local_disk) = (Some(true), Some(LocalDisk { kind: "cache", gib: 100 }));
    };
    let large_image: FactsChange = |size, image| {
        (size.ephemeral_os_disk, size.local_disk) =
            (Some(true), Some(LocalDisk { kind: "NVMe disk", gib: 100 }));
        image.disk_size_gb = Some(127);
    };
    let nvme: FactsChange = |size, _| size.disk_controllers = vec!["NVMe".into()];
    let nvme_and_scsi_image: FactsChange = |size, image| {
        size.disk_controllers = vec!["NVMe".into()];
        image.disk_controllers = vec!["SCSI".into()];
    };
    let nvme_and_nvme_image: FactsChange = |size, image| {
        size.disk_controllers = vec!["NVMe".into()];
        image.disk_controllers = vec!["SCSI".into(), "NVMe".into()];
    };
    let slow: FactsChange = |size, _| size.accelerated_networking = Some(false);
    let untrusted: FactsChange = |size, _| size.trusted_launch = Some(false);
    let first_generation: FactsChange = |_, image| image.generation = Some("V1".into());
    let of_image: FactsChange = |_, image| image.disk_size_gb = Some(127);
    let size = |why: &str| format!("Warning size Standard_D4s_v5: {why}");
    let ephemeral = |gb: u32| format!("ephemeral_os_disk = true\nos_disk_size_gb = {gb}");
    for (vm, change, expected) in [
        (ephemeral(100), on_host, None),
        (ephemeral(101), on_host, Some(size("a disk of 101 GB does not fit in its cache of 100 GiB"))),
        (
            ephemeral(100) + "\ntrusted_launch = true",
            on_host,
            Some(size(
                "a disk of 100 GB does not fit in its cache of 100 GiB, of which trusted launch takes 1",
            )),
        ),
        (
            "ephemeral_os_disk = true".to_owned(),
            large_image,
            Some(size("a disk of 127 GB does not fit in its NVMe disk of 100 GiB")),
        ),
        ("ephemeral_os_disk = true".to_owned(), on_host, None),
        ("os_disk_size_gb = 200".to_owned(), on_host, None),
        (
            ephemeral(2041),
            none,
            Some("Problem OS disk: 2041 GB, and an ephemeral OS disk has at most 2040 GB".to_owned()),
        ),
        (
            "os_disk_size_gb = 64".to_owned(),
            of_image,
            Some("Problem OS disk: 64 GB, and the image has 127 GB".to_owned()),
        ),
        ("os_disk_size_gb = 127".to_owned(), of_image, None),
        (String::new(), nvme, None),
        (String::new(), nvme_and_nvme_image, None),
        (
            String::new(),
            nvme_and_scsi_image,
            Some(size("its disks are attached by NVMe alone, which the image does not support")),
        ),
        (String::new(), slow, None),
        ("accelerated_networking = true".to_owned(), slow, Some(size("it has no accelerated networking"))),
        (String::new(), untrusted, None),
        ("trusted_launch = true".to_owned(), untrusted, Some(size("it has no trusted launch"))),
        (String::new(), first_generation, None),
        (
            "trusted_launch = true".to_owned(),
            first_generation,
            Some("Problem image: it is of generation 1, and trusted launch needs generation 2".to_owned()),
        ),
    ] {
        let fleet = fleet("repo = \"o/r\"", &vm);
        let mut facts = account(&fleet);
        let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
        let sizes = azure.places.values_mut().next().expect("one").sizes.as_mut().expect("told");
        let image = azure.images.values_mut().next().expect("one").as_mut().expect("told");
        for size in sizes.iter_mut() {
            size.ephemeral_os_disk = Some(true);
        }
        change(&mut sizes[0], image);
        assert_eq!(told(&[fleet], &facts), Vec::from_iter(expected), "{vm}");
    }
}

#[test]
fn a_security_group_is_there_in_the_region_and_may_be_joined() {
    for (change, expected) in [
        ((|_| {}) as fn(&mut SecurityGroupFacts), &[][..]),
        (
            |facts| facts.grants = Ok(Vec::new()),
            &[
                "Problem security group: permissions: not granted: Microsoft.Network/networkSecurityGroups/join/action",
            ],
        ),
        (
            |facts| {
                facts.group.as_mut().expect("readable").location = "northeurope".into();
            },
            &["Problem security group: it is in northeurope, and the fleet's VMs are in westeurope"],
        ),
        (
            |facts| facts.group = failed(CallErrorKind::NotPermitted),
            &["Unknown security group: GET /x: 500 \"said\""],
        ),
    ] {
        let fleet = fleet("repo = \"o/r\"", &format!("nsg_id = \"{SECURITY_GROUP}\""));
        let mut facts = account(&fleet);
        let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
        change(azure.security_groups.get_mut(SECURITY_GROUP).expect("one"));
        assert_eq!(told(&[fleet], &facts), expected);
    }
    let fleet = fleet("repo = \"o/r\"", &format!("nsg_id = \"{SECURITY_GROUP}\""));
    let mut facts = account(&fleet);
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    azure.security_groups.get_mut(SECURITY_GROUP).expect("one").group = failed(CallErrorKind::NotFound);
    assert_eq!(told(&[fleet], &facts), [format!("Problem security group: {SECURITY_GROUP} is not there")]);
}

#[test]
fn an_image_of_ones_own_has_to_be_readable() {
    let mut fleet = fleet("repo = \"o/r\"", "");
    fleet.vm.image = crate::model::Image::Id("/subscriptions/0/images/golden".to_owned());
    let mut facts = account(&fleet);
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    *azure.images.values_mut().next().expect("one") = failed(CallErrorKind::NotPermitted);
    let found = told(std::slice::from_ref(&fleet), &facts);
    assert_eq!(found, ["Problem image: it may not be read, so no VM can be made from it"]);
    let (subscription, location, image) = image_key(&fleet.vm);
    assert_eq!((location.as_str(), image.as_str()), ("westeurope", "/subscriptions/0/images/golden"));
    assert_eq!(subscription, fleet.vm.group.subscription_id);
}

#[test]
fn who_signs_in_is_told() {
    let fleet = fleet("repo = \"o/r\"", "");
    let findings = check(std::slice::from_ref(&fleet), &account(&fleet), now());
    let about = |finding: &&Finding| finding.about == About::Azure && finding.what == "credential";
    let found = findings.iter().find(about).map(|finding| finding.found.as_str());
    assert_eq!(found, Some("client secret: client id app"));
}

#[test]
fn a_location_that_azure_does_not_have() {
    let fleet = fleet("repo = \"o/r\"", "");
    let mut facts = account(&fleet);
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    azure.places.values_mut().next().expect("one").sizes = Ok(Vec::new());
    let found = told(&[fleet], &facts);
    assert_eq!(found, ["Problem location: Azure has no sizes there: is there a location westeurope?"]);
}
