use super::*;
use azlin_fleet::model::{RunnerName, Spot};
use azlin_simcloud::fixture::vm_spec;
use secrecy::SecretString;

fn spec() -> VmSpec {
    let at = "2026-01-02T03:04:05Z".parse().expect("a time");
    let image = Image::Marketplace {
        publisher: "Canonical".to_owned(),
        offer: "ubuntu-24_04-lts".to_owned(),
        sku: "server".to_owned(),
        version: "latest".to_owned(),
    };
    VmSpec { image, ..vm_spec(RunnerName::new(&"ci".parse().expect("valid"), at, 7)) }
}

/// The body that is sent, without the name.
fn body(spec: &VmSpec) -> Value {
    body_for(spec, CreateApi::Newest)
}

fn body_for(spec: &VmSpec, api: CreateApi) -> Value {
    let sealed = sealed(&virtual_machine(spec), spec, api).expect("a body");
    let text = String::from_utf8(sealed.body.to_vec()).expect("UTF-8");
    serde_json::from_str(&text.replace(spec.name.as_str(), "NAME").replace(&spec.admin_key, "KEY"))
        .expect("JSON")
}

#[test]
fn a_plain_vm() {
    let expected = json!({
        "location": "westeurope",
        "tags": {"azlin-pool": "ci"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "storageProfile": {
                "imageReference": {
                    "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"
                },
                "osDisk": {
                    "createOption": "FromImage", "deleteOption": "Delete",
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"}
                }
            },
            "osProfile": {
                "computerName": "NAME", "adminUsername": "azlin", "customData": "I2Nsb3VkLWNvbmZpZw==",
                "allowExtensionOperations": false,
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": {"publicKeys": [{"path": "/home/azlin/.ssh/authorized_keys", "keyData": "KEY"}]}
                }
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [{
                    "name": "NAME-nic", "tags": {"azlin-pool": "ci"},
                    "properties": {
                        "primary": true, "deleteOption": "Delete",
                        "ipConfigurations": [
                            {"name": "ip", "properties": {"primary": true, "subnet": {"id": "/subnet"}}}
                        ]
                    }
                }]
            }
        }
    });
    assert_eq!(body(&spec()), expected);
}

#[test]
fn what_each_wish_adds() {
    let wishes = VmSpec {
        image: Image::Id("/gallery/1.0".to_owned()),
        public_ip: true,
        zone: Some("2".to_owned()),
        spot: Some(Spot { max_price: Some(0.5) }),
        ephemeral_os_disk: true,
        os_disk_size_gb: Some(64),
        nsg_id: Some("/subscriptions/s/nsg".to_owned()),
        accelerated_networking: true,
        trusted_launch: true,
        identity: vec!["/identities/a".to_owned()],
        ..spec()
    };
    let body = body(&wishes);
    for (pointer, expected) in [
        ("/zones", json!(["2"])),
        ("/identity", json!({"type": "UserAssigned", "userAssignedIdentities": {"/identities/a": {}}})),
        ("/properties/priority", json!("Spot")),
        ("/properties/evictionPolicy", json!("Delete")),
        ("/properties/billingProfile", json!({"maxPrice": 0.5})),
        ("/properties/storageProfile/imageReference", json!({"id": "/gallery/1.0"})),
        (
            "/properties/storageProfile/osDisk",
            json!({
                "createOption": "FromImage", "deleteOption": "Delete", "caching": "ReadOnly",
                "diffDiskSettings": {"option": "Local"}, "diskSizeGB": 64
            }),
        ),
        (
            "/properties/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0\
             /properties/publicIPAddressConfiguration",
            json!({
                "name": "NAME-ip", "sku": {"name": "Standard"}, "tags": {"azlin-pool": "ci"},
                "properties": {"deleteOption": "Delete", "publicIPAllocationMethod": "Static"}
            }),
        ),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expected), "{pointer}");
    }
    let extended = self::body(&VmSpec { extensions: true, ..spec() });
    assert_eq!(extended.pointer("/properties/osProfile/allowExtensionOperations"), None, "Azure's default");
    let any_price = VmSpec { spot: Some(Spot { max_price: None }), ..spec() };
    assert_eq!(self::body(&any_price).pointer("/properties/billingProfile/maxPrice"), Some(&json!(-1.0)));
}

#[test]
fn the_older_version_takes_no_tags_of_parts() {
    let public = VmSpec { public_ip: true, ..spec() };
    let (newest, mut older) = (body(&public), body_for(&public, CreateApi::Older));
    let nic = "/properties/networkProfile/networkInterfaceConfigurations/0";
    let ip = format!("{nic}/properties/ipConfigurations/0/properties/publicIPAddressConfiguration");
    for part in [nic, &ip] {
        let part = older.pointer_mut(part).expect("a part");
        assert_eq!(part.get("tags"), None);
        part["tags"] = json!(public.tags);
    }
    assert_eq!(newest, older, "nothing else differs");
}

#[test]
fn the_model_alone_holds_no_custom_data() {
    let printed = format!("{:?}", virtual_machine(&spec()));
    assert!(!printed.contains("I2Nsb3VkLWNvbmZpZw") && !printed.contains("#cloud-config"));
}

#[test]
fn custom_data_has_a_bound() {
    let spec = |bytes| VmSpec { custom_data: SecretString::from("x".repeat(bytes)), ..spec() };
    let fits = spec(MOST_CUSTOM_DATA / 4 * 3);
    assert!(sealed(&virtual_machine(&fits), &fits, CreateApi::Newest).is_ok());
    let too_long = spec(MOST_CUSTOM_DATA / 4 * 3 + 1);
    let error =
        sealed(&virtual_machine(&too_long), &too_long, CreateApi::Newest).map(drop).expect_err("too long");
    assert_eq!(error, "the custom data has 65540 bytes in base64, and Azure takes 65536");
}
