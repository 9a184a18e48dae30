//! Azure refuses what will never work: what the refusal names is held back, nothing else is, and a person is told.

use std::sync::Arc;
use std::time::Duration;

use azlin_daemon::StateDir;
use azlin_fleet::config::{Elsewhere, Fleet};
use azlin_fleet::model::Spot;
use azlin_fleet::report::{FleetErrorKind, FleetStatus};
use azlin_tests::harness::{Harness, fleet, run};

/// Two sizes, as spot VMs and as regular ones, in two zones of a region and in another region.
fn wide() -> Fleet {
    let mut fleet = fleet("ci", "o/r", "rg");
    fleet.vm.sizes = vec!["Standard_D4s_v5".to_owned(), "Standard_D4as_v5".to_owned()];
    fleet.vm.zones = vec!["1".to_owned(), "2".to_owned()];
    (fleet.vm.spot, fleet.vm.regular_fallback) = (Some(Spot { max_price: Some(0.02) }), true);
    fleet.vm.elsewhere = vec![Elsewhere {
        location: "northeurope".to_owned(),
        subnet_id: "/subscriptions/0/north".to_owned(),
        zones: Vec::new(),
        nsg_id: None,
    }];
    fleet
}

fn refused(status: u16, code: &str, text: &str, what: &str) -> String {
    format!(
        "repositories = ['o/r']\n[[faults]]\nwhat = {{ refused = [{status}, \"{code}\", \"{text}\", \"{what}\"] }}\n\
         side = 'azure'\nmethod = 'PUT'\n"
    )
}

fn status(board: &azlin_daemon::StatusStore, fleet: &Fleet) -> Arc<FleetStatus> {
    board.read().fleets.remove(&fleet.name).expect("it has ticked")
}

fn errors(status: &FleetStatus, about: FleetErrorKind) -> Vec<&str> {
    status.errors.iter().filter(|error| error.about == about).map(|error| error.what.as_str()).collect()
}

