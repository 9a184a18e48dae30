//! What each risk is told by, and that nothing else is.

use super::*;
use crate::check::fixture::{SECURITY_GROUP, account, failed, fleet, told};
use crate::model::CallErrorKind;

fn rule(priority: u32, allows: bool, source: &str, port: &str) -> InboundRule {
    InboundRule {
        priority,
        allows,
        sources: vec![source.into()],
        ports: vec![port.into()],
        protocol: "*".into(),
    }
}

#[test]
fn a_group_keeps_runners_apart_where_it_denies_the_network_first() {
    let deny = || rule(4000, false, "VirtualNetwork", "*");
    for (situation, inbound, expected) in [
        ("no rule of its own", vec![], false),
        ("the network is denied", vec![deny()], true),
        ("everything is denied", vec![rule(4000, false, "*", "*")], true),
        ("a port is denied", vec![rule(100, false, "VirtualNetwork", "22")], false),
        ("a port is denied first", vec![rule(100, false, "VirtualNetwork", "22"), deny()], true),
        ("it is allowed first", vec![deny(), rule(100, true, "virtualnetwork", "*")], false),
        ("a port is allowed first", vec![deny(), rule(100, true, "VirtualNetwork", "22")], false),
        ("it is allowed last", vec![deny(), rule(4050, true, "*", "*")], true),
        ("one machine is allowed", vec![rule(100, true, "10.0.9.4", "22"), deny()], true),
    ] {
        let group = SecurityGroup { location: "westeurope".into(), inbound };
        assert_eq!(keeps_apart(&group), expected, "{situation}");
    }
}

fn risks(fleet: &Fleet, facts: &Facts) -> Vec<String> {
    let all = told(std::slice::from_ref(fleet), facts);
    all.into_iter().filter(|told| told.contains("risk: ")).collect()
}

#[test]
fn each_risk_that_a_file_takes_is_told_once() {
    let quiet = fleet("repo = \"o/r\"", "");
    assert_eq!(risks(&quiet, &account(&quiet)), [""; 0]);
    let mut bold = quiet.clone();
    bold.lifecycle.max_job_count = 3;
    bold.vm.identity = vec!["/subscriptions/1/identities/deployer".to_owned()];
    bold.vm.public_ip = true;
    bold.vm.nsg_id = None;
    let mut facts = account(&bold);
    let github = facts.github.as_mut().expect("signed in").as_mut().expect("signed in");
    let scope = github.scopes.get_mut(&bold.scope).expect("its own");
    scope.repository.as_mut().expect("one").as_mut().expect("readable").is_public = true;
    let azure = facts.azure.as_mut().expect("signed in").as_mut().expect("signed in");
    for found in azure.subnets.values_mut() {
        found.subnet.as_mut().expect("readable").security_group = None;
    }
    let told = risks(&bold, &facts);
    let of =
        |what: &str| told.iter().filter(|told| told.starts_with(&format!("Warning risk: {what}"))).count();
    let each = ["public repository", "identity", "several jobs", "public_ip", "reach"];
    assert_eq!(each.map(of), [1; 5], "{told:#?}");
    assert_eq!(told.len(), 5, "{told:#?}");
}

#[test]
fn a_token_needs_no_scope_that_no_fleet_needs() {
    let scopes = ["repo", "workflow", "admin:org", "delete_repo"].map(ForeignText::from);
    assert_eq!(superfluous(&scopes), ["workflow", "delete_repo"]);
}

#[test]
fn what_others_on_the_machine_and_in_its_network_can_read_is_told() {
    let own = fleet("repo = \"o/r\"", "");
    let mut facts = account(&own);
    facts.listen = Some(([0, 0, 0, 0], 9469).into());
    facts.exposed = vec!["/etc/azlin/environment".to_owned()];
    let told = risks(&own, &facts);
    assert!(
        told.len() == 2 && told[0].contains("0.0.0.0:9469") && told[1].contains("/etc/azlin"),
        "{told:#?}"
    );
    facts.listen = Some("[::1]:9469".parse().expect("an address"));
    facts.exposed.clear();
    assert_eq!(risks(&own, &facts), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_told_once() {
    let own = fleet("repo = \"o/r\"", &format!("nsg_id = \"{SECURITY_GROUP}\""));
    let mut facts = account(&own);
    let azure = facts.azure.as_mut().expect("signed in").as_mut().expect("signed in");
    for found in azure.subnet_groups.values_mut() {
        *found = failed(CallErrorKind::NotPermitted);
    }
    let told = risks(&own, &facts);
    assert!(told.len() == 1 && told[0].starts_with("Unknown risk: reach"), "{told:#?}");
    let mut facts = account(&own);
    let azure = facts.azure.as_mut().expect("signed in").as_mut().expect("signed in");
    azure.security_groups.get_mut(SECURITY_GROUP).expect("named").group = failed(CallErrorKind::NotFound);
    assert_eq!(risks(&own, &facts), [""; 0], "the security group has a finding of its own");
}
