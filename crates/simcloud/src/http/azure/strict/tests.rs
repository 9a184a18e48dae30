//! What Azure refuses of a request for a VM, and whether our schema says the same as Azure's.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::workload::Workload;

/// The base point of the curve, as a key.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm runner";
const NETWORK: &str = "/properties/networkProfile";
const NIC: &str = "/properties/networkProfile/networkInterfaceConfigurations/0";
const IP: &str =
    "/properties/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0/properties";
const DISK: &str = "/properties/storageProfile/osDisk";

/// A request with everything that azlin sends.
fn body() -> Value {
    json!({
        "location": "westeurope", "tags": {"azlin-pool": "ci"}, "zones": ["1"],
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/identity": {}}},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4ds_v5"},
            "storageProfile": {
                "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
                "osDisk": {
                    "createOption": "FromImage", "deleteOption": "Delete", "caching": "ReadOnly", "diskSizeGB": 64,
                    "diffDiskSettings": {"option": "Local"},
                },
            },
            "osProfile": {
                "computerName": "vm-1", "adminUsername": "azlin", "customData": "eA==", "allowExtensionOperations": false,
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": {"publicKeys": [{"path": "/home/azlin/.ssh/authorized_keys", "keyData": KEY}]},
                },
            },
            "networkProfile": {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [{
                "name": "vm-1-nic", "tags": {"azlin-pool": "ci"},
                "properties": {
                    "primary": true, "deleteOption": "Delete", "enableAcceleratedNetworking": true,
                    "networkSecurityGroup": {"id": "/nsg"},
                    "ipConfigurations": [{"name": "ip", "properties": {
                        "subnet": {"id": "/subnet"}, "primary": true,
                        "publicIPAddressConfiguration": {
                            "name": "vm-1-ip", "tags": {"azlin-pool": "ci"}, "sku": {"name": "Standard"},
                            "properties": {"deleteOption": "Delete", "publicIPAllocationMethod": "Static"},
                        },
                    }}],
                },
            }]},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
            "securityProfile": {
                "securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true},
            },
            "priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1.0},
        },
    })
}

/// The status, the code and the target of a refusal of this body.
fn refusal(premises: &str, query: &str, body: &Value) -> Option<(u16, &'static str, String)> {
    let workload = Workload::parse(premises).unwrap_or_else(|error| panic!("{error}"));
    let world = World::new(&workload, Timestamp::UNIX_EPOCH);
    let request = SimRequest { query: query.to_owned(), ..SimRequest::default() };
    let refusal = check(&world, &request, ("s", "g", "vm-1"), body).err()?;
    Some((refusal.status, refusal.code, refusal.target.unwrap_or_default()))
}

const NOW: &str = "api-version=2025-04-01";

#[test]
fn what_azlin_sends_is_taken() {
    assert_eq!(refusal("", NOW, &body()), None);
    let mut older = body();
    for tagged in [NIC.to_owned(), format!("{IP}/publicIPAddressConfiguration")] {
        older.pointer_mut(&tagged).and_then(Value::as_object_mut).and_then(|it| it.remove("tags"));
    }
    assert_eq!(refusal("", "api-version=2024-11-01", &older), None);
    assert_eq!(
        refusal("", NOW, &json!({"location": "l", "zones": null, "properties": {"priority": null}})),
        None
    );
}

/// Sets a value in a request.
fn with(pointer: &str, name: &str, value: Value) -> Value {
    let mut body = body();
    body.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"))[name] = value;
    body
}

#[test]
fn what_is_not_of_the_form_is_refused() {
    for (what, body, code, target) in [
        ("unknown at the top", with("", "colour", json!(1)), "InvalidRequestContent", ""),
        ("unknown below", with("/properties", "colour", json!(1)), "BadRequest", ""),
        ("another case", with("/properties/hardwareProfile", "vmsize", json!("x")), "BadRequest", ""),
        ("no number", with(DISK, "diskSizeGB", json!("64")), "BadRequest", ""),
        ("no list", with(NETWORK, "networkInterfaceConfigurations", json!({})), "BadRequest", ""),
        (
            "no such value",
            with(DISK, "caching", json!("readonly")),
            "InvalidParameter",
            "properties.storageProfile.osDisk.caching",
        ),
        (
            "required",
            with(DISK, "createOption", json!(null)),
            "InvalidParameter",
            "properties.storageProfile.osDisk.createOption",
        ),
        ("no region", with("", "location", json!(null)), "LocationRequired", ""),
    ] {
        assert_eq!(refusal("", NOW, &body), Some((400, code, target.to_owned())), "{what}");
    }
}

