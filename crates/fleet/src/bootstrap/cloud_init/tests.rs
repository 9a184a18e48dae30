use super::*;
use crate::config::ROOM;
use crate::model::{RunnerId, RunnerName};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn both_kinds_of_machine_power_off_when_nobody_needs_them() {
    let key = HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from("k".to_owned()) };
    for text in [sample(), reachable(&key, "ssh-ed25519 BBBB", &plain(), DAY).expose_secret().to_owned()] {
        assert!(text.contains("runner watch 86400\\n") && text.contains("OnUnitInactiveSec=300"), "{text}");
        assert!(text.contains("azlin-dead-mans-switch.timer"));
    }
}

#[test]
fn both_kinds_of_machine_drain_when_their_user_data_asks_for_it() {
    let key = HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from("k".to_owned()) };
    for text in [sample(), reachable(&key, "ssh-ed25519 BBBB", &plain(), DAY).expose_secret().to_owned()] {
        let config = config(&text);
        let files = config["write_files"].as_array().expect("a list");
        let unit = files.iter().find(|file| file["path"] == "/etc/systemd/system/azlin-drain.service");
        let unit = unit.and_then(|file| file["content"].as_str()).expect("a unit");
        for line in ["ExecStart=/usr/local/lib/azlin/runner attend", "Restart=always"] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
        assert!(config["runcmd"].as_array().expect("a list").iter().any(|command| {
            command[0] == "systemctl" && command.to_string().contains("\"azlin-drain.service\"")
        }));
    }
}

