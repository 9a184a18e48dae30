//! Every link of a job's chain, both broken and holding.

mod case;
mod places;

use super::*;
use crate::fixture::{Entry, NOW, Scene, at, fleet_with, runs};
use crate::model::{ErrorPolicy, JobStatus, PowerState, ProvisioningState, RunId};
use crate::observe::attribute;

use case::JobCase;
pub(super) use case::{answer, case, waiting};

#[test]
fn each_link_that_does_not_hold_is_told_with_what_would_fix_it() {
    let status = |status| Job { status, ..waiting(1, 90, &["self-hosted"]) };
    let gpu = |labels: &[&str]| case("").job(waiting(1, 90, labels));
    let ephemeral = "jobs_per_runner = 1\nscale_up_threshold = 0";
    let rows: Vec<(&str, JobCase, u64, &str, Vec<&str>)> = vec![
        (
            "held by a rule",
            case("").job(status(JobStatus::Waiting)),
            1,
            "queue broken",
            vec!["protection rule", "approve the deployment", "run 7"],
        ),
        (
            "held by a group",
            case("").job(status(JobStatus::Pending)),
            1,
            "queue waits",
            vec!["concurrency group"],
        ),
        (
            "only asked for",
            case("").job(status(JobStatus::Requested)),
            1,
            "queue waits",
            vec!["not in GitHub's queue"],
        ),
        (
            "in another repository",
            case("").job(Job { repo: "o/other".parse().expect("valid"), ..waiting(1, 90, &["self-hosted"]) }),
            1,
            "queue broken",
            vec!["another repository", "it is in o/other", "registered at repo:o/r"],
        ),
        (
            "a label that nobody has",
            gpu(&["self-hosted", "gpu"]).other("big", "labels = [\"gpu-a100\"]"),
            1,
            "labels broken",
            vec!["no fleet has `gpu`, nearest is `gpu-a100` of big", "add `gpu` to `labels` of ci"],
        ),
        (
            "a label that is like no other",
            gpu(&["self-hosted", "gpu"]),
            1,
            "labels broken",
            vec!["no fleet has `gpu` (ci has none but the implicit ones)"],
        ),
        (
            "a label that another fleet has, with the rest",
            gpu(&["self-hosted", "gpu"]).other("big", "labels = [\"gpu\"]"),
            1,
            "labels broken",
            vec!["those of big have it all", "`--pool`"],
        ),
        (
            "a label that another fleet has, without the rest",
            gpu(&["gpu", "docker"]).other("big", "labels = [\"gpu\"]"),
            1,
            "labels broken",
            vec!["`gpu` is only on big, which lacks `docker`", "no fleet has `docker`"],
        ),
        (
            "a label that a fleet elsewhere has",
            gpu(&["gpu"]).other("far", "org = \"other\"\nlabels = [\"gpu\"]"),
            1,
            "labels broken",
            vec!["`gpu` is only on far, which is on org:other"],
        ),
        (
            "a hosted image",
            gpu(&["ubuntu-latest"]),
            1,
            "labels broken",
            vec!["GitHub hosts", "`runs-on: self-hosted`"],
        ),
        (
            "a fleet that is off",
            case("").top("enabled = false", "").jobs(1, 90),
            1,
            "enabled broken",
            vec!["ci is not enabled", "`azlin github-runner enable --pool ci` enables it"],
        ),
        (
            "a fleet that is off, and another serves it",
            case("").top("enabled = false", "").other("b", "").jobs(1, 90),
            1,
            "enabled broken",
            vec!["the job counts for b"],
        ),
        (
            "another of lower priority",
            case("").other("b", "priority = 9").jobs(1, 90),
            1,
            "attribution broken",
            vec![
                "counts for b, not for ci: its priority is 9, and that of ci is 100",
                "explain --pool b --job 1",
            ],
        ),
        (
            "another with fewer labels",
            case("").top("labels = [\"docker\"]", "").other("b", "").jobs(1, 90),
            1,
            "attribution broken",
            vec!["it has 0 labels that the job does not ask for, and ci has 1"],
        ),
        (
            "another that comes first",
            case("").other("a", "").jobs(1, 90),
            1,
            "attribution broken",
            vec!["its name comes before ci"],
        ),
        ("not in the lists yet", case(""), 1, "demand waits", vec!["too new", "do not show it yet"]),
        (
            "threshold",
            case("").jobs(1, 30),
            1,
            "decision waits",
            vec!["a runner is started for it in 30s, at the first tick after ", "scale_up_threshold (2)"],
        ),
        (
            "threshold, and the runner is for another",
            case("scale_up_threshold = 1").jobs(2, 30),
            2,
            "decision waits",
            vec!["it shares a runner with others", "1 job is before it, and a runner is counted for 2 jobs"],
        ),
        (
            "cooldown, and the runners are for others",
            case("scale_up_threshold = 0").jobs(4, 30).scene(|mut scene| {
                scene.fleet_state.scaling.at = Some(at(NOW - 290));
                scene
            }),
            4,
            "decision waits",
            vec!["it shares a runner with others", "3 jobs are before it"],
        ),
        (
            "cooldown",
            case("scale_up_threshold = 0").jobs(1, 30).scene(|mut scene| {
                scene.fleet_state.scaling.at = Some(at(NOW - 290));
                scene
            }),
            1,
            "decision waits",
            vec!["the cooldown holds back; a runner is started for it in 10s"],
        ),
        (
            "cooldown, after a start that failed",
            case("scale_up_threshold = 0").jobs(1, 30).scene(|mut scene| {
                scene.fleet_state.scaling.at = Some(at(NOW - 9));
                scene.fleet_state.failures.count = 4;
                scene.fleet_state.failures.last = Some(at(NOW - 9));
                scene.fleet_state.failures.why = "no capacity".to_owned();
                scene
            }),
            1,
            "decision broken",
            vec![
                "no runner could be started for it; it is tried again in 1m 11s",
                "starts failed 4 times in a row",
            ],
        ),
        (
            "maximum",
            case("max_runners = 1").jobs(1, 90).scene(|scene| {
                let mut scene = scene.runner(3, 600, Entry::Busy);
                let name = scene.name(3, 600).to_string();
                scene.seen.working.insert(name.into(), runs(99));
                scene
            }),
            1,
            "decision waits",
            vec![
                "max_runners is 1",
                "with job 99",
                "`azlin github-runner enable --pool ci --max-runners N` raises it",
            ],
        ),
        (
            "no room for all",
            case("max_runners = 2\njobs_per_runner = 1").jobs(3, 90),
            3,
            "decision waits",
            vec!["max_runners is 2, and allows no more"],
        ),
        ("none allowed", case("max_runners = 0").jobs(1, 90), 1, "decision broken", vec!["max_runners is 0"]),
        (
            "set by hand",
            case("manual_count = 0").jobs(1, 90),
            1,
            "decision broken",
            vec![
                "set by hand to 0",
                "scale --pool ci --auto` follows the queue again; `--count 1` sets more",
            ],
        ),
        (
            "set by hand to the maximum",
            case("manual_count = 1\nmax_runners = 1").jobs(1, 90).scene(|s| s.runner(3, 600, Entry::Busy)),
            1,
            "decision broken",
            vec![
                "scale --pool ci --auto",
                "more than max_runners (1) need",
                "enable --pool ci --max-runners 2`",
            ],
        ),
        (
            "two jobs for a runner",
            case("").jobs(2, 90),
            2,
            "decision waits",
            vec!["jobs_per_runner is 2", "1 job is before it", "jobs_per_runner = 1 in fleets/ci.toml"],
        ),
        (
            "half a view",
            case("").jobs(1, 90).scene(|mut scene| {
                scene.seen.vms = Err("the VMs of s/rg: 503".to_owned());
                scene
            }),
            1,
            "decision broken",
            vec!["cannot be seen whole", "the VMs of s/rg: 503"],
        ),
        (
            "the next tick starts one",
            case(ephemeral).jobs(1, 90),
            1,
            "VM waits",
            vec!["the next tick starts 1 runner: Standard_D4s_v5 in westeurope", "systemctl status"],
        ),
        (
            "starts failed",
            case(ephemeral).jobs(1, 90).scene(|mut scene| {
                scene.fleet_state.failures.count = 3;
                scene.fleet_state.failures.last = Some(at(NOW - 10));
                scene.fleet_state.failures.why = "no capacity; add another size".to_owned();
                scene
            }),
            1,
            "VM broken",
            vec![
                "starts failed 3 times in a row; the next is tried in 30s",
                "no capacity; add another size",
                "`azlin github-runner check --pool ci` looks for the cause",
            ],
        ),
        (
            "starts failed, and are due again",
            case(ephemeral).jobs(1, 90).scene(|mut scene| {
                scene.fleet_state.failures.count = 1;
                scene.fleet_state.failures.last = Some(at(NOW - 100));
                scene.fleet_state.failures.why = "no capacity".to_owned();
                scene
            }),
            1,
            "VM waits",
            vec!["after 1 failed start, the last of which said: no capacity"],
        ),
        (
            "a VM boots",
            case(ephemeral).jobs(1, 90).scene(|scene| {
                scene.vm(4, 60, ProvisioningState::Creating, PowerState::Unknown).entry(4, 60, Entry::Offline)
            }),
            1,
            "VM waits",
            vec!["its runner is starting", "for 1m (Creating)", "boot_timeout (10m)"],
        ),
        (
            "a VM boots after two that never came online",
            case(ephemeral).jobs(1, 90).scene(|mut scene| {
                scene.fleet_state.failures.count = 2;
                scene.fleet_state.failures.policy = ErrorPolicy::GiveUp;
                scene.fleet_state.failures.why = "its image does not boot".to_owned();
                scene.fleet_state.failures.console = Some("cloud-init failed | Power down".into());
                scene.vm(4, 60, ProvisioningState::Creating, PowerState::Unknown).entry(4, 60, Entry::Offline)
            }),
            1,
            "VM waits",
            vec![
                "attempt 3; the last 2 never came online",
                "2 starts failed, the last with: its image does not boot. Its console ended with: cloud-init failed | Power \
                 down",
                "`azlin github-runner check --pool ci`",
            ],
        ),
        (
            "its replacement boots beside an idle runner",
            case("jobs_per_runner = 1\nscale_up_threshold = 0").jobs(2, 90).scene(|scene| {
                let old = scene.name(4, 90_000).to_string();
                scene
                    .runner(4, 90_000, Entry::Idle)
                    .vm(5, 60, ProvisioningState::Creating, PowerState::Unknown)
                    .last_vm(|vm| vm.tags.replaces = Some(old.into()))
            }),
            2,
            "VM waits",
            vec!["the next tick starts 1 runner"],
        ),
        (
            "the only runner is offline",
            case(ephemeral).jobs(1, 90).scene(|scene| offline(scene, 4)),
            1,
            "VM waits",
            vec![
                "the runner that could take it is offline",
                "1 runner is offline since",
                "counted as available until offline_timeout (5m) ends in 4m, at",
                "network of its VM",
            ],
        ),
        (
            "one of two runners is offline",
            case(ephemeral).jobs(2, 90).scene(|scene| offline(scene, 4).runner(5, 600, Entry::Idle)),
            2,
            "VM waits",
            vec!["1 runner is offline since", "service of the runner"],
        ),
        (
            "those that go leave no room yet",
            case("max_runners = 1\njobs_per_runner = 1")
                .jobs(1, 90)
                .scene(|scene| scene.vm(4, 700, ProvisioningState::Deleting, PowerState::Unknown)),
            1,
            "decision waits",
            vec!["max_runners is 1"],
        ),
        (
            "an idle runner of another configuration",
            case(ephemeral)
                .job(waiting(1, 90, &["self-hosted", "docker"]))
                .top("labels = [\"docker\"]", ephemeral)
                .scene(|scene| labelled(scene.runner(4, 600, Entry::Idle), 4, 600, &["self-hosted"])),
            1,
            "VM waits",
            vec!["1 runner is idle, and registered without a label that it asks for"],
        ),
        (
            "an idle runner, a moment ago",
            case(ephemeral).jobs(1, 90).scene(|scene| {
                scene
                    .runner(4, 600, Entry::Idle)
                    .remember(4, 600, |known| known.idle_since = Some(at(NOW - 10)))
            }),
            1,
            "registration waits",
            vec!["an idle runner is there for it", "within seconds", "Settings, Actions, Runners of o/r"],
        ),
        (
            "an idle runner, for long",
            case(ephemeral).jobs(1, 500).scene(|scene| {
                scene
                    .runner(4, 600, Entry::Idle)
                    .remember(4, 600, |known| known.idle_since = Some(at(NOW - 300)))
            }),
            1,
            "registration broken",
            vec![
                "GitHub has not given it",
                "could have taken it for up to 5m",
                "approved or released a moment ago",
            ],
        ),
        (
            "an idle runner, for longer than the job is old",
            case(ephemeral).jobs(1, 130).scene(|scene| {
                scene
                    .runner(4, 20_000, Entry::Idle)
                    .remember(4, 20_000, |known| known.idle_since = Some(at(NOW - 10_800)))
            }),
            1,
            "registration broken",
            vec!["could have taken it for up to 2m 10s"],
        ),
        (
            "an organisation",
            case("").top("org = \"o\"", "").scene(|scene| scene),
            1,
            "demand broken",
            vec!["GitHub has no list of the queued jobs of org:o", "raise min_runners"],
        ),
        (
            "an organisation's idle runner, for long",
            case("").top("org = \"o\"\nrunner_group = \"big\"", "min_runners = 1").scene(|scene| {
                scene
                    .runner(4, 600, Entry::Idle)
                    .remember(4, 600, |known| known.idle_since = Some(at(NOW - 300)))
            }),
            1,
            "registration broken",
            vec!["runner group \"big\" of org:o be used by o/r"],
        ),
    ];
    let mut wrong = Vec::new();
    for (situation, case, id, link, words) in rows {
        let explanation = case.explain(id);
        let said = answer(&explanation);
        if !said.starts_with(&format!("{link}:")) || !words.iter().all(|word| said.contains(word)) {
            wrong.push(format!("{situation}: wanted {link} with {words:?}, was told\n  {said}"));
        }
        let open = explanation.links.iter().position(|link| link.state != LinkState::Holds).unwrap_or(0);
        let after = &explanation.links[open + 1..];
        assert!(after.iter().all(|link| link.state == LinkState::NotReached), "{situation}");
        assert_eq!(explanation.links.len(), 8, "{situation}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A runner that went offline a minute ago.
fn offline(scene: Scene, number: u32) -> Scene {
    scene.runner(number, 600, Entry::Offline).remember(number, 600, |known| {
        known.was_online = true;
        known.entry_seen = true;
        known.offline_since = Some(at(NOW - 60));
    })
}

fn labelled(mut scene: Scene, number: u32, age: i64, labels: &[&str]) -> Scene {
    let name = scene.name(number, age);
    let entries = scene.seen.entries.as_mut().expect("set");
    let entry = std::sync::Arc::make_mut(entries.get_mut(&name).expect("it was added"));
    entry.labels = labels.iter().map(|label| (*label).into()).collect();
    scene
}
