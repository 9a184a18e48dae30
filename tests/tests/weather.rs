//! Failures of GitHub, with the real daemon over loopback HTTP.

use std::time::Duration;

use azlin_simcloud::fault::Side;
use azlin_simcloud::{Workload, World};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM, azlin};

const QUICK: &str = "create = '500ms'\nboot = '500ms'\nregister = '200ms'\ndelete = '500ms'\n";

fn refused(world: &World) -> u64 {
    let of_github = world.statistics.requests.iter().filter(|((side, ..), _)| *side == Side::Github);
    of_github.filter(|((.., status), _)| matches!(status, 403 | 429)).map(|(_, (count, _))| count).sum()
}

#[test]
fn with_nothing_left_of_the_budget_nothing_is_sent_that_would_be_refused_and_all_is_served_after() {
    // Half of a window, here 12 of 24 seconds. The whole budget is used after five.
    let workload = format!(
        "repositories = ['o/r']\n[settings]\nrate_window = '24s'\n{QUICK}\
         [[arrivals]]\nat = '1s'\nevery = ['2s', '4s']\nuntil = '30s'\nrepo = 'o/r'\nlabels = ['self-hosted']\n\
         duration = ['2s', '9s']\n\
         [[faults]]\nwhat = 'budget_gone'\nfrom = '5s'\ntimes = 1\n"
    );
    // Built before the world begins.
    azlin();
    // Windows follow the clock, so the budget may return at once. Begin when at least half a window remains.
    let gone_s = || 24 - (jiff::Timestamp::now().as_second() + 5) % 24;
    while gone_s() < 12 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
    cloud.write(
        "fleets/ci.toml",
        &format!(
            "repo = \"o/r\"\n[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n{VM}"
        ),
    );
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.faults.struck() > 0), "the budget is used up");
    // Requests already under way when another client used up the budget could not know of it.
    std::thread::sleep(Duration::from_secs(3));
    let under_way = refused(&cloud.served.world());
    assert!(under_way <= 3, "{under_way} refused at once");
    let arrived = |world: &mut World| world.report().jobs_submitted >= 8;
    assert!(cloud.wait(Duration::from_secs(60), arrived), "jobs arrive");
    let is_served = |world: &mut World| {
        let report = world.report();
        report.jobs_submitted >= 8 && report.jobs_unserved == 0 && report.vms_left == 0
    };
    assert!(cloud.wait(Duration::from_secs(120), is_served), "{:?}", cloud.served.world().report());
    let world = cloud.served.world();
    assert_eq!(
        (refused(&world), world.report().jobs_killed),
        (under_way, 0),
        "{:?}",
        world.statistics.requests
    );
    drop(world);
    drop(daemon);
    let log = std::fs::read_to_string(cloud.log()).unwrap();
    assert!(log.contains(": error: ") && log.contains("recovered after"), "{log}");
}
