use crate::config::{Fleet, FleetDefaults, NamedFiles, Problems};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// The files that fleets of these tests name.
fn file(path: &str) -> Result<String, String> {
    match path {
        "setup.sh" => Ok("#!/bin/bash\napt-get install -y jq\n".to_owned()),
        "setup.py" => Ok("#! /usr/bin/env python3\nprint()\n".to_owned()),
        "hook.sh" => Ok("echo begins\n".to_owned()),
        "ca.pem" => Ok(PEM.to_owned()),
        "both.pem" => Ok(format!("{PEM}-----BEGIN PRIVATE KEY-----\n")),
        "plain.sh" => Ok("echo no interpreter\n".to_owned()),
        "windows.sh" => Ok("#!/bin/bash\r\necho\r\n".to_owned()),
        "zero.sh" => Ok("#!/bin/sh\n\0".to_owned()),
        "empty.sh" => Ok(String::new()),
        "long.sh" => Ok(format!("#!/bin/sh\n#{}\n", "x".repeat(13_000))),
        _ => Err("No such file or directory (os error 2)".to_owned()),
    }
}

fn fleet(bootstrap: &str) -> Result<Fleet, Problems> {
    let source = format!(
        "repo = \"o/r\"\n[lifecycle]\nboot_timeout = \"8m\"\n[bootstrap]\n{bootstrap}\n[vm]\n\
         subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\nlocation = \"westeurope\"\n\
         sizes = [\"Standard_D4s_v5\"]\nimage = \"Canonical:ubuntu-24_04-lts:server:latest\"\n\
         subnet_id = \"/subscriptions/0/resourceGroups/rg/providers/x/s\"\n"
    );
    let pool = "ci".parse().expect("a name");
    Fleet::parse_with("ci.toml", pool, &source, &FleetDefaults::default(), NamedFiles::Read(&file))
}

#[test]
fn each_key_is_taken_or_refused_with_what_is_allowed() {
    for (bootstrap, refusal) in [
        ("setup = \"setup.sh\"", None),
        ("setup = \"setup.py\"", None),
        ("setup = \"missing.sh\"", Some("\"missing.sh\" cannot be read: No such file")),
        ("setup = \"plain.sh\"", Some("first line names its interpreter")),
        ("setup = \"empty.sh\"", Some("first line names its interpreter")),
        ("setup = \"windows.sh\"", Some("CR LF")),
        ("setup = \"zero.sh\"", Some("a zero byte")),
        ("setup = \"long.sh\"", Some("has 13014 bytes; allowed: 12288, since Azure limits")),
        ("setup = true", Some("allowed: text in quotes")),
        ("setup_timeout = \"3m\"", None),
        ("setup_timeout = \"8m\"", Some("allowed: less than boot_timeout, which is 8m")),
        ("docker = true\nsudo = true", None),
        ("docker = \"yes\"", Some("allowed: true or false")),
        ("user_groups = [\"kvm\", \"_ci-1\"]", None),
        ("user_groups = [\"a b\"]", Some("a group's name")),
        ("user_groups = [\"root\"]", Some("not root")),
        ("user_groups = [\"-x\"]", Some("a group's name")),
        ("user_groups = [\"$(reboot)\"]", Some("a group's name")),
        ("user_groups = \"kvm\"", Some("a list in brackets")),
        ("environment = { LANG = \"C.UTF-8\", A = \"$(x) 'y'\" }", None),
        ("environment = { \"A B\" = \"x\" }", Some("a variable's name")),
        ("environment = { HTTPS_PROXY = \"x\" }", Some("which bootstrap.proxy sets")),
        ("environment = { A = \"x\\ny\" }", Some("of one line")),
        ("environment = { A = 1 }", Some("of one line")),
        ("environment = { CI_TOKEN = \"hunter2\" }", Some("a secret does not belong in this file")),
        ("job_started = \"hook.sh\"\njob_completed = \"hook.sh\"", None),
        ("job_started = \"ca.pem\"", Some("ends in .sh, .ps1 or .js")),
        ("job_completed = \"empty.sh\"", Some("it is empty")),
        ("proxy = \"http://proxy.example:3128\"\nno_proxy = [\".example\", \"10.0.0.0/8\", \"*\"]", None),
        ("proxy = \"proxy.example:3128\"", Some("an address such as")),
        ("proxy = \"http://u:hunter2@proxy.example\"", Some("without user")),
        ("proxy = \"http://proxy.example/path\"", Some("without user, path")),
        ("proxy = \"http://a$(reboot)b\"", Some("an address such as")),
        ("no_proxy = [\"a\"]", Some("there is no proxy")),
        ("proxy = \"http://p:1\"\nno_proxy = [\"a,b\"]", Some("a host, a domain")),
        ("ca_file = \"ca.pem\"", None),
        ("ca_file = \"hook.sh\"", Some("certificates as PEM")),
        ("ca_file = \"both.pem\"", Some("a private key")),
    ] {
        match (fleet(bootstrap), refusal) {
            (Ok(_), None) => {}
            (Err(problems), Some(words)) => {
                let told = problems.to_string();
                assert!(told.contains(words) && !told.contains("hunter2"), "{bootstrap}: {told}");
                assert!(told.contains("help: ") || told.contains("allowed"), "{bootstrap}: {told}");
            }
            (read, _) => panic!("{bootstrap}: {read:?}"),
        }
    }
}

#[test]
fn a_problem_has_the_line_of_its_key() {
    let problems = fleet("docker = true\nsetup = \"long.sh\"").expect_err("it is too large");
    let told = problems.to_string();
    assert!(told.starts_with("ci.toml:6:9: bootstrap.setup: what [bootstrap] gives a VM has"), "{told}");
    assert!(told.contains("help: shorten it by 726 bytes"), "{told}");
}

#[test]
fn a_change_of_any_key_and_of_a_script_s_content_is_another_vm_and_a_time_limit_is_not() {
    let of = |bootstrap| fleet(bootstrap).expect("it is good").config_hash().to_owned();
    let plain = of("");
    for bootstrap in [
        "setup = \"setup.sh\"",
        "docker = true",
        "sudo = true",
        "user_groups = [\"kvm\"]",
        "environment = { A = \"x\" }",
        "job_started = \"hook.sh\"",
        "job_completed = \"hook.sh\"",
        "proxy = \"http://p:1\"",
        "ca_file = \"ca.pem\"",
    ] {
        assert_ne!(of(bootstrap), plain, "{bootstrap}");
    }
    assert_eq!(of("setup_timeout = \"3m\""), plain);
    assert_eq!(of("docker = true\nsetup_timeout = \"3m\""), of("docker = true"));
    assert_eq!(of("docker = false\nuser_groups = []"), plain, "a key at its default");
    let mut fleet = fleet("setup = \"setup.sh\"").expect("it is good");
    let machine = &mut fleet.bootstrap.machine;
    let before = serde_json::json!(machine);
    machine.setup.as_mut().expect("it is named").content.push('x');
    assert_ne!(serde_json::json!(machine), before, "another content");
}

#[test]
fn without_its_key_the_time_limit_is_half_of_that_of_the_boot() {
    let machine = fleet("docker = true").expect("it is good").bootstrap.machine;
    assert_eq!(machine.setup_timeout.as_secs(), 240);
}
