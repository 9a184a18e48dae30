//! Removals that keep failing: held back, told as a trouble of their own, and done once they can be.

use azlin_daemon::{StateDir, StatusStore};
use azlin_fleet::model::PhaseKind;
use azlin_fleet::report::{FleetErrorKind, FleetStatus};
use azlin_tests::harness::{Harness, fleet, run};
use std::sync::Arc;

const QUICK: &str =
    "repositories = ['o/r']\n[settings]\ncreate = '5s'\nboot = '5s'\nregister = '2s'\ndelete = '5s'\n";

fn shown(board: &StatusStore) -> Arc<FleetStatus> {
    board.read().fleets.into_values().next().expect("one fleet")
}

fn removing(status: &FleetStatus) -> Vec<&str> {
    let errors = status.errors.iter().filter(|error| error.about == FleetErrorKind::Removing);
    errors.map(|error| error.what.as_str()).collect()
}

#[test]
fn a_vm_that_may_not_be_removed_is_told_tried_with_pauses_and_removed_at_last() {
    run(async {
        let fault = "[[faults]]\nwhat = { status = 403 }\nside = 'azure'\nmethod = 'DELETE'\n\
                     path = '/virtualMachines/'\nuntil = '61m'\n";
        let harness = Harness::new(&format!("{QUICK}{fault}"));
        harness.submit("o/r", 2, 60);
        let mut ci = fleet("ci", "o/r", "rg");
        ci.scaling.max_runners = 1;
        let status = shown(&harness.live(vec![ci.clone()], StateDir::default(), 3600).await);
        let struck = harness.world().faults.struck();
        assert!((20..45).contains(&struck), "one try in two minutes, not one in each tick: {struck}");
        let told = removing(&status);
        assert!(told.len() == 1 && told[0].contains("cannot be removed"), "{told:?}");
        assert_eq!((status.count(PhaseKind::Draining), status.failing_removals.len()), (1, 1));
        let reason = &status.decision.reason;
        assert!(reason.contains("cannot be removed") && !reason.contains("raise"), "{reason}");
        let status = shown(&harness.live(vec![ci], StateDir::default(), 10 * 60).await);
        assert_eq!((removing(&status), harness.report().jobs_completed), (Vec::new(), 2));
    });
}

#[test]
fn what_the_orphan_collector_cannot_remove_is_told_until_it_is_gone() {
    for (method, path) in [("GET", "/disks"), ("DELETE", "/networkInterfaces/")] {
        run(async {
            let fault = format!(
                "[[faults]]\nwhat = 'leaves_behind'\n[[faults]]\nwhat = {{ status = 403 }}\nside = 'azure'\n\
                 method = '{method}'\npath = '{path}'\nuntil = '70m'\n"
            );
            let harness = Harness::new(&format!("{QUICK}{fault}"));
            harness.submit("o/r", 1, 60);
            let ci = fleet("ci", "o/r", "rg");
            let status = shown(&harness.live(vec![ci.clone()], StateDir::default(), 3600).await);
            let told = removing(&status);
            assert!(told.len() == 1 && told[0].contains("cannot be removed"), "{method} {path}: {told:?}");
            assert_eq!(status.failing_removals.len(), 1, "{method} {path}");
            let status = shown(&harness.live(vec![ci], StateDir::default(), 3600).await);
            assert_eq!(removing(&status), [""; 0], "{method} {path}");
        });
    }
}
