//! `check --try` against the simulated cloud over HTTP, in every way in which it can go wrong. After each, nothing is left,
//! or exactly what the output says.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use azlin_simcloud::azure::SimPower;
use azlin_simcloud::{Workload, World};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM, azlin};

/// VMs are created and deleted within a second.
const QUICK: &str = "[settings]\ncreate = '300ms'\nboot = '300ms'\nregister = '300ms'\ndelete = '300ms'\n";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// A cloud with these faults, and one fleet, whose rehearsal has this patience for each of its parts.
fn cloud(faults: &str, patience: &str) -> Cloud {
    // Built first, so that the world's time begins with the rehearsal.
    azlin();
    let cloud =
        Cloud::new(&Workload::parse(&format!("repositories = ['acme/rocket']\n{QUICK}{faults}")).unwrap());
    let lifecycle = format!("[lifecycle]\nboot_timeout = \"{patience}\"\n");
    cloud.write("fleets/ci.toml", &format!("repo = \"acme/rocket\"\nlabels = [\"docker\"]\n{lifecycle}{VM}"));
    cloud
}

fn fault(what: &str, side: &str, method: &str, path: &str) -> String {
    format!("[[faults]]\nwhat = {what}\nside = '{side}'\nmethod = '{method}'\npath = '{path}'\n")
}

fn run(cloud: &Cloud, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = cloud.command(&["check", "--try"]);
    text(&command.args(arguments).stdin(Stdio::null()).output().unwrap())
}

fn text(Output { status, stdout, stderr }: &Output) -> (Option<i32>, String) {
    (status.code(), format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr)))
}

/// How many VMs, parts and entries there are.
fn there(world: &World) -> (usize, usize, usize) {
    let azure = &world.state.azure;
    (azure.vms.len(), azure.left.len(), world.state.github.runners.len())
}

