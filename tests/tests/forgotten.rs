//! Nothing is forgotten silently: VMs whose fleet has no file, and files that are not read.

use std::fs;
use std::process::Output;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::schema::assert_documented;
use serde_json::Value;

fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/web.toml", &format!("repo = \"o/r\"\nlabels = [\"web\"]\n{VM}"));
    cloud
}

fn ci(cloud: &Cloud) {
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn run(cloud: &Cloud, arguments: &[&str]) -> (Option<i32>, String) {
    let output = cloud.command(arguments).env_remove("STATE_DIRECTORY").output().unwrap();
    // At any width of the terminal.
    (output.status.code(), told(&output).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn status(cloud: &Cloud) -> Value {
    let text = fs::read(cloud.runtime_dir().join("status.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[test]
fn a_fleet_whose_file_is_gone_is_told_for_as_long_as_it_has_vms_also_after_a_restart() {
    let cloud = cloud();
    ci(&cloud);
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "{}", cloud.logged());
    daemon.kill();
    fs::remove_file(cloud.config.path().join("fleets/ci.toml")).unwrap();
    let gone = "1 VM of pool ci keeps running and is billed";
    for arguments in [&["status"][..], &["status", "--pool", "ci"], &["plan"], &["check"]] {
        let (_, said) = run(&cloud, arguments);
        assert!(said.contains(gone), "without a daemon, {arguments:?}: {said}");
    }
    let _daemon = cloud.daemon();
    let is_told = |_: &mut _| status(&cloud)["forgotten"][0]["pool"] == "ci";
    assert!(cloud.wait(SOON, is_told), "{}", cloud.logged());
    assert_documented("status", &status(&cloud));
    assert_eq!(status(&cloud)["errors"][0]["about"], "forgotten");
    for arguments in [&["status"][..], &["status", "--problems"], &["status", "--pool", "ci"], &["check"]] {
        let (_, said) = run(&cloud, arguments);
        assert!(said.contains(gone), "{arguments:?}: {said}");
        assert!(said.contains("with `enabled = false`"), "the cure, {arguments:?}: {said}");
    }
    assert_eq!(cloud.logged().matches(gone).count(), 1, "{}", cloud.logged());
    ci(&cloud);
    assert!(
        cloud.wait(SOON, |_| status(&cloud)["forgotten"] == Value::Array(Vec::new())),
        "{}",
        cloud.logged()
    );
    assert!(cloud.wait(SOON, |_| cloud.logged().contains("no VM is without a fleet")), "{}", cloud.logged());
    assert_eq!(cloud.served.world().report().vms_created, 1, "the fleet takes its VM again");
}

#[test]
fn a_renamed_pool_is_recognised() {
    let cloud = cloud();
    ci(&cloud);
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "{}", cloud.logged());
    let fleets = cloud.config.path().join("fleets");
    fs::rename(fleets.join("ci.toml"), fleets.join("builds.toml")).unwrap();
    let renamed = |_: &mut _| status(&cloud)["forgotten"][0]["renamed_to"] == "builds";
    assert!(cloud.wait(SOON, renamed), "{}", cloud.logged());
    let (_, said) = run(&cloud, &["status"]);
    assert!(
        said.contains(
            "pool ci was renamed to builds, and its VMs were not. To drain them, put fleets/ci.toml back"
        ),
        "{said}"
    );
}

#[test]
fn files_that_are_not_read_are_named_by_each_command_and_the_daemon() {
    let cloud = cloud();
    cloud.write("fleets/ci.yaml", "repo: o/r\n");
    cloud.write("fleets/old.toml.bak", "");
    cloud.write("gpu.toml", &format!("repo = \"o/r\"\n{VM}"));
    let _daemon = cloud.daemon();
    let is_told = |_: &mut _| status(&cloud)["bad_files"].as_array().is_some_and(|all| all.len() == 3);
    assert!(cloud.wait(SOON, is_told), "{}", cloud.logged());
    let cures = ["rename it to ci.toml", "rename it to old.toml", "move it to fleets/gpu.toml"];
    for arguments in [&["status"][..], &["plan"], &["check"]] {
        let (_, said) = run(&cloud, arguments);
        assert!(cures.iter().all(|cure| said.contains(cure)), "{arguments:?}: {said}");
    }
    assert!(cures.iter().all(|cure| cloud.logged().contains(cure)), "{}", cloud.logged());
    let fleets = cloud.config.path().join("fleets").display().to_string();
    let (code, said) = run(&cloud, &["plan", "--config-dir", &fleets]);
    assert!(said.contains("the configuration directory is the one above"), "{code:?}: {said}");
}
