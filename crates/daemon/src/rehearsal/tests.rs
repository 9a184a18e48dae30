//! A rehearsal in every way in which it can go wrong: what each step says, and that nothing is left but what is told.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::Prices;
use azlin_fleet::rehearsal::OpenQuestion;
use azlin_fleet::rehearsal::Sighting;

use super::*;
use crate::fixture::{CloudFixture, fleet};

use RehearsalStep::{Create, Drain, Look, Online, Remove, Verify};
use StepEnd::{Done, Failed, Interrupted};

fn plan(fixture: &CloudFixture, tables: &str) -> RehearsalPlan {
    let context = &fixture.context;
    RehearsalPlan::of(&fleet("ci", "", tables), &Prices::default(), context.now(), (context.random)())
        .expect("a plan")
}

/// A rehearsal that is stopped after this time, if at all, and what the world still has of it.
async fn rehearsed(fixture: &CloudFixture, tables: &str, stop_after: Option<u64>) -> (Rehearsed, usize) {
    let plan = plan(fixture, tables);
    let RehearsalPlan { fleet, runner, .. } = &plan;
    let left = Leftovers::none(runner.clone(), fleet.vm.group.clone(), fleet.scope.clone());
    let (left, stop) = (Arc::new(Mutex::new(left)), CancellationToken::new());
    let rehearsal = rehearse(fixture.context.clone(), &*fixture.cloud, &plan, left, stop.clone(), &|_| {});
    let stopping = async {
        if let Some(seconds) = stop_after {
            sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
        }
        std::future::pending::<()>().await;
    };
    let rehearsed = tokio::select! {
        rehearsed = rehearsal => rehearsed,
        () = stopping => unreachable!("it waits for ever"),
    };
    let world = fixture.world();
    let is_its = |name: &str| name.starts_with(runner.as_str());
    let vms = world.state.azure.vms.values().filter(|vm| is_its(&vm.name)).count();
    let entries = world.state.github.runners.values().filter(|entry| is_its(&entry.name)).count();
    let parts = world.state.azure.left.values().filter(|part| is_its(part.name())).count();
    drop(world);
    (rehearsed, vms + entries + parts)
}

fn ends(rehearsed: &Rehearsed) -> Vec<(RehearsalStep, StepEnd)> {
    rehearsed.steps.iter().map(|record| (record.step, record.end)).collect()
}