fn start(cloud: &Cloud) -> Child {
    let mut command = cloud.command(&["check", "--try", "--yes"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn all_is_well_and_the_report_names_nobody() {
    let cloud = cloud("", "30s");
    let report = cloud.config.path().join("report.txt");
    let (code, said) = run(&cloud, &["--yes", "--pool", "ci", "--report", report.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "One VM, Standard_D4s_v5 in westeurope",
        "at most $",
        "✓ create",
        "✓ online",
        "✓ drain",
        "✓ nothing left",
        "the power state in a list with statusOnly: as expected",
        "azlin's tags on the VM and its parts: as expected: all have them",
        "the labels of the runner at GitHub: as expected",
        "x-ms-ratelimit-remaining-subscription-reads",
        "what an eviction takes along: not seen",
        "It worked: a VM became a runner, drained and is gone; nothing is left.",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("DIFFERS"), "{said}");
    assert_eq!(there(&cloud.served.world()), (0, 0, 0));
    let written = std::fs::read_to_string(report).unwrap();
    assert!(written.contains("It worked") && written.contains("<runner>"), "{written}");
    for name in [SUBSCRIPTION, "acme", "rocket", "docker", "azureuser", "127.0.0.1", "ci-1"] {
        assert!(!written.contains(name), "{name}: {written}");
    }
}

#[test]
fn whatever_fails_is_told_and_nothing_is_left() {
    let vms = "/virtualMachines/";
    let any = |what: &str| format!("[[faults]]\nwhat = {what}\n");
    let table = [
        ("the create is refused", fault("{ status = 403 }", "azure", "PUT", vms), "✗ create"),
        ("there is no room", any("'no_capacity'"), "Azure has no room"),
        ("the boot fails", any("'create_fails'"), "Azure did not make the VM"),
        ("it is never online", any("'never_registers'"), "was not online"),
        ("the drain is refused", fault("{ status = 403 }", "azure", "PATCH", vms), "✗ drain"),
    ];
    std::thread::scope(|scope| {
        for (situation, faults, words) in &table {
            scope.spawn(move || {
                let cloud = cloud(faults, "10s");
                let (code, said) = run(&cloud, &["--yes"]);
                assert_eq!(code, Some(1), "{situation}: {said}");
                assert!(said.contains(words) && said.contains("nothing is left."), "{situation}: {said}");
                assert_eq!(there(&cloud.served.world()), (0, 0, 0), "{situation}: {said}");
            });
        }
    });
}

#[test]
fn a_removal_that_fails_at_first_is_tried_again() {
    let faults = fault("{ status = 409 }", "azure", "DELETE", "/virtualMachines/") + "until = '8s'\n";
    let cloud = cloud(&faults, "20s");
    let (_, said) = run(&cloud, &["--yes"]);
    assert!(said.contains("✓ nothing left") && said.contains("nothing is left."), "{said}");
    assert_eq!(there(&cloud.served.world()), (0, 0, 0), "{said}");
}

#[test]
fn what_cannot_be_removed_is_named_with_its_commands() {
    let cloud = cloud(&fault("{ status = 403 }", "azure", "DELETE", "/virtualMachines/"), "10s");
    let (code, said) = run(&cloud, &["--yes"]);
    let name = cloud.served.world().state.azure.vms.values().next().map(|vm| vm.name.clone()).unwrap();
    assert_eq!(code, Some(1), "{said}");
    let command =
        format!("az vm delete --yes --subscription {SUBSCRIPTION} --resource-group rg --name {name}");
    assert!(said.contains(&command), "{said}");
    assert!(said.contains("some of it may be left"), "{said}");
}

#[test]
fn where_github_is_away_the_entry_is_named_that_may_be_left() {
    let cloud = cloud("[[faults]]\nwhat = 'reset'\nside = 'github'\n", "10s");
    let (code, said) = run(&cloud, &["--yes"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("gh api --method DELETE repos/acme/rocket/actions/runners/"), "{said}");
    assert_eq!(there(&cloud.served.world()), (0, 0, 0));
}

#[test]
fn an_interruption_at_any_step_leaves_nothing() {
    type Reached = fn(&mut World) -> bool;
    let moments: [(&str, Reached); 4] = [
        ("the entry is made", |world| !world.state.github.runners.is_empty()),
        ("the VM is requested", |world| !world.state.azure.vms.is_empty()),
        ("the VM boots", |world| {
            world.state.azure.vms.values().any(|vm| vm.power == Some(SimPower::Running))
        }),
        ("it is online", |world| world.state.github.runners.values().any(|entry| entry.online)),
    ];
    std::thread::scope(|scope| {
        for (situation, is_reached) in moments {
            for name in ["INT", "TERM"] {
                scope.spawn(move || {
                    let cloud = cloud("", "30s");
                    let child = start(&cloud);
                    assert!(cloud.wait(SOON, is_reached), "{situation}");
                    signal(&child, name);
                    let (code, said) = text(&child.wait_with_output().unwrap());
                    assert!(code.is_some(), "{situation}: {said}");
                    assert_eq!(there(&cloud.served.world()), (0, 0, 0), "{situation}: {said}");
                });
            }
        }
    });
}

#[test]
fn a_second_signal_ends_it_and_says_what_is_left() {
    let cloud = cloud(&fault("{ status = 403 }", "azure", "DELETE", "/virtualMachines/"), "60s");
    let child = start(&cloud);
    assert!(cloud.wait(SOON, |world| !world.state.azure.vms.is_empty()));
    signal(&child, "INT");
    let refused = |world: &mut World| world.faults.struck() > 0;
    assert!(cloud.wait(SOON, refused));
    let asked = Instant::now();
    signal(&child, "INT");
    let (code, said) = text(&child.wait_with_output().unwrap());
    assert!(asked.elapsed() < Duration::from_secs(20), "{said}");
    assert_eq!(code, Some(128 + 2), "{said}");
    assert!(said.contains("az vm delete") && said.contains("by hand"), "{said}");
}

#[test]
fn what_a_killed_rehearsal_leaves_the_fleets_daemon_removes() {
    let cloud = cloud("", "10s");
    let mut child = start(&cloud);
    let is_online = |world: &mut World| world.state.github.runners.values().any(|entry| entry.online);
    assert!(cloud.wait(SOON, is_online));
    child.kill().unwrap();
    child.wait().unwrap();
    if there(&cloud.served.world()) == (0, 0, 0) {
        return;
    }
    let _daemon = cloud.daemon();
    assert!(cloud.wait(2 * SOON, |world| there(world) == (0, 0, 0)), "{}", cloud.logged());
}

#[test]
fn beside_a_daemon_without_a_terminal_or_a_pool_nothing_is_made() {
    let cloud = cloud("", "30s");
    let (code, said) = run(&cloud, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no terminal") && said.contains("--yes"), "{said}");
    let (code, said) = run(&cloud, &["--yes", "--output", "json"]);
    assert_eq!(code, Some(2), "{said}");
    {
        let _daemon = cloud.daemon();
        assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
        let (code, said) = run(&cloud, &["--yes"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("a daemon runs on"), "{said}");
    }
    cloud.write("fleets/other.toml", &format!("repo = \"acme/rocket\"\nlabels = [\"gpu\"]\n{VM}"));
    let (code, said) = run(&cloud, &["--yes"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--pool (there are: ci, other)"), "{said}");
    assert_eq!(there(&cloud.served.world()), (0, 0, 0));
}
