//! Whether there is room: quotas, addresses, subnets.

use super::*;

#[test]
fn the_fleets_own_vms_are_room_for_it() {
    let fleet = fleet("repo = \"o/r\"", "");
    let mut facts = account(&fleet);
    let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
    azure.groups.values_mut().next().expect("one").vms =
        Ok((0..10).map(|number| vm(&fleet, number)).collect());
    azure.places.values_mut().next().expect("one").usages =
        Ok(vec![usage("cores", 40, 40), usage("standardDSv5Family", 40, 40)]);
    azure.subnets.get_mut(SUBNET).expect("one").subnet.as_mut().expect("told").free_addresses = Some(0);
    let found = told(std::slice::from_ref(&fleet), &facts);
    // The quota leaves room for ten VMs of the small size, and for five of the large one.
    assert_eq!(
        found,
        [
            "Warning vCPU quota for Standard_D8s_v5: 40 of 40 used in standardDSv5Family, 40 of 40 used in the region; 10 \
             runners at most: 80 vCPUs; there is room for 5"
        ]
    );
}

#[test]
fn a_private_subnet_is_judged_by_where_github_is() {
    for (api, expected) in [
        ("api.github.com", "Warning outbound access: no way out"),
        ("api.octo.ghe.com", "Warning outbound access: no way out"),
        ("github.corp.example", "Unknown outbound access: a private subnet: whether"),
    ] {
        let mut fleet = fleet("repo = \"o/r\"", "");
        fleet.github = api.to_owned();
        let mut facts = account(&fleet);
        let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
        let subnet = azure.subnets.get_mut(SUBNET).expect("one").subnet.as_mut().expect("told");
        (subnet.nat_gateway, subnet.default_outbound) = (false, Some(false));
        let found = told(&[fleet], &facts);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{api}: {found:?}");
    }
}

#[test]
fn fleets_share_quotas_and_addresses() {
    let first = fleet("repo = \"o/r\"", "");
    let mut second = first.clone();
    second.name = "two".parse().expect("a name");
    let sized = |limit: u64, free: u64| {
        let mut facts = account(&first);
        let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
        azure.places.values_mut().next().expect("one").usages =
            Ok(vec![usage("cores", 10, 1000), usage("standardDSv5Family", 0, limit)]);
        azure.subnets.get_mut(SUBNET).expect("one").subnet.as_mut().expect("told").free_addresses =
            Some(free);
        facts
    };
    assert_eq!(told(&[first.clone(), second.clone()], &sized(80, 20)), IN_ORDER);
    // The smaller size is tried first: ten runners with four vCPUs for each fleet.
    let mut alone = second.clone();
    alone.enabled = false;
    let large_too = sized(80, 19);
    assert_eq!(told(&[first.clone(), alone], &large_too), IN_ORDER);
    assert_eq!(
        told(&[first.clone(), second.clone()], &large_too),
        [
            "Warning shared subnet s: 19 addresses free, 0 taken by these fleets; ci, two take 20 together at their \
             max_runners"
        ]
    );
    let found = told(&[first.clone(), second], &sized(79, 20));
    assert_eq!(
        found[0],
        "Warning shared quota standardDSv5Family in westeurope: 0 of 79 vCPUs used; ci, two take 80 together at \
         their max_runners"
    );
}

#[test]
fn what_fleets_have_already_is_room_for_them() {
    let mut first = fleet("repo = \"o/r\"", "");
    first.vm.sizes.truncate(1);
    let named = |name: &str| {
        let mut fleet = first.clone();
        fleet.name = name.parse().expect("a name");
        fleet
    };
    let (second, stranger, mut elsewhere) = (named("two"), named("stranger"), named("three"));
    elsewhere.vm.location = "northeurope".into();
    let sized = |limit: u64, free: u64| {
        let mut facts = account(&first);
        facts.pools.insert(stranger.name.clone());
        let azure = facts.azure.as_mut().expect("known").as_mut().expect("signed in");
        let ours = (0..10).map(|number| vm(&first, number));
        azure.groups.values_mut().next().expect("one").vms =
            Ok(ours.chain((0..5).map(|number| vm(&stranger, number))).collect());
        azure.places.values_mut().next().expect("one").usages =
            Ok(vec![usage("standardDSv5Family", 60, limit)]);
        azure.subnets.get_mut(SUBNET).expect("one").subnet.as_mut().expect("told").free_addresses =
            Some(free);
        facts
    };
    let both = [first.clone(), second];
    assert_eq!(told(&both, &sized(100, 10)), IN_ORDER);
    let of = |found: Vec<String>| found.iter().filter(|line| line.contains("shared")).count();
    assert_eq!(of(told(&both, &sized(99, 10))), 1, "ours take 40 of 60, the stranger's 20");
    assert_eq!(of(told(&both, &sized(100, 9))), 1);
    assert_eq!(of(told(&[first.clone(), elsewhere], &sized(99, 10))), 0, "quotas of two regions are two");
}
