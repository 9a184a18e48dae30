//! Mistakes that people make, the message for each, and the exit code.

use std::process::Output;

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};

/// A cloud with the repository o/r, and a daemon that has one good fleet.
fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/good.toml", &format!("repo = \"o/r\"\n{VM}"));
    cloud
}

/// The exit code and the output, without what differs between two runs.
fn told(cloud: &Cloud, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.replace(cloud.config.path().to_str().unwrap(), "CONFIG");
    let text = text
        .replace(&cloud.served.github.to_string(), "GITHUB")
        .replace(&cloud.served.azure.to_string(), "AZURE");
    let lines = text.lines().filter(|line| !line.contains(" WARN ") && !line.contains(" INFO "));
    format!("exit {}\n{}\n", output.status.code().unwrap(), lines.collect::<Vec<_>>().join("\n"))
}

fn once(cloud: &Cloud) -> String {
    told(cloud, &cloud.command(&["run", "--once"]).output().unwrap())
}

#[test]
fn each_mistake_is_reported_with_its_fix() {
    let mut tellings = Vec::new();
    let mut tell = |what: &str, telling: String| tellings.push(format!("== {what}\n{telling}"));
    let with_fleet = |file: &str, text: &str| {
        let cloud = cloud();
        cloud.write(&format!("fleets/{file}"), text);
        once(&cloud)
    };
    let fleet = |top: &str| format!("{top}\n{VM}");
    tell("nothing is wrong", once(&cloud()));
    tell("malformed TOML", with_fleet("bad.toml", "repo = \"o/r\n"));
    tell("unknown key", with_fleet("bad.toml", &fleet("repo = \"o/r\"\nlabel = [\"x\"]")));
    tell("wrong type", with_fleet("bad.toml", &fleet("repo = \"o/r\"\nenabled = 1")));
    let scaling = "[scaling]\nmin_runners = 3\nmax_runners = 2";
    tell("min over max", with_fleet("bad.toml", &fleet(&format!("repo = \"o/r\"\n{scaling}"))));
    let token = "token = \"ghp_0123456789abcdefghijABCDEFGHIJ012345\"";
    tell("a token in a file", with_fleet("bad.toml", &fleet(&format!("repo = \"o/r\"\n{token}"))));
    tell("bad repository", with_fleet("bad.toml", &fleet("repo = \"https://github.com/o/r\"")));
    tell("bad label", with_fleet("bad.toml", &fleet("repo = \"o/r\"\nlabels = [\"$(reboot)\"]")));
    tell("bad pool", with_fleet("bad pool.toml", &fleet("repo = \"o/r\"")));
    tell("two pools of one name", with_fleet("GOOD.toml", &fleet("repo = \"o/r\"")));
    tell("repository not found", with_fleet("other.toml", &fleet("repo = \"o/missing\"")));

    let bad_daemon = cloud();
    bad_daemon.write("azlin.toml", "[github]\napi_url = \"http://api.github.com\"\n");
    tell("plain HTTP", once(&bad_daemon));
    let bad_token = cloud();
    let wrong = bad_token
        .command(&["run", "--once"])
        .env("GITHUB_TOKEN", format!("ghp_{}", "Ab3kQ9".repeat(6)))
        .output();
    tell("wrong token", told(&bad_token, &wrong.unwrap()));
    let no_token = cloud();
    tell(
        "missing token",
        told(&no_token, &no_token.command(&["run", "--once"]).env_remove("GITHUB_TOKEN").output().unwrap()),
    );
    let empty = cloud();
    tell(
        "empty token",
        told(&empty, &empty.command(&["run", "--once"]).env("GITHUB_TOKEN", " ").output().unwrap()),
    );
    let lost = cloud();
    let missing = lost.config.path().join("missing");
    let output = lost.command(&["run", "--once"]).env("AZLIN_CONFIG_DIR", missing).output();
    tell("no configuration directory", told(&lost, &output.unwrap()));
    let pool = cloud();
    tell("no such pool", told(&pool, &pool.command(&["plan", "--pool", "bad"]).output().unwrap()));
    tell("bad pool name", told(&pool, &pool.command(&["plan", "--pool", "a b"]).output().unwrap()));
    tell("unknown option", told(&pool, &pool.command(&["run", "--twice"]).output().unwrap()));

    insta::assert_snapshot!(tellings.join("\n"));
}

#[test]
fn a_bad_file_leaves_the_other_fleets_running() {
    let cloud = cloud();
    cloud.write("fleets/bad.toml", "repo = 1");
    cloud.write("fleets/good.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    let daemon = cloud.daemon();
    assert!(cloud.wait(azlin_tests::SOON, |world| world.report().vms_created == 1));
    daemon.kill();
    let log = std::fs::read_to_string(cloud.log()).unwrap();
    assert!(log.contains("its fleet is left untouched"), "{log}");
}
