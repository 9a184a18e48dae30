//! The simulated Azure with Azure's own SDK for Python, which signs in with `azure-identity`: it creates, lists, shows,
//! tags, deallocates, starts and deletes VMs, and lists what the daemon made. `cargo xtask e2e` runs this.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use azlin_simcloud::{CLIENT_ID, CLIENT_SECRET, Workload};
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::web::LOCALHOST;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// Quick, also where the SDK waits: it asks again after what Azure says.
const QUICK: &str =
    "create = '1s'\nboot = '500ms'\nregister = '200ms'\ndelete = '1s'\noperation_wait = '1s'\n";
/// The version of the API that this version of the SDK uses.
const OF_THE_SDK: &str =
    "vm_versions = ['2024-07-01', '2024-11-01', '2025-04-01', '2026-04-01']\nvm_page = 2\n";

/// The Python with the SDK, which `cargo xtask e2e` installs.
fn python() -> PathBuf {
    let venv =
        std::env::var_os("AZLIN_AZURE_SDK").expect("AZLIN_AZURE_SDK names the venv: cargo xtask e2e sets it");
    Path::new(&venv).join("bin/python")
}

fn cloud(more: &str) -> Cloud {
    let workload = format!("repositories = ['o/r']\n[settings]\n{QUICK}{OF_THE_SDK}{more}");
    Cloud::new(&Workload::parse(&workload).unwrap())
}

/// Runs a part of the program against a cloud, over HTTPS as Azure is.
fn run(cloud: &Cloud, part: &str) {
    let web = cloud.web();
    cloud.write("ca.pem", &web.certificate);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure_sdk/vms.py");
    let output = Command::new(python())
        .arg(program)
        .arg(part)
        .env_clear()
        .env("REQUESTS_CA_BUNDLE", cloud.config.path().join("ca.pem"))
        .env("AZURE_URL", web.azure_at(LOCALHOST))
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT_ID)
        .env("AZURE_CLIENT_SECRET", CLIENT_SECRET)
        .env("SUBSCRIPTION", SUBSCRIPTION)
        .stdin(Stdio::null())
        .output()
        .expect("Python runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{part}:\n{}{}", said(&output.stdout), said(&output.stderr));
}

#[test]
fn azures_sdk_takes_a_vm_through_its_whole_life() {
    let cloud = cloud("");
    run(&cloud, "life");
    let report = cloud.served.world().report();
    assert_eq!((report.vms_created, report.vms_left), (3, 0), "{report:?}");
}

#[test]
fn azures_sdk_is_told_why_a_vm_could_not_be_made() {
    let cloud = cloud("[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\n");
    run(&cloud, "failure");
}

#[test]
fn azures_sdk_lists_what_the_daemon_made() {
    let cloud = cloud("");
    cloud.write(
        "fleets/ci.toml",
        &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 3\nmax_runners = 3\n{VM}"),
    );
    let _daemon = cloud.daemon();
    let is_up = |world: &mut azlin_simcloud::World| {
        world.state.azure.vms.values().filter(|vm| vm.is_running()).count() == 3
    };
    assert!(cloud.wait(Duration::from_secs(60), is_up), "{}", cloud.logged());
    run(&cloud, "daemon");
}