#[test]
fn what_a_refusal_names_is_held_back_and_nothing_else() {
    let none = "exceeding approved LowPriorityCores quota. Current Limit: 0, Current Usage: 0";
    let no_family = "exceeding approved standardDSv5Family Cores quota. Current Limit: 0, Current Usage: 0";
    let price = "the provided max price is lower than the current spot price";
    let boots = "The selected VM size cannot boot Hypervisor Generation '1'";
    let image = "The gallery image is not available in westeurope region";
    let (west, north) = ("westeurope", "northeurope");
    let (first, second) = ("Standard_D4s_v5", "Standard_D4as_v5");
    // Status, code, text, what is refused; the size, region, zone and price of the VM instead; what is closed.
    for (code, what, (size, location, zone, is_spot), closed) in [
        (
            (400, "VMSizeNotSupported", ""),
            "Standard_D4s_v5 westeurope",
            (second, west, Some("1"), true),
            Some("Standard_D4s_v5 in westeurope"),
        ),
        (
            (400, "BadRequest", boots),
            "Standard_D4s_v5 westeurope",
            (second, west, Some("1"), true),
            Some("Standard_D4s_v5 in westeurope"),
        ),
        (
            (400, "AzureSpotIsNotSupportedForThisVMSize", ""),
            "Standard_D4s_v5 westeurope spot",
            (second, west, Some("1"), true),
            Some("spot VMs of Standard_D4s_v5 in westeurope"),
        ),
        (
            (400, "AzureSpotFeatureNotEnabledForSubscription", ""),
            "spot",
            (first, west, Some("1"), false),
            Some("spot VMs"),
        ),
        (
            (400, "AvailabilityZoneNotSupported", ""),
            "westeurope 1",
            (first, west, Some("2"), true),
            Some("zone 1 of westeurope"),
        ),
        ((403, "RequestDisallowedByAzure", ""), west, (first, north, None, true), Some("westeurope")),
        ((404, "GalleryImageNotFound", image), west, (first, north, None, true), Some("westeurope")),
        (
            (409, "OperationNotAllowed", none),
            "westeurope spot",
            (first, north, None, true),
            Some("spot VMs in westeurope"),
        ),
        (
            (409, "OperationNotAllowed", no_family),
            "Standard_D4s_v5 westeurope spot",
            (second, west, Some("1"), true),
            Some("spot VMs of the family of Standard_D4s_v5 in westeurope"),
        ),
        ((409, "OperationNotAllowed", price), "spot", (first, west, Some("1"), false), None),
        ((400, "SubnetIsFull", ""), west, (first, north, None, true), None),
        ((400, "PublicIPCountLimitReached", ""), west, (first, north, None, true), None),
    ] {
        run(async move {
            let (status_code, name, text) = code;
            let harness = Harness::new(&refused(status_code, name, text, what));
            let fleet = wide();
            harness.submit("o/r", 1, 3000);
            let state = StateDir::default();
            let board = harness.live(vec![fleet.clone()], state.clone(), 240).await;
            let place = |harness: &Harness| {
                let world = harness.world();
                let vm =
                    world.state.azure.vms.values().next().expect("the next place is tried in the same start");
                (vm.size().to_owned(), vm.location().to_owned(), vm.zone().map(str::to_owned), vm.is_spot())
            };
            let expected = (size.to_owned(), location.to_owned(), zone.map(str::to_owned), is_spot);
            assert_eq!(place(&harness), expected, "{name} {text}");
            let status = status(&board, &fleet);
            let told = errors(&status, FleetErrorKind::Closed);
            match closed {
                None => assert_eq!(told, [""; 0], "{name}: it ends by itself"),
                Some(closed) => {
                    assert!(
                        told.len() == 1 && told[0].starts_with(&format!("{closed} is closed since")),
                        "{told:?}"
                    );
                    let reason = &status.decision.reason;
                    assert!(reason.contains(told[0]), "`plan` says it too: {reason}");
                    // More starts in the next hours, and a restart, do not ask for it again.
                    for _ in 0..3 {
                        harness.submit("o/r", 1, 20);
                        harness.live(vec![fleet.clone()], state.clone(), 3600).await;
                    }
                    let report = harness.report();
                    assert_eq!((harness.world().faults.struck(), report.jobs_unserved), (1, 0), "{name}");
                }
            }
        });
    }
}

#[test]
fn what_the_list_of_sizes_speaks_against_is_never_asked_for() {
    run(async {
        let harness = Harness::new(
            "repositories = ['o/r']\n[premises]\nrestricted_sizes = ['Standard_D4s_v5']\n[[faults]]\n\
             what = { refused = [400, 'VMSizeNotSupported', '', 'Standard_D4s_v5'] }\nside = 'azure'\nmethod = 'PUT'\n",
        );
        let state = StateDir::default();
        harness.live(vec![wide()], state.clone(), 360).await;
        harness.submit("o/r", 1, 3000);
        let board = harness.live(vec![wide()], state, 240).await;
        assert_eq!(harness.world().faults.struck(), 0, "no request is wasted on it");
        let size = harness.world().state.azure.vms.values().next().expect("a VM").size().to_owned();
        assert_eq!(size, "Standard_D4as_v5");
        let status = status(&board, &wide());
        let told = errors(&status, FleetErrorKind::Closed);
        let both = ["westeurope", "northeurope"].map(|place| format!("Standard_D4s_v5 in {place} is closed"));
        assert!(told.len() == 1 && both.iter().all(|place| told[0].contains(place)), "{told:?}");
        assert!(told[0].contains("Azure's list of sizes"), "{told:?}");
    });
}

