use std::time::Duration;

use super::*;

fn named(path: &str, content: &str) -> Option<NamedFile> {
    Some(NamedFile { path: path.to_owned(), content: content.to_owned() })
}

fn told(machine: &MachineConfig) -> String {
    let file = |file: MachineFile| format!("== {} {}\n{}", file.path, file.mode, file.content);
    files(machine).into_iter().map(file).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_machine_that_gets_nothing_has_no_file_and_no_unit() {
    assert_eq!(told(&MachineConfig::default()), "");
    let patient = MachineConfig { setup_timeout: Duration::from_secs(9), ..MachineConfig::default() };
    assert_eq!(told(&patient), "");
}

#[test]
fn every_gift_is_a_file_or_a_word_of_the_unit() {
    let machine = MachineConfig {
        setup: named("/etc/azlin/setup", "#!/bin/sh\necho 'it''s'\n"),
        setup_timeout: Duration::from_secs(240),
        docker: true,
        sudo: true,
        user_groups: vec!["kvm".to_owned(), "video".to_owned()],
        environment: [("LANG", "C.UTF-8"), ("QUOTED", "a 'b' \"c\" $d")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        job_started: named("begin.sh", "echo begins\n"),
        job_completed: named("hooks/end.js", "console.log()\n"),
        proxy: Some(ProxyConfig {
            url: "http://proxy.example:3128".to_owned(),
            bypass: vec![".example".to_owned()],
        }),
        ca_file: named("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
    };
    insta::assert_snapshot!(told(&machine));
}

#[test]
fn the_fleet_s_own_certificates_for_node_win() {
    let mut machine = MachineConfig { ca_file: named("ca.pem", ""), ..MachineConfig::default() };
    assert!(told(&machine).contains("NODE_EXTRA_CA_CERTS=/usr/local/lib/azlin/fleet/ca.pem\n"));
    machine.environment.insert("NODE_EXTRA_CA_CERTS".to_owned(), "/etc/mine.pem".to_owned());
    let told = told(&machine);
    assert!(told.contains("NODE_EXTRA_CA_CERTS=/etc/mine.pem\n"), "{told}");
    assert_eq!(told.matches("NODE_EXTRA_CA_CERTS").count(), 1);
}
