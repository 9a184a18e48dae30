//! Rules for all findings, and the findings on this machine.

mod azure;
mod github;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fixture::*;
use super::*;
use crate::model::{SshError, SshErrorKind};

#[test]
fn what_is_in_order_is_told_as_such() {
    for (top, vm) in [
        ("repo = \"o/r\"", ""),
        ("repo = \"o/r\"", "public_ip = true\nspot = true"),
        ("repo = \"o/r\"", "zones = [\"1\", \"3\"]"),
        (
            "org = \"o\"\nrunner_group = \"default\"\n[bootstrap]\nmethod = \"ssh\"\n[scaling]\nmin_runners = 1",
            "",
        ),
        ("enterprise = \"e\"\n[scaling]\nmanual_count = 0", ""),
    ] {
        let fleet = fleet(top, vm);
        let facts = account(&fleet);
        assert_eq!(told(std::slice::from_ref(&fleet), &facts), IN_ORDER, "{top} {vm}");
    }
    let findings =
        check(&[], &Facts { github: None, azure: None, ..account(&fleet("repo = \"o/r\"", "")) }, now());
    assert_eq!(findings.len(), 3);
    assert_eq!((findings[0].state, findings[0].what.as_str()), (State::Warning, "fleets"));
}

#[test]
fn a_key_that_cannot_be_used_and_one_that_only_the_service_has() {
    let fleet = fleet("repo = \"o/r\"\n[bootstrap]\nmethod = \"ssh\"", "");
    let keyed = |key| Facts { ssh_keys: [(fleet.name.clone(), key)].into(), ..account(&fleet) };
    let open =
        Err(SshError::new(SshErrorKind::NoKey, "the private key /k may be read by others (mode 0644)")
            .advise("chmod 600 /k"));
    let fleets = std::slice::from_ref(&fleet);
    assert_eq!(
        told(fleets, &keyed(open)),
        ["Problem SSH key: the private key /k may be read by others (mode 0644)"]
    );
    assert!(told(fleets, &keyed(Ok(None)))[0].starts_with("Unknown SSH key: the systemd credential"));
}

#[test]
fn a_bad_file_is_told_as_it_is() {
    let fleet = fleet("repo = \"o/r\"", "");
    let bad =
        Facts { bad_files: vec![("bad.toml".to_owned(), "bad.toml:1:1: no".to_owned())], ..account(&fleet) };
    assert_eq!(told(&[fleet], &bad), ["Problem bad.toml: bad.toml:1:1: no"]);
}

#[test]
fn a_fleet_that_never_has_a_runner() {
    for (top, scope) in [("org = \"o\"", "org:o"), ("enterprise = \"e\"", "enterprise:e")] {
        let fleet = fleet(top, "");
        let found = told(std::slice::from_ref(&fleet), &account(&fleet));
        let expected = format!(
            "Problem runners: there will never be one: GitHub has no list of the queued jobs of {scope}, and min_runners is 0"
        );
        assert_eq!(found, [expected], "{top}");
    }
}

#[test]
fn the_repositories_that_an_organisations_fleet_follows() {
    use crate::model::CallErrorKind;
    use crate::ports::preflight::Access;
    let fleet = fleet("org = \"o\"\nrepositories = [\"app\", \"service-*\"]", "");
    let with = |pattern: &str, found: Followed| {
        let mut facts = account(&fleet);
        let github = facts.github.as_mut().expect("told").as_mut().expect("signed in");
        github.followed = [(pattern.parse().expect("valid"), found)].into();
        told(std::slice::from_ref(&fleet), &facts)
    };
    let repo = || vec!["o/app".parse().expect("valid")];
    let good = Followed { found: Ok(repo()), runs: Some(Ok(Access::Granted)) };
    assert_eq!(with("o/app", good.clone()), IN_ORDER);
    assert_eq!(with("o/service-*", good), IN_ORDER);
    let none = Followed { found: Ok(Vec::new()), runs: None };
    let says = ["Warning o/service-*: there is no such repository, or the token may not see it"];
    assert_eq!(with("o/service-*", none), says);
    let hidden = Followed { found: Ok(repo()), runs: Some(Ok(Access::Hidden)) };
    assert!(with("o/app", hidden)[0].starts_with("Problem o/app: read runs: "));
    let silent = Followed { found: failed(CallErrorKind::Unavailable), runs: None };
    assert_eq!(with("o/service-*", silent), ["Problem o/service-*: GET /x: 500 \"said\""]);
}

