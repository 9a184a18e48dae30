//! What is logged of removals that fail.

use super::*;

#[tokio::test(start_paused = true)]
async fn removals_that_fail_for_hours_are_logged_once_and_end_once() {
    for (status, until, in_the_end) in [(403, "30h", 3), (403, "4h", 0), (409, "4h", 0)] {
        let fixture = CloudFixture::new(&format!(
            "[[faults]]\nwhat = {{ status = {status} }}\nside = 'azure'\nmethod = 'DELETE'\n\
             path = '/virtualMachines/'\nuntil = '{until}'\n"
        ));
        (0..3).for_each(|_| fixture.submit("o/r"));
        let (told, _guard) = Warned::listen();
        let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
        wait(6 * 3600).await;
        assert_eq!(told.warnings(), 1, "{status} until {until}");
        let shown = lived.status_store.read().fleets.into_values().next().expect("one fleet");
        assert_eq!(shown.failing_removals.len(), in_the_end, "{status} until {until}");
        assert_eq!(fixture.vms().len(), in_the_end, "{status} until {until}");
    }
}
