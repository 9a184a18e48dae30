//! Azure without capacity: the next size, zone, region or price is tried, and then the daemon waits.

use std::time::Duration;

use azlin_daemon::{Daemon, StateDir, StatusStore};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::Spot;
use azlin_tests::harness::{Harness, fleet, run};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SIZES: [&str; 3] = ["Standard_D4s_v5", "Standard_D4as_v5", "Standard_E4s_v5"];
const WORLD: &str = "repositories = ['o/r']\n";

fn of_three_sizes() -> Fleet {
    let mut fleet = fleet("ci", "o/r", "rg");
    fleet.vm.sizes = SIZES.map(str::to_owned).to_vec();
    fleet
}

fn faults(whats: &[String]) -> String {
    whats.iter().map(|what| format!("[[faults]]\nwhat = {what}\n")).collect()
}

/// The seconds until one job of ten seconds has ended, and the number of requested VMs.
async fn serves_one(fleet: Fleet, faults: &str) -> (Option<u64>, u64) {
    let harness = Harness::new(&format!("{WORLD}{faults}"));
    harness.submit("o/r", 1, 10);
    let took = harness.live_until(vec![fleet], |report| report.jobs_completed == 1).await;
    (took, harness.report().vms_created)
}

#[test]
fn the_third_size_serves_within_one_tick_more_whether_azure_refuses_at_once_or_later() {
    run(async {
        let usual = serves_one(of_three_sizes(), "").await.0.expect("it is served");
        let at_once = SIZES[..2].iter().map(|size| format!("{{ no_capacity = '{size}' }}"));
        let (took, created) = serves_one(of_three_sizes(), &faults(&at_once.collect::<Vec<_>>())).await;
        assert_eq!((took, created), (Some(usual), 1));
        // A later refusal: each of the two fails only after Azure has tried for a while and a tick has
        // observed it.
        for code in ["AllocationFailed", "ZonalAllocationFailed", "SkuNotAvailable"] {
            let later = SIZES[..2].iter().map(|size| format!("{{ create_fails = '{code} {size}' }}"));
            let (took, created) = serves_one(of_three_sizes(), &faults(&later.collect::<Vec<_>>())).await;
            let took = took.expect("it is served");
            assert!(
                took <= usual + 3 * 60 && created == 3,
                "{code}: {took} s, {created} VMs, usual {usual} s"
            );
        }
    });
}

#[test]
fn where_there_is_no_room_each_size_is_asked_for_once_in_each_step_of_patience() {
    run(async {
        let harness = Harness::new(&format!("{WORLD}[[faults]]\nwhat = 'no_capacity'\n"));
        let mut fleet = of_three_sizes();
        fleet.scaling.max_runners = 10;
        // Ten runners at once: one requests each size, and the others share its answer.
        harness.submit("o/r", 10, 10);
        let state = StateDir::default();
        harness.live(vec![fleet.clone()], state.clone(), 25).await;
        let puts = |harness: &Harness| -> u64 {
            let world = harness.world();
            let of = world.statistics.requests.iter().filter(|((_, method, ..), _)| method == "PUT");
            of.map(|(_, (count, _))| count).sum()
        };
        assert_eq!(puts(&harness), 3);
        // A restarted daemon remembers.
        let board = harness.live(vec![fleet.clone()], state.clone(), 4).await;
        assert_eq!(puts(&harness), 3);
        let posted = board.read().fleets.remove(&fleet.name);
        let said = posted.map(|status| status.decision.reason.clone()).unwrap_or_default();
        assert!(said.contains("Azure is out of capacity") && said.contains("next try in"), "{said}");
        // In an hour, the waits are 30 s, then 1, 2, 4, 8, 16 and 30 minutes: at most seven more tries.
        harness.live(vec![fleet], state, 3600).await;
        let hour = puts(&harness);
        assert!((3 * 6..=3 * 9).contains(&hour), "{hour} requests in an hour");
    });
}

#[test]
fn spot_falls_back_to_regular_and_regions_to_the_next() {
    run(async {
        let mut fleet = of_three_sizes();
        fleet.vm.spot = Some(Spot { max_price: None });
        let no_spot = faults(&["{ no_capacity = 'spot' }".to_owned()]);
        assert_eq!(serves_one(fleet.clone(), &no_spot).await, (None, 0), "spot alone waits");
        fleet.vm.regular_fallback = true;
        assert_eq!(serves_one(fleet, &no_spot).await.1, 1);

        let mut fleet = of_three_sizes();
        fleet.vm.elsewhere = vec![azlin_fleet::config::Elsewhere {
            location: "northeurope".to_owned(),
            subnet_id: "/subscriptions/0/north".to_owned(),
            zones: vec!["1".to_owned(), "2".to_owned()],
            nsg_id: None,
        }];
        let harness = Harness::new(&format!(
            "{WORLD}{}",
            faults(&[
                "{ no_capacity = 'westeurope' }".to_owned(),
                "{ no_capacity = 'northeurope 1' }".to_owned()
            ])
        ));
        harness.submit("o/r", 1, 600);
        harness.live(vec![fleet], StateDir::default(), 240).await;
        let world = harness.world();
        let vm = world.state.azure.vms.values().next().expect("there is one");
        assert_eq!((vm.location(), vm.zone()), ("northeurope", Some("2")));
        assert!(vm.body.to_string().contains("/subscriptions/0/north"), "in the subnet there");
    });
}

#[test]
fn an_evicted_job_is_reported_and_its_runner_replaced() {
    run(async {
        let harness = Harness::new(&format!("{WORLD}[[faults]]\nwhat = 'eviction'\ntimes = 1\n"));
        let mut fleet = fleet("ci", "o/r", "rg");
        fleet.vm.spot = Some(Spot { max_price: None });
        fleet.scaling.min_runners = 1;
        harness.submit("o/r", 1, 600);
        harness.live(vec![fleet], StateDir::default(), 1800).await;
        let report = harness.report();
        assert_eq!((report.jobs_lost_to_faults, report.vms_left), (1, 1), "{report:?}");
    });
}

/// A fleet at its maximum gets the place of a VM back as soon as Azure has no such VM any more, and not once every
/// list would show it.
#[test]
fn short_jobs_wait_no_longer_for_a_place_than_azure_needs_to_remove_a_vm() {
    run(async {
        let quick = "[settings]\ncreate = '1s'\nboot = '1s'\nregister = '1s'\ndelete = '1s'\n";
        let harness = Harness::new(&format!("repositories = ['o/r']\n{quick}"));
        let mut five = fleet("ci", "o/r", "rg");
        five.scaling.max_runners = 5;
        five.scaling.scale_up_threshold = 0;
        (five.scaling.cooldown, five.scaling.max_queue_wait) = (Duration::ZERO, Duration::ZERO);
        harness.submit("o/r", 15, 2);
        let config = DaemonConfig::parse("azlin.toml", "[poll]\nqueue = \"5s\"\nhealth = \"10s\"\n").unwrap();
        let (context, stop) = (harness.context.clone(), CancellationToken::new());
        let daemon =
            Daemon::new(&config, vec![five], context, StateDir::default(), StatusStore::default(), stop);
        let began = Instant::now();
        let watched = async {
            while harness.report().jobs_completed < 15 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = watched => {}
            () = daemon.run() => unreachable!("it is not stopped"),
        }
        let took = began.elapsed().as_secs();
        println!("15 jobs of 2 s on 5 runners took {took} s");
        assert!(took < 60, "{took} s");
    });
}