#[test]
fn a_further_region_is_looked_at_as_the_first() {
    let elsewhere = format!("[[vm.elsewhere]]\nlocation = \"northeurope\"\nsubnet_id = \"{SUBNET}north\"\n");
    let fleet = fleet("repo = \"o/r\"", &elsewhere);
    let mut facts = account(&fleet);
    let azure = facts.azure.as_mut().expect("told").as_mut().expect("signed in");
    let there = fleet.vm.in_each_region().remove(1);
    let subnet = azure.subnets[SUBNET].clone();
    azure.subnets.insert(format!("{SUBNET}north"), subnet);
    let place = PlaceFacts { sizes: Ok(Vec::new()), usages: Ok(Vec::new()) };
    azure.places.insert(place_key(&there), place);
    let found = told(std::slice::from_ref(&fleet), &facts);
    assert_eq!(
        found,
        [
            "Problem northeurope: location: Azure has no sizes there: is there a location northeurope?",
            "Problem northeurope: subnet: its network is in westeurope, and the VMs are to be in northeurope",
        ]
    );
}

#[test]
fn a_fleet_that_is_not_enabled_needs_what_draining_needs() {
    use crate::model::CallErrorKind;
    use crate::ports::preflight::Access;
    let mut fleet = fleet("repo = \"o/r\"\nenabled = false", "public_ip = true");
    let mut facts = account(&fleet);
    let github = facts.github.as_mut().expect("known").as_mut().expect("signed in");
    let scope = github.scopes.values_mut().next().expect("one");
    scope.repository.as_mut().expect("one").as_mut().expect("told").archived = true;
    scope.runs = Some(Ok(Access::Denied(None)));
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    let place = azure.places.values_mut().next().expect("one");
    (place.sizes, place.usages) = (Ok(Vec::new()), Ok(Vec::new()));
    azure.images.values_mut().for_each(|image| *image = failed(CallErrorKind::NotFound));
    azure.subnets.values_mut().for_each(|subnet| subnet.subnet = failed(CallErrorKind::NotFound));
    let group = azure.groups.values_mut().next().expect("one");
    let not_actions = ["*/write", "*/action"].map(Into::into).to_vec();
    group.grants.as_mut().expect("told")[0].not_actions = not_actions;
    assert_eq!(told(std::slice::from_ref(&fleet), &facts), IN_ORDER);
    let findings = check(std::slice::from_ref(&fleet), &facts, now());
    let last = findings.last().expect("some");
    assert_eq!(last.found, "not enabled: only what draining needs is looked at");
    fleet.enabled = true;
    assert_eq!(told(std::slice::from_ref(&fleet), &facts).len(), 7, "{:#?}", told(&[fleet], &facts));

    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    azure.groups.values_mut().next().expect("one").grants = Ok(Vec::new());
    let github = facts.github.as_mut().expect("known").as_mut().expect("signed in");
    github.scopes.values_mut().next().expect("one").administer = Some(Ok(Access::Denied(None)));
    let fleet = fixture::fleet("repo = \"o/r\"\nenabled = false", "");
    assert_eq!(
        told(&[fleet], &facts),
        [
            "Problem o/r: administer runners: not permitted",
            "Problem resource group rg: permissions: not granted: Microsoft.Compute/disks/delete, \
             Microsoft.Compute/virtualMachines/delete, Microsoft.Compute/virtualMachines/read, \
             Microsoft.Network/networkInterfaces/delete, Microsoft.Network/networkInterfaces/read",
        ]
    );
}

