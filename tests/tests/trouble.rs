//! One fleet's failure stays its own: a panic anywhere in a loop or an operation costs a moment, never a job,
//! a VM or another fleet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use azlin_daemon::{DaemonContext, StateDir};
use azlin_simcloud::github::SimJob;
use azlin_tests::harness::fleets;
use azlin_tests::harness::{Harness, fleet, live, run};
use jiff::SignedDuration;

/// Serves a burst for two fleets. The clock panics once, at its `nth` call.
async fn serve(nth: u64) {
    let harness = Harness::new("repositories = ['o/r']");
    for labels in [["self-hosted", "docker"], ["self-hosted", "gpu"]] {
        let job = (labels.map(str::to_owned).to_vec(), Duration::from_secs(100));
        harness.world().submit("o/r", vec![job; 4], Vec::new());
    }
    let (asked, steady) = (AtomicU64::new(0), Arc::clone(&harness.context.clock));
    let clock = Arc::new(move || {
        assert!(asked.fetch_add(1, Ordering::Relaxed) != nth, "a bug");
        steady()
    });
    let context = DaemonContext { clock, ..harness.context.clone() };
    live(context, fleets(1), StateDir::default(), 7200).await;
    let report = harness.report();
    assert_eq!((report.jobs_killed, report.jobs_unserved), (0, 0), "panic {nth}: {report:#?}");
    assert_eq!((report.vms_left, report.runners_left), (0, 0), "panic {nth}: {report:#?}");
}

#[test]
fn a_panic_anywhere_costs_a_moment() {
    for nth in 0..60 {
        run(serve(nth));
    }
}

/// How long each job of `o/quick` waited while calls about `o/slow` have this fault.
async fn waits_beside(trouble: &str) -> Vec<SignedDuration> {
    let harness = Harness::new(&format!(
        "repositories = ['o/quick', 'o/slow']\n[settings]\ncreate = '10s'\nboot = '20s'\nregister = '10s'\ndelete = '10s'\n{trouble}"
    ));
    harness.submit("o/quick", 4, 100);
    harness.submit("o/slow", 40, 100);
    let mut slow = fleet("slow", "o/slow", "other");
    slow.scaling.max_runners = 40;
    let fleets = vec![slow, fleet("quick", "o/quick", "rg")];
    harness.live(fleets, StateDir::default(), 1200).await;
    let world = harness.world();
    let quick = |job: &&SimJob| world.state.github.runs[&job.run].repo == "o/quick";
    let jobs = world.state.github.jobs.values().filter(quick);
    jobs.map(|job| job.started_at.unwrap().duration_since(job.queued_at)).collect()
}

#[test]
fn a_repository_or_a_resource_group_that_hangs_delays_no_other() {
    run(async {
        let undisturbed = waits_beside("").await;
        assert_eq!(undisturbed.len(), 4);
        let of_slow =
            ["/repos/o/slow", "/repos/o/slow/actions/runners/generate-jitconfig", "/resourceGroups/other"];
        for path in of_slow {
            for what in ["{ latency = '29s' }", "{ latency = '10m' }", "'reset'"] {
                let trouble = format!("[[faults]]\nwhat = {what}\npath = '{path}'\n");
                assert_eq!(waits_beside(&trouble).await, undisturbed, "{path}: {what}");
            }
        }
    });
}
