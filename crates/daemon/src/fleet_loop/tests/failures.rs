//! What of a failure is reported, and how often.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_pass_reports_what_failed_by_fleet() {
    let away = "[[faults]]\nwhat = { status = 503 }\npath = '/repos/o/other'\n[[faults]]\nwhat = { status = 403 }\nmethod = 'PUT'\n";
    let fixture = CloudFixture::new(away);
    fixture.submit("o/r");
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let fleets = vec![
        fleet("ci", "", EACH),
        fleet("other", "repo = 'o/other'", ""),
        fleet("fine", "repo = 'o/third'", ""),
    ];
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let daemon =
        Daemon::new(&config, fleets, fixture.context.clone(), StateDir::default(), status_store, stop);
    let failures = daemon.run_once().await;
    let told: Vec<(&str, usize)> =
        failures.iter().map(|(name, failed)| (name.as_str(), failed.len())).collect();
    assert_eq!(told, [("ci", 1), ("other", 1)], "{failures:?}");
    assert!(failures.values().flatten().all(|why| why.contains("40") || why.contains("503")), "{failures:?}");
}

#[tokio::test(start_paused = true)]
async fn a_complaint_is_kept_while_its_runner_is_known() {
    let fixture = CloudFixture::new("");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", "[scaling]\nmin_runners = 1\n")]);
    poll(&mut ci, Poll::Queue).await;
    ci.settle().await;
    let (name, action) = {
        wait(180).await;
        poll(&mut ci, Poll::Health).await;
        let name = ci.fleet_state.runners.names().next().cloned().expect("one");
        let task = azlin_fleet::model::Install {
            runner: name.clone(),
            vm: (ci.config.fleet.vm.group.clone(), name.to_string().into()),
            host_key: ForeignText::default(),
            created_at: fixture.context.now(),
        };
        (name, Action::Install(task))
    };
    let (told, _guard) = Warned::listen();
    let mut end = |outcome: InstallOutcome| {
        let Action::Install(install) = action.clone() else { panic!("{action:?}") };
        let task = tokio::spawn(async {}).id();
        ci.operations.in_flight.insert(
            name.clone(),
            InFlight { operation: Operation::Install, action: action.clone(), task, began: Instant::now() },
        );
        ci.ended(Ok((name.clone(), Completed::Install { install, outcome })));
        ci.reported.complaints.get(&name).cloned()
    };
    assert_eq!(end(InstallOutcome::LeftAlone("no matter".to_owned())), None);
    let broken = BootstrapOutcome::Broken { why: "why".to_owned(), runner_id: None };
    assert_eq!(end(InstallOutcome::Bootstrap(broken)).as_deref(), Some("why"));
    assert_eq!(end(InstallOutcome::LeftAlone("no matter".to_owned())).as_deref(), Some("why"));
    let later = azlin_fleet::model::Failure::later("another".to_owned());
    assert_eq!(end(InstallOutcome::Failed(later.clone())).as_deref(), Some("another"));
    assert_eq!(end(InstallOutcome::Failed(later)).as_deref(), Some("another"));
    assert_eq!(told.warnings(), 2, "each is reported once");
}

/// Each try has another name, and Azure's answer names it.
#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_end_is_logged_once_and_not_at_each_try() {
    for what in [
        "{ refused = [409, 'ScopeLocked', 'the scope is locked'] }",
        "{ refused = [403, 'RequestDisallowedByAzure', 'not in this region'] }",
        "{ refused = [400, 'VMSizeNotSupported', 'not this size'] }",
    ] {
        let fixture =
            CloudFixture::new(&format!("[[faults]]\nwhat = {what}\nside = 'azure'\nmethod = 'PUT'\n"));
        for _ in 0..5 {
            fixture.submit("o/r");
        }
        let (told, _guard) = Warned::listen();
        let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
        wait(3600).await;
        let tries = fixture.requests("PUT", "/virtualMachines/{name}");
        assert!((10..=35).contains(&tries), "{what}: {tries} tries in an hour");
        // The failed start or the place that is closed, and the job that waits for too long.
        assert!((2..=3).contains(&told.warnings()), "{what}: {} lines", told.warnings());
        drop(lived);
    }
}

/// "What failed?" is asked of the journal with `-p warning`. A VM that never boots was told at info.
#[tokio::test(start_paused = true)]
async fn a_vm_that_never_boots_is_logged_as_a_warning() {
    let fixture = CloudFixture::new("[[faults]]\nwhat = 'never_boots'\n");
    fixture.submit("o/r");
    let (told, _guard) = Warned::listen();
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(60).await;
    assert_eq!(told.warnings(), 0, "it may still come");
    wait(12 * 60).await;
    assert_eq!(told.warnings(), 2, "the start that failed, once, and the job that waits for too long");
    drop(lived);
}
