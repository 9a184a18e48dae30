//! `status` with a running daemon, and without one.

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::schema::assert_documented;
use serde_json::Value;

fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 2\n{VM}"));
    cloud.write("fleets/off.toml", &format!("repo = \"o/r\"\nenabled = false\nlabels = [\"gpu\"]\n{VM}"));
    cloud
}

fn json(cloud: &Cloud, arguments: &[&str]) -> Value {
    let output = cloud.command(&[&["status", "--output", "json"], arguments].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(cloud: &Cloud, arguments: &[&str]) -> String {
    let output = cloud.command(&[&["status"], arguments].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_running_daemon_tells_what_it_knows() {
    let cloud = cloud();
    let daemon = cloud.daemon();
    let is_settled = || {
        let status = json(&cloud, &["--pool", "ci"]);
        let runners = status["fleets"][0]["runners"].as_array().cloned().unwrap_or_default();
        runners.iter().filter(|runner| runner["vm"]["size"] == "Standard_D4s_v5").count() == 2
    };
    assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
    let start = std::time::Instant::now();
    while !is_settled() {
        assert!(start.elapsed() < SOON, "{}", text(&cloud, &[]));
    }
    let status = json(&cloud, &[]);
    assert_documented("status", &status);
    assert_eq!(status["daemon"]["pid"], daemon.id());
    assert_eq!(status["fleets"][1]["enabled"], false);
    assert!(status["budgets"]["github"]["remaining"].is_u64());
    assert!(status["budgets"]["azure"]["reads"].is_u64());
    let shown = text(&cloud, &["--pool", "ci"]);
    assert!(shown.starts_with("daemon ") && shown.contains("\nci  repo:o/r  2 to 10 runners\n"), "{shown}");
    assert!(!shown.contains("\x1b["), "no colour where nobody sees it");
    assert!(!shown.contains("\noff  "), "only what is asked for");
    daemon.kill();
    let after = json(&cloud, &[]);
    assert!(after["daemon"].is_null(), "a status that a killed daemon left is not believed");
    assert_documented("status", &after);
}

#[test]
fn without_a_daemon_the_clouds_are_asked_and_nothing_is_changed() {
    let cloud = cloud();
    cloud.write("fleets/bad.toml", "repo = 1");
    let status = json(&cloud, &[]);
    assert_documented("status", &status);
    assert_eq!(status["fleets"][0]["decision"]["action"], "scale_up");
    assert!(status["bad_files"][0]["file"].as_str().unwrap().ends_with("bad.toml"));
    assert_eq!(cloud.served.world().report().vms_created, 0);
    let unknown = cloud.command(&["status", "--pool", "cj"]).output().unwrap();
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(
        (unknown.status.code(), said.as_str()),
        (Some(3), "error: there is no pool cj; did you mean ci?\n")
    );
}

#[test]
fn what_is_not_known_says_what_to_do() {
    let cloud = cloud();
    let no_token = cloud.command(&["status"]).env_remove("GITHUB_TOKEN").output().unwrap();
    assert_eq!(no_token.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_token.stderr).contains("there is no token for GitHub"));
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
    let elsewhere = tempfile::tempdir().unwrap();
    let lost = cloud.command(&["status"]).env("RUNTIME_DIRECTORY", elsewhere.path()).output().unwrap();
    // Its lock is where its status is.
    assert!(String::from_utf8_lossy(&lost.stdout).starts_with("no daemon runs for"), "{lost:?}");
}