fn told(rehearsed: &Rehearsed) -> String {
    rehearsed.steps.iter().map(|record| record.told.as_str()).collect::<Vec<_>>().join(" | ")
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_is_told_and_nothing_is_left_but_what_is_told() {
    let to = |side: &str, method: &str, path: &str, what: &str, more: &str| {
        format!("[[faults]]\nwhat = {what}\nside = '{side}'\nmethod = '{method}'\npath = '{path}'\n{more}")
    };
    let any = |what: &str| format!("[[faults]]\nwhat = {what}\n");
    let well = [(Create, Done), (Online, Done), (Look, Done), (Drain, Done), (Remove, Done), (Verify, Done)];
    let not_made = [(Create, Failed), (Remove, Done), (Verify, Done)];
    let not_online = [(Create, Done), (Online, Failed), (Look, Done), (Remove, Done), (Verify, Done)];
    let not_drained =
        [(Create, Done), (Online, Done), (Look, Done), (Drain, Failed), (Remove, Done), (Verify, Done)];
    let not_removed =
        [(Create, Done), (Online, Done), (Look, Done), (Drain, Failed), (Remove, Failed), (Verify, Failed)];
    let vms = "/virtualMachines/";
    type Ends<'a> = &'a [(RehearsalStep, StepEnd)];
    let table: Vec<(&str, String, Ends<'_>, &str)> = vec![
        ("all is well", String::new(), &well, "the VM ended its runner"),
        ("the create is refused", to("azure", "PUT", vms, "{ status = 403 }", ""), &not_made, "403"),
        ("there is no room", any("'no_capacity'"), &not_made, "Azure has no room"),
        ("GitHub gives no entry", to("github", "POST", "", "{ status = 422 }", ""), &not_made, "422"),
        ("Azure fails to make it", any("'create_fails'"), &not_online, "Azure did not make the VM"),
        ("it does not boot", any("'never_boots'"), &not_online, "was not online"),
        ("it does not register", any("'never_registers'"), &not_online, "was not online"),
        ("the drain is refused", to("azure", "PATCH", vms, "{ status = 403 }", ""), &not_drained, "403"),
        ("the VM does not answer", any("'guest_deaf'"), &not_drained, "has not answered"),
        (
            "the removal fails for twenty minutes",
            to("azure", "DELETE", vms, "{ status = 409 }", "until = '20m'\n"),
            &not_drained,
            "at first: ",
        ),
        ("parts stay behind", any("'leaves_behind'"), &well, "azlin removed: disk"),
        (
            "the removal fails for good",
            to("azure", "DELETE", vms, "{ status = 403 }", ""),
            &not_removed,
            "403",
        ),
        (
            "the lists cannot be read",
            to("azure", "GET", "/virtualMachines", "{ status = 503 }", "until = '4m'\n"),
            &well,
            "not all could be read",
        ),
    ];
    for (situation, faults, expected, words) in table {
        let fixture = CloudFixture::new(&faults);
        let (rehearsed, there) = rehearsed(&fixture, "", None).await;
        let told = told(&rehearsed);
        assert!(told.contains(words), "{situation}: {told}");
        if situation != "the lists cannot be read" {
            assert_eq!(ends(&rehearsed), expected, "{situation}: {told}");
        }
        assert_eq!(rehearsed.left.is_empty(), there == 0, "{situation}: {:?}, {there}", rehearsed.left);
        let is_well = expected.iter().all(|(_, end)| *end == Done);
        assert_eq!(rehearsed.is_good(), is_well, "{situation}");
        assert_eq!(there > 0, situation.ends_with("for good"), "{situation}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_ssh_it_is_the_same() {
    let fixture = CloudFixture::new("");
    let (rehearsed, there) = rehearsed(&fixture, "[bootstrap]\nmethod = 'ssh'\n", None).await;
    assert!(rehearsed.is_good() && there == 0, "{}", told(&rehearsed));
    assert!(told(&rehearsed).contains("installed over SSH"), "{}", told(&rehearsed));
}

#[tokio::test(start_paused = true)]
async fn where_github_is_away_it_says_what_may_be_left() {
    let fixture = CloudFixture::new("[[faults]]\nwhat = 'reset'\nside = 'github'\n");
    let (rehearsed, there) = rehearsed(&fixture, "", None).await;
    assert_eq!(ends(&rehearsed), [(Create, Failed), (Remove, Done), (Verify, Failed)]);
    assert!(rehearsed.left.entry && !rehearsed.left.vm && there == 0, "{:?}", rehearsed.left);
}

#[tokio::test(start_paused = true)]
async fn a_stop_at_any_moment_leaves_nothing() {
    let mut interrupted = 0;
    for seconds in [0, 1, 10, 20, 30, 40, 45, 50, 55, 60, 65, 70, 80, 100] {
        let fixture = CloudFixture::new("");
        let (rehearsed, there) = rehearsed(&fixture, "", Some(seconds)).await;
        assert_eq!((there, rehearsed.left.is_empty()), (0, true), "{seconds} s: {}", told(&rehearsed));
        interrupted += usize::from(rehearsed.steps.iter().any(|record| record.end == Interrupted));
    }
    assert!(interrupted >= 3, "{interrupted} of them while it waited");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_keeps_its_vm() {
    let fixture = CloudFixture::new("");
    let plan = plan(&fixture, "");
    let label = plan.runner.to_string();
    let left = Leftovers::none(plan.runner.clone(), plan.fleet.vm.group.clone(), plan.fleet.scope.clone());
    let left = Arc::new(Mutex::new(left));
    // Nobody asks for this label, except this test.
    fixture.world().submit("o/r", vec![(vec![label], Duration::from_secs(36_000))], Vec::new());
    let stop = CancellationToken::new();
    let rehearsed = rehearse(fixture.context.clone(), &*fixture.cloud, &plan, left, stop, &|_| {}).await;
    assert_eq!(fixture.world().report().jobs_killed, 0);
    assert!(rehearsed.left.vm && !rehearsed.is_good(), "{}", told(&rehearsed));
    assert!(told(&rehearsed).contains("runs a job"), "{}", told(&rehearsed));
}

#[tokio::test(start_paused = true)]
async fn the_world_answers_every_question_but_the_eviction() {
    let fixture = CloudFixture::new("");
    let (rehearsed, _) = rehearsed(&fixture, "public_ip = true\n", None).await;
    for (question, sighting) in rehearsed.answers(&plan(&fixture, "")) {
        let is_open = matches!(
            question,
            OpenQuestion::Eviction
                | OpenQuestion::LimitHeaders
                // These compare with the name in the plan, which is another one here.
                | OpenQuestion::Labels
                | OpenQuestion::Tags
                | OpenQuestion::DiskName
                | OpenQuestion::AddressZones
        );
        let is_expected = matches!(sighting, Sighting::AsExpected(_) | Sighting::Told(_));
        assert!(is_open || is_expected, "{question}: {sighting}");
    }
}