#[test]
fn a_version_that_this_cloud_lacks_is_refused() {
    let older = "[settings]\nvm_versions = ['2024-07-01', '2024-11-01']\n";
    for (what, premises, query, code) in [
        ("none", "", "", "MissingApiVersionParameter"),
        ("a later one", older, NOW, "NoRegisteredProviderFound"),
        ("one that knows no tags of NICs", older, "api-version=2024-11-01", "BadRequest"),
    ] {
        assert_eq!(refusal(premises, query, &body()).map(|(_, code, _)| code), Some(code), "{what}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let size = |size: &str| with("/properties/hardwareProfile", "vmSize", json!(size));
    let image = |sku: &str, size: &str| {
        let mut body = with("/properties/storageProfile/imageReference", "sku", json!(sku));
        body["properties"]["hardwareProfile"]["vmSize"] = json!(size);
        body
    };
    let key =
        |key: &str| with("/properties/osProfile/linuxConfiguration/ssh/publicKeys/0", "keyData", json!(key));
    let admin = |name: &str| with("/properties/osProfile", "adminUsername", json!(name));
    let disk = |gib: u32| with(DISK, "diskSizeGB", json!(gib));
    let no_key = KEY.replace("FhmZm", "AAmZm");
    let key_data = "linuxConfiguration.ssh.publicKeys.keyData";
    let zoned = "ComputeResourceZoneConstraintDoesNotMatchPublicIPAddressZoneConstraint";
    for (what, premises, body, status, code, target) in [
        ("a key that is no point", "", key(&no_key), 400, "InvalidParameter", key_data),
        ("a key that is none", "", key("ssh-ed25519 AAAA"), 400, "InvalidParameter", key_data),
        ("a reserved name", "", admin("Test"), 400, "InvalidParameter", "adminUsername"),
        ("another home", "", admin("ci"), 400, "InvalidParameter", "linuxConfiguration.ssh.publicKeys.path"),
        ("smaller than the image", "", disk(10), 400, "InvalidParameter", "osDisk.diskSizeGB"),
        ("larger than any", "", disk(2041), 400, "InvalidParameter", "osDisk.diskSizeGB"),
        ("as large as the cache, with trusted launch", "", disk(100), 409, "NotSupported", ""),
        ("no room for an ephemeral disk", "", size("Standard_D4s_v5"), 409, "NotSupported", ""),
        ("generation", "", image("server-gen1", "Standard_D4ads_v6"), 400, "BadRequest", ""),
        ("controller", "", image("scsi", "Standard_D4ads_v6"), 400, "InvalidParameter", "vmSize"),
        ("spot", "", size("Standard_B4ms"), 400, "AzureSpotIsNotSupportedForThisVMSize", ""),
        (
            "no such size here",
            "[premises]\nabsent = ['Standard_D4ds_v5']\n",
            body(),
            400,
            "InvalidParameter",
            "vmSize",
        ),
        ("no such zone", "", with("", "zones", json!(["4"])), 400, "AvailabilityZoneNotSupported", ""),
        ("no zones", "", with("", "location", json!("westus")), 400, "AvailabilityZoneNotSupported", ""),
        (
            "a zone, and an address",
            "",
            with(NETWORK, "networkApiVersion", json!("2020-11-01")),
            400,
            zoned,
            "",
        ),
        ("a reserved tag", "", with("/tags", "Microsoft-x", json!("")), 400, "InvalidTagNamePrefix", ""),
        (
            "a price",
            "",
            with("/properties/billingProfile", "maxPrice", json!(0.0)),
            400,
            "MaxPriceValueInvalid",
            "",
        ),
        ("no such subnet", "[premises]\nabsent = ['/subnet']\n", body(), 400, "InvalidResourceReference", ""),
        ("no such group", "[premises]\nabsent = ['/nsg']\n", body(), 400, "InvalidResourceReference", ""),
        (
            "no such image",
            "[premises]\nabsent = ['p:o:s:latest']\n",
            body(),
            404,
            "PlatformImageNotFound",
            "",
        ),
        ("a plan", "[premises]\nimage_plan = true\n", body(), 400, "VMMarketplaceInvalidInput", ""),
    ] {
        assert_eq!(refusal(premises, NOW, &body), Some((status, code, target.to_owned())), "{what}");
    }
    assert_eq!(refusal("", NOW, &disk(99)), None, "the cache but for what trusted launch needs");
}

/// What differs between our schema and Azure's, below this path.
fn differences(ours: &Value, theirs: &Value, definitions: &Value, path: &str, all: &mut Vec<String>) {
    let theirs = resolved(theirs, definitions);
    for name in ["type", "enum"] {
        // Azure's closed list of sizes is out of date by nature.
        if ours[name] != theirs[name] && !(name == "enum" && path.ends_with(".vmSize")) {
            all.push(format!("{path}: {name} {} and {}", ours[name], theirs[name]));
        }
    }
    // In a template the name and the version are required, and the region is not.
    if ours["required"] != theirs["required"] && !path.is_empty() {
        all.push(format!("{path}: required {} and {}", ours["required"], theirs["required"]));
    }
    if !ours["items"].is_null() {
        differences(&ours["items"], &theirs["items"], definitions, &format!("{path}[]"), all);
    }
    for (name, inner) in ours["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match theirs["properties"].get(name) {
            Some(theirs) => differences(inner, theirs, definitions, &path, all),
            None => all.push(format!("{path}: Azure knows no such property")),
        }
    }
}

/// Azure's schema without its references, and without the expressions that a template may have in place of a value.
fn resolved<'s>(schema: &'s Value, definitions: &'s Value) -> &'s Value {
    let is_expression = |one: &&Value| one["$ref"].as_str().is_some_and(|to| to.ends_with("/expression"));
    if let Some(any) = schema["oneOf"].as_array() {
        return any.iter().find(|one| !is_expression(one)).map_or(schema, |one| resolved(one, definitions));
    }
    match schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        Some(name) => resolved(&definitions[name], definitions),
        None => schema,
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that has nothing to compare with says so")]
fn our_schema_says_what_azures_does() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs/azure-compute-vm-2025-04-01.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: Azure's schema is not at {}", file.display());
        return;
    };
    let published: Value = serde_json::from_str(&text).expect("JSON");
    let mut all = Vec::new();
    let theirs = &published["resourceDefinitions"]["virtualMachines"];
    differences(&schema::SCHEMA, theirs, &published["definitions"], "", &mut all);
    assert!(all.is_empty(), "{}", all.join("\n"));
}