#[test]
fn advice_is_for_who_reads_it_now() {
    use crate::model::CallErrorKind;
    let minute = Duration::from_secs(60);
    for (advice, state, cure) in [
        (Some(Advice::Wait), State::Unknown, "run check again"),
        (
            Some(Advice::WaitForGitHub),
            State::Unknown,
            "GitHub has trouble (https://www.githubstatus.com): run check again",
        ),
        (Some(Advice::WaitFor(minute)), State::Unknown, "run check again in 60 s"),
        (Some(Advice::Report), State::Unknown, "azlin does not know this refusal: please report it"),
        (Some(Advice::CheckCredential("fix it")), State::Unknown, "fix it"),
        (None, State::Unknown, "run check again"),
        (
            Some(Advice::RegisterProvider("Microsoft.Compute".to_owned())),
            State::Problem,
            "az provider register --namespace Microsoft.Compute",
        ),
    ] {
        let mut notes = Notes::new(About::Azure);
        let shown = format!("{advice:?}");
        let error = CallError { advice, ..CallError::new(CallErrorKind::Invalid, "no").during("GET /x") };
        notes.failed(State::Unknown, "it", &error);
        let [finding] = notes.list.as_slice() else { panic!("one finding") };
        assert_eq!((finding.state, finding.cure.as_deref()), (state, Some(cure)), "{shown}");
        assert_eq!(finding.found, "GET /x: no");
    }
}

#[test]
fn without_a_fleet_there_is_a_warning_unless_its_file_is_bad() {
    let tell = |facts: &Facts| {
        let findings = configuration(&[], facts, now());
        findings.iter().map(|finding| format!("{finding:?}")).collect::<Vec<_>>().join("\n")
    };
    let none = Facts {
        bad_files: Vec::new(),
        github: None,
        credentials: BTreeMap::new(),
        azure: None,
        ssh_keys: BTreeMap::new(),
        listen: None,
        exposed: Vec::new(),
        errors: BTreeMap::new(),
        pools: BTreeSet::new(),
    };
    assert!(tell(&none).contains("there is none"), "{}", tell(&none));
    let bad = Facts { bad_files: vec![("fleets/ci.toml".into(), "wrong".into())], ..none.clone() };
    assert!(!tell(&bad).contains("there is none"), "{}", tell(&bad));
}

/// "20 in order" was said while no VM could be made for four minutes.
#[test]
fn what_the_daemon_knows_to_be_wrong_is_a_problem() {
    let fleet = fleet("repo = \"o/r\"", "");
    let errors = [(fleet.name.clone(), vec!["Azure has no capacity".to_owned()])].into();
    let found = told(std::slice::from_ref(&fleet), &Facts { errors, ..account(&fleet) });
    assert_eq!(found, ["Problem now: Azure has no capacity"]);
}

#[test]
fn vms_whose_fleet_has_no_file_are_a_problem_with_its_cure() {
    let fleet = fleet("repo = \"o/r\"", "");
    let mut facts = account(&fleet);
    let Some(Ok(azure)) = &mut facts.azure else { panic!("signed in") };
    let scene = crate::fixture::Scene::new("").runner(1, 60, crate::fixture::Entry::Idle);
    let vm = scene.seen.vms.as_ref().expect("readable").values().next().expect("one");
    let ours = crate::model::Vm { group: fleet.vm.group.clone(), ..vm.as_ref().clone() };
    let mut gone = ours.clone();
    gone.tags.pool = "gone".parse().expect("a name");
    azure.groups.values_mut().for_each(|group| group.vms = Ok(vec![gone.clone()]));
    let findings = check(std::slice::from_ref(&fleet), &facts, now());
    let found = findings.iter().find(|finding| finding.what == "VMs of gone").expect("it is found");
    assert_eq!(found.state, State::Problem);
    assert!(found.found.starts_with("1 VM of pool gone keeps running and is billed"), "{found:?}");
    // A pool that is only not looked at has its file.
    facts.pools.insert("gone".parse().expect("a name"));
    assert!(!check(&[fleet], &facts, now()).iter().any(|finding| finding.what == "VMs of gone"));
}
