//! What a machine finds at its first boot: its name, and no identity of another machine. A VM also finds its
//! request's keys and its custom data for cloud-init.

use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use crate::azure::SimVm;

/// Writes a VM's files into its machine's root.
pub(super) fn plant(root: &Path, vm: &SimVm) -> io::Result<()> {
    let profile = &vm.body["properties"]["osProfile"];
    let hostname = profile["computerName"].as_str().unwrap_or(&vm.name);
    identity(root, hostname)?;
    let write = |path: &str, text: &str| write(root, path, text);
    write("etc/cloud/cloud.cfg.d/99-azlin.cfg", &cloud_cfg(profile).to_string())?;
    let seed = "var/lib/cloud/seed/nocloud";
    write(&format!("{seed}/meta-data"), &meta_data(vm, hostname, profile).to_string())?;
    let custom_data = &*vm.custom_data;
    let user_data = if custom_data.is_empty() { "#cloud-config\n{}\n" } else { custom_data };
    write(&format!("{seed}/user-data"), user_data)
}

/// Writes the files of a machine that is not a VM: nothing waits for cloud-init.
pub(super) fn plant_host(root: &Path, hostname: &str) -> io::Result<()> {
    identity(root, hostname)?;
    write(root, "etc/cloud/cloud-init.disabled", "")
}

fn identity(root: &Path, hostname: &str) -> io::Result<()> {
    write(root, "etc/hostname", &format!("{hostname}\n"))?;
    write(root, "etc/hosts", &format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n::1 localhost\n"))?;
    write(root, "etc/machine-id", "")?;
    forget_host_keys(root)
}

fn write(root: &Path, path: &str, text: &str) -> io::Result<()> {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(path, text)
}

/// Cloud-init reads YAML, and JSON is YAML.
fn cloud_cfg(profile: &Value) -> Value {
    let admin = profile["adminUsername"].as_str().unwrap_or("azureuser");
    json!({
        "datasource_list": ["NoCloud"],
        "network": {"config": "disabled"},
        "locale": false,
        "system_info": {"default_user": {
            "name": admin, "lock_passwd": true, "shell": "/bin/bash", "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
        }},
    })
}

fn meta_data(vm: &SimVm, hostname: &str, profile: &Value) -> Value {
    let keys = profile["linuxConfiguration"]["ssh"]["publicKeys"].as_array().into_iter().flatten();
    let keys: Vec<&str> = keys.filter_map(|key| key["keyData"].as_str()).collect();
    json!({"instance-id": format!("{}-{}", vm.name, vm.uid), "local-hostname": hostname, "public-keys": keys})
}

fn forget_host_keys(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root.join("etc/ssh"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn cloud_init_reads_the_request() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("etc/ssh")).expect("made");
        fs::write(root.path().join("etc/ssh/ssh_host_rsa_key"), "another machine's").expect("written");
        let body = json!({"properties": {"osProfile": {
            "computerName": "ci-1", "adminUsername": "azlin", "customData": STANDARD.encode("#cloud-config\n{\"a\": 1}\n"),
            "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": "ssh-ed25519 AAAA"}]}},
        }}});
        let vm = SimVm::asked(7, ("s", "g", "ci-1"), body, Timestamp::UNIX_EPOCH);
        plant(root.path(), &vm).expect("planted");
        let read = |path: &str| fs::read_to_string(root.path().join(path)).expect(path);
        assert_eq!(read("var/lib/cloud/seed/nocloud/user-data"), "#cloud-config\n{\"a\": 1}\n");
        let meta: Value = serde_json::from_str(&read("var/lib/cloud/seed/nocloud/meta-data")).expect("JSON");
        assert_eq!(
            meta,
            json!({"instance-id": "ci-1-7", "local-hostname": "ci-1", "public-keys": ["ssh-ed25519 AAAA"]})
        );
        assert_eq!(read("etc/hostname"), "ci-1\n");
        assert!(read("etc/cloud/cloud.cfg.d/99-azlin.cfg").contains(r#""name":"azlin""#));
        assert!(!root.path().join("etc/ssh/ssh_host_rsa_key").exists());
    }
}
