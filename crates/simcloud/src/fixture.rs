//! Values that tests of several crates start from.

use std::collections::BTreeMap;

use azlin_fleet::model::{Image, ResourceGroup, RunnerName, VmSpec};
use secrecy::SecretString;

/// A plain VM of this name. A test changes what it is about: `VmSpec { public_ip: true, ..vm_spec(name) }`.
pub fn vm_spec(name: RunnerName) -> VmSpec {
    VmSpec {
        name,
        group: ResourceGroup { subscription_id: "s".to_owned(), name: "g".to_owned() },
        location: "westeurope".to_owned(),
        size: "Standard_D4s_v5".to_owned(),
        image: Image::Id("/gallery/1.0".to_owned()),
        subnet_id: "/subnet".to_owned(),
        nsg_id: None,
        accelerated_networking: false,
        public_ip: false,
        zone: None,
        spot: None,
        ephemeral_os_disk: false,
        os_disk_size_gb: None,
        trusted_launch: false,
        admin_user: "azlin".to_owned(),
        admin_key: None,
        identity: Vec::new(),
        tags: BTreeMap::from([("azlin-pool".to_owned(), "ci".to_owned())]),
        custom_data: SecretString::from("#cloud-config"),
    }
}