#[test]
fn a_change_of_the_fleets_file_opens_what_is_closed() {
    run(async {
        let harness = Harness::new(&refused(400, "VMSizeNotSupported", "", "Standard_D4s_v5"));
        let state = StateDir::default();
        harness.submit("o/r", 1, 20);
        harness.live(vec![wide()], state.clone(), 600).await;
        assert_eq!(harness.world().faults.struck(), 1, "the next size is taken");
        let text = "repo = \"o/r\"\nlabels = [\"docker\", \"gpu\"]\n[scaling]\njobs_per_runner = 1\n[vm]\n\
            subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\nlocation = \"westeurope\"\n\
            sizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n";
        let changed = Fleet::parse("ci", "ci".parse().expect("valid"), text).expect("valid");
        harness.submit("o/r", 1, 20);
        harness.live(vec![changed], state, 600).await;
        assert_eq!(harness.world().faults.struck(), 2);
    });
}

#[test]
fn where_nothing_is_left_the_fleet_stops_and_tries_every_two_minutes() {
    run(async {
        let mut harness_faults = refused(403, "RequestDisallowedByAzure", "", "westeurope");
        harness_faults.push_str("until = '3600s'\n");
        let harness = Harness::new(&harness_faults);
        let mut fleet = fleet("ci", "o/r", "rg");
        fleet.scaling.max_runners = 10;
        harness.submit("o/r", 10, 20);
        let state = StateDir::default();
        let board = harness.live(vec![fleet.clone()], state.clone(), 1800).await;
        let said = status(&board, &fleet);
        let told = errors(&said, FleetErrorKind::Starting);
        assert!(told.len() == 1 && told[0].starts_with("needs your attention: "), "{told:?}");
        assert_eq!(errors(&said, FleetErrorKind::Closed).len(), 1);
        let struck = harness.world().faults.struck();
        assert!((5..=16).contains(&struck), "{struck} tries in half an hour");
        // A person acts.
        harness.live(vec![fleet], state, 1800 + 600).await;
        assert_eq!(harness.report().jobs_unserved, 0);
    });
}

#[test]
fn a_lock_on_one_group_stops_its_fleet_and_no_other() {
    run(async {
        let lock = "repositories = ['o/r', 'o/s']\n[[faults]]\nwhat = { refused = [409, 'ScopeLocked', 'locked'] }\n\
                    method = 'PUT'\npath = '/resourceGroups/locked/'\n";
        let harness = Harness::new(lock);
        let fleets = vec![fleet("held", "o/r", "locked"), fleet("free", "o/s", "rg")];
        harness.submit("o/r", 2, 20);
        harness.submit("o/s", 2, 20);
        let board = harness.live(fleets.clone(), StateDir::default(), 1800).await;
        let (held, free) = (status(&board, &fleets[0]), status(&board, &fleets[1]));
        assert_eq!(free.errors, []);
        let kinds: Vec<_> = held.errors.iter().map(|error| error.about).collect();
        assert_eq!(kinds, [FleetErrorKind::Starting, FleetErrorKind::Waiting], "{:?}", held.errors);
        let report = harness.report();
        assert_eq!((report.jobs_completed, report.jobs_unserved), (2, 2));
        let struck = harness.world().faults.struck();
        assert!((5..=17).contains(&struck), "{struck} tries in half an hour");
    });
}

#[test]
fn a_vm_that_azure_took_on_and_never_makes_closes_its_place_too() {
    run(async {
        let harness = Harness::new(
            "repositories = ['o/r']\n[[faults]]\nwhat = { create_fails = 'VMSizeNotSupported Standard_D4s_v5' }\n",
        );
        let mut fleet = wide();
        fleet.scaling.cooldown = Duration::ZERO;
        harness.submit("o/r", 1, 20);
        let board = harness.live(vec![fleet.clone()], StateDir::default(), 1200).await;
        assert_eq!(harness.report().jobs_unserved, 0);
        assert_eq!(harness.world().faults.struck(), 1, "the size is closed in its region");
        assert_eq!(errors(&status(&board, &fleet), FleetErrorKind::Closed).len(), 1);
    });
}
