//! Values that tests of several crates start from.

use std::collections::BTreeMap;

use azlin_fleet::model::{Image, ResourceGroup, RunnerName, Scope, VmSpec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::json;

use crate::world::World;

/// Asks for a VM of this name that becomes an ephemeral runner with the label `docker`. Returns the runner's id.
///
/// # Panics
/// If there is no such scope, or the name is in use.
#[expect(clippy::expect_used, reason = "it serves tests, which fail by panicking")]
pub fn sim_vm(world: &mut World, scope: &Scope, name: &str) -> u64 {
    let (runner, jit) = world.jit_config(scope, name, 1, vec!["docker".to_owned()]).expect("a runner");
    let custom_data = STANDARD.encode(format!("#cloud-config\nrun: {jit}\nthen: poweroff\n"));
    let body = json!({"location": "l", "properties": {"osProfile": {"customData": custom_data}}});
    world.put_vm("s", "g", name, body, true).expect("a VM");
    runner.id
}

/// A public key that is a point of its curve. Nobody has its private half.
const ADMIN_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0q4pGnnXcbXf3ZaWTcx8YVeKODi+wfllm38GEtCfRe";

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
        extensions: false,
        admin_user: "azlin".to_owned(),
        admin_key: ADMIN_KEY.to_owned(),
        identity: Vec::new(),
        tags: BTreeMap::from([("azlin-pool".to_owned(), "ci".to_owned())]),
        custom_data: SecretString::from("#cloud-config"),
    }
}
