//! What each sighting says of each question.

use super::*;
use crate::fixture::{at, fleet};
use crate::model::{Prices, RunnerId};

fn plan() -> RehearsalPlan {
    RehearsalPlan::of(&fleet("ci", ""), &Prices::default(), at(0), 7).expect("a plan")
}

/// The tags that the daemon gives.
fn tags(plan: &RehearsalPlan) -> std::collections::BTreeMap<String, String> {
    let fleet = &plan.fleet;
    let tags = VmTags {
        pool: fleet.name.clone(),
        runner_name: plan.runner.clone(),
        github: fleet.github.clone().into(),
        scope: fleet.scope.clone(),
        created_at: at(0),
        config_hash: fleet.config_hash().into(),
        runner_id: Some(RunnerId(7)),
        replaces: None,
        host_key: None,
        standby: None,
    };
    tags.to_tags()
}

fn part(plan: &RehearsalPlan, kind: OrphanKind) -> ShownPart {
    let name = format!("{}-part", plan.runner);
    ShownPart { kind, name: name.into(), tags: tags(plan), zones: Vec::new(), is_held: true }
}

/// Everything as azlin expects it.
fn well(plan: &RehearsalPlan) -> Sightings {
    let codes = || Some(vec!["ProvisioningState/succeeded".into(), "PowerState/running".into()]);
    let list = ShownList {
        pages: vec![50, 3],
        frame: vec!["id".into(), "properties.instanceView.statuses".into()],
        statuses: codes(),
    };
    let vm = ShownVm {
        knows_version: true,
        provisioning: Some("Succeeded".into()),
        statuses: codes(),
        os_disk: Some(format!("{}_OsDisk_1_0a", plan.runner).into()),
        security_type: None,
        extensions: Vec::new(),
        tags: tags(plan),
        zones: vec!["1".into()],
    };
    Sightings {
        create: Some(Ok(())),
        vm: Some(Ok(vm)),
        parts: Some(Ok(OrphanKind::ALL.map(|kind| part(plan, kind)).to_vec())),
        group: Some(Ok(list.clone())),
        states: Some(Ok(list)),
        labels: Some(Ok(vec![plan.runner.to_string()])),
        remaining: Remaining { reads: Some(249), ..Remaining::default() },
        headers: vec!["x-ms-ratelimit-remaining-subscription-reads".into()],
    }
}

#[test]
fn where_all_is_as_expected_nothing_differs() {
    let plan = plan();
    for question in OpenQuestion::ALL {
        let seen = question.seen(&plan, &well(&plan));
        assert!(!matches!(seen, Sighting::Differs { .. }), "{question}: {seen}");
        let is_eviction = question == OpenQuestion::Eviction;
        assert_eq!(matches!(seen, Sighting::NotSeen(_)), is_eviction, "{question}: {seen}");
    }
    let pages = OpenQuestion::GroupPages.seen(&plan, &well(&plan)).to_string();
    assert_eq!(pages, "53 VMs on 2 pages: 50, 3");
}

#[test]
fn each_difference_is_found() {
    let plan = plan();
    type Change = fn(&mut Sightings);
    fn vm(saw: &mut Sightings) -> &mut ShownVm {
        saw.vm.as_mut().expect("asked").as_mut().expect("answered")
    }
    let table: [(OpenQuestion, Change, &str); 10] = [
        (
            OpenQuestion::Key,
            |saw| {
                saw.create =
                    Some(Err("400 InvalidParameter: linuxConfiguration.ssh.publicKeys.keyData".to_owned()));
            },
            "keyData",
        ),
        (OpenQuestion::ApiVersion, |saw| vm(saw).knows_version = false, "refused"),
        (
            OpenQuestion::StatusFrame,
            |saw| saw.states.as_mut().expect("asked").as_mut().expect("answered").statuses = None,
            "seen id, properties.instanceView.statuses",
        ),
        (OpenQuestion::Tags, |saw| vm(saw).tags.clear(), "not on: VM"),
        (
            OpenQuestion::Tags,
            |saw| saw.parts.as_mut().expect("asked").as_mut().expect("answered")[0].tags.clear(),
            "not on: network interface",
        ),
        (OpenQuestion::DiskName, |saw| vm(saw).os_disk = Some("disk-0".into()), "disk-0"),
        (
            OpenQuestion::TrustedLaunch,
            |saw| vm(saw).security_type = Some("TrustedLaunch".into()),
            "TrustedLaunch",
        ),
        (
            OpenQuestion::Extensions,
            |saw| vm(saw).extensions = vec!["AzureMonitorLinuxAgent".into()],
            "Monitor",
        ),
        (OpenQuestion::Labels, |saw| saw.labels = Some(Ok(vec!["self-hosted".to_owned()])), "self-hosted"),
        (OpenQuestion::Labels, |saw| saw.labels = Some(Ok(Vec::new())), "expected ci-"),
    ];
    for (question, change, expected) in table {
        let mut saw = well(&plan);
        change(&mut saw);
        let seen = question.seen(&plan, &saw);
        assert!(
            matches!(seen, Sighting::Differs { .. }) && seen.to_string().contains(expected),
            "{question}: {seen}"
        );
        let others = OpenQuestion::ALL.into_iter().filter(|other| *other != question);
        for other in others {
            let seen = other.seen(&plan, &saw);
            assert!(!matches!(seen, Sighting::Differs { .. }), "{question} changes {other}: {seen}");
        }
    }
}

#[test]
fn what_was_not_asked_or_not_answered_is_not_seen() {
    let plan = plan();
    for question in OpenQuestion::ALL {
        let seen = question.seen(&plan, &Sightings::default());
        assert!(matches!(seen, Sighting::NotSeen(_)), "{question}: {seen}");
    }
    let refused = Sightings { vm: Some(Err("403".to_owned())), ..Sightings::default() };
    assert_eq!(OpenQuestion::DiskName.seen(&plan, &refused), Sighting::NotSeen("403".to_owned()));
    let quota = Sightings { create: Some(Err("409 QuotaExceeded".to_owned())), ..Sightings::default() };
    assert!(matches!(OpenQuestion::Key.seen(&plan, &quota), Sighting::NotSeen(_)));
}