#[test]
fn the_runner_is_told_not_to_update_itself() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let files = json!({".runner": STANDARD.encode(r#"{"AgentId": 1}"#)}).to_string();
    let written = config(&sample_of(&STANDARD.encode(files)))["write_files"][0]["content"].clone();
    let files = STANDARD.decode(written.as_str().expect("a text")).expect("base64");
    let files: Value = serde_json::from_slice(&files).expect("JSON");
    let settings = STANDARD.decode(files[".runner"].as_str().expect("a text")).expect("base64");
    assert_eq!(String::from_utf8_lossy(&settings), r#"{"AgentId":1,"DisableUpdate":true}"#);
}

fn sample() -> String {
    sample_of("SECRETBLOB")
}

fn sample_of(jit_config: &str) -> String {
    sample_with(jit_config, &plain())
}

fn plain() -> MachineConfig {
    MachineConfig::default()
}

fn sample_with(jit_config: &str, machine: &MachineConfig) -> String {
    let pool = "ci".parse().expect("valid");
    let runner = RunnerRegistration {
        runner_id: RunnerId(1),
        runner_name: RunnerName::new(&pool, crate::fixture::at(0), 1),
        encoded_jit_config: SecretString::from(jit_config.to_owned()),
    };
    let download = Download {
        os: "linux".into(),
        architecture: "x64".into(),
        url: "https://example.invalid/it's.tar.gz".to_owned(),
        filename: "it's.tar.gz".to_owned(),
        sha256: Some("ab12".to_owned()),
    };
    self_made(&runner, &download, true, machine, DAY).expose_secret().to_owned()
}

fn config(text: &str) -> Value {
    let (first, rest) = text.split_once('\n').expect("two lines");
    assert_eq!(first, "#cloud-config");
    serde_json::from_str(rest).expect("JSON")
}

#[test]
fn it_is_cloud_config_and_json_below_its_first_line() {
    let text = sample();
    let config = config(&text);
    assert_eq!(config["write_files"][0]["content"], "SECRETBLOB");
    assert_eq!(config["write_files"][0]["permissions"], "0400");
    assert_eq!(text.matches("SECRETBLOB").count(), 1, "the secret is in its file and nowhere else");
}

#[test]
fn its_unit_is_a_runner_for_one_job_and_powers_off_after_it() {
    let config = config(&sample());
    let mut files = config["write_files"].as_array().expect("a list").iter();
    let unit = files.find(|file| file["path"].as_str().is_some_and(|path| path.ends_with("runner.service")));
    let unit = unit.and_then(|file| file["content"].as_str()).expect("a unit");
    for line in ["User=runner", "WantedBy=multi-user.target"] {
        assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
    }
    assert!(unit.contains("ExecStopPost=+/bin/systemctl --no-block poweroff\n"), "{unit}");
}

#[test]
fn it_is_looked_ten_times_before_it_powers_off_and_each_five_minutes() {
    for (switch, every) in [(1, 1), (600, 60), (3000, 300), (86_400, 300)] {
        let timer = switch_timer(Duration::from_secs(switch));
        assert!(timer.contains(&format!("OnUnitInactiveSec={every}\n")), "{switch}: {timer}");
    }
}

#[test]
fn what_reaches_a_shell_is_quoted() {
    assert!(sample().contains(r"'https://example.invalid/it'\\''s.tar.gz'"));
}

/// A machine whose setup script holds what YAML would not take as it is.
fn given(content: &str) -> MachineConfig {
    let setup = NamedFile { path: "setup.sh".to_owned(), content: content.to_owned() };
    MachineConfig { setup: Some(setup), setup_timeout: Duration::from_secs(300), ..plain() }
}

#[test]
fn a_machine_that_gets_something_is_set_up_before_its_runner_is_fetched() {
    let text = sample_with("SECRETBLOB", &given("#!/bin/sh\n"));
    let files = config(&text)["write_files"].as_array().expect("a list").clone();
    let content = |path: &str| {
        let file = files.iter().find(|file| file["path"] == path);
        file.and_then(|file| file["content"].as_str()).unwrap_or_else(|| panic!("{path}: {text}")).to_owned()
    };
    let prepare = content(PREPARE_PATH);
    let steps: Vec<&str> = prepare.lines().skip(2).collect();
    assert_eq!(steps[0], "systemctl start azlin-setup.service 2>/dev/null");
    assert!(steps[1].contains("'fetch'"), "{prepare}");
    assert!(content("/etc/systemd/system/azlin-setup.service").contains("runner fit 300\n"));
    // The runner's unit waits for all of it: 15 minutes as ever, 5 for the setup, 6 for what is around it.
    assert!(content("/etc/systemd/system/azlin-runner.service").contains("TimeoutStartSec=1560\n"));
    assert!(!sample().contains("system/azlin-setup"), "a plain machine");
}

#[test]
fn both_kinds_of_machine_get_the_fleet_s_files_byte_by_byte() {
    let key = HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from("k".to_owned()) };
    for (script, is_plain) in [
        ("#!/bin/sh\necho \"a\" 'b' \\ \t$c\r\n", true),
        ("#!/bin/sh\n# für alle\n", false),
        ("#!/bin/sh\necho \u{7f}\u{85}\u{2028}\u{feff}\u{1b}[0m\n", false),
        ("#!/bin/sh\necho \u{1f600}\n", false),
    ] {
        let machine = given(script);
        let by_ssh = reachable(&key, "ssh-ed25519 BBBB", &machine, DAY).expose_secret().to_owned();
        for text in [sample_with("SECRETBLOB", &machine), by_ssh] {
            let files = config(&text)["write_files"].as_array().expect("a list").clone();
            let file = files.iter().find(|file| file["path"] == "/usr/local/lib/azlin/fleet/setup");
            let file = file.expect("it is there");
            assert_eq!(file["permissions"], "0700");
            let content = file["content"].as_str().expect("a text");
            let bytes = if is_plain {
                content.as_bytes().to_vec()
            } else {
                STANDARD.decode(content).expect("base64")
            };
            assert_eq!(bytes, script.as_bytes());
            assert_eq!(file["encoding"].as_str(), (!is_plain).then_some("b64"), "{script:?}");
        }
    }
}

/// Azure limits custom data to 65,535 bytes, not encoded (REST: Virtual Machines, OSProfile, customData).
#[test]
fn what_a_fleet_may_give_fits_below_azures_limit_with_everything_else() {
    // GitHub's JIT configurations have some kilobytes.
    let jit_config = "j".repeat(16 * 1024);
    let plain = sample_with(&jit_config, &plain()).len();
    for (what, script) in [("letters", "a"), ("lines", "a\n"), ("quotes", "\""), ("no plain text", "ü")] {
        let mut machine = given(&format!("#!/bin/sh\n{script}"));
        let content = |machine: &MachineConfig| machine.setup.as_ref().expect("given").content.len();
        while machine.size() + 3_000 < ROOM {
            machine = given(&format!("#!/bin/sh\n{}", script.repeat(content(&machine) + 1_000)));
        }
        machine.environment =
            (0..60).map(|n| (format!("NAME{n}"), "a \"quoted\" value".to_owned())).collect();
        let whole = sample_with(&jit_config, &machine).len();
        // The names of files, the unit and its step are not counted.
        assert!(
            whole - plain < machine.size() + 1_500,
            "{what}: {} counted as {}",
            whole - plain,
            machine.size()
        );
        assert!(plain + ROOM + 1_500 < 65_535, "{what}: {plain}");
    }
}

#[test]
fn a_machine_for_ssh_has_the_planted_host_key_alone() {
    let private = SecretString::from("-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned());
    let text = reachable(
        &HostKey { public: "ssh-ed25519 AAAA".to_owned(), private },
        "ecdsa-sha2-nistp256 BBBB",
        &plain(),
        DAY,
    );
    let config = config(text.expose_secret());
    assert_eq!(config["ssh_keys"]["ed25519_public"], "ssh-ed25519 AAAA");
    assert_eq!(config["ssh_genkeytypes"], json!([]));
    assert_eq!(config["ssh_authorized_keys"], json!(["ecdsa-sha2-nistp256 BBBB"]));
}
