//! Every link of a job's chain, both broken and holding.

use super::*;
use crate::fixture::{Entry, NOW, Scene, at, fleet_with, runs};
use crate::model::{ErrorPolicy, JobStatus, PowerState, ProvisioningState, RunId};
use crate::observe::attribute;

/// A job with these labels that has waited for `seconds`.
pub(super) fn waiting(id: u64, seconds: i64, labels: &[&str]) -> Job {
    Job {
        id: JobId(id),
        run_id: RunId(7),
        repo: "o/r".parse().expect("valid"),
        name: "build".into(),
        workflow: None,
        link: None,
        status: JobStatus::Queued,
        labels: labels.iter().map(|label| (*label).into()).collect(),
        created_at: at(NOW - seconds),
        started_at: None,
        runner_name: None,
    }
}

/// A fleet's world with a queue, and further fleets.
pub(super) struct JobCase {
    scene: Scene,
    pub(super) queue: Queue,
    others: Vec<Fleet>,
    pending: Option<u32>,
}

pub(super) fn case(scaling: &str) -> JobCase {
    JobCase { scene: Scene::new(scaling), queue: Queue::default(), others: Vec::new(), pending: None }
}

impl JobCase {
    fn jobs(mut self, count: u64, seconds: i64) -> Self {
        let next = self.queue.jobs.len() as u64;
        self.queue.jobs.extend((1..=count).map(|id| waiting(next + id, seconds, &["self-hosted"])));
        self
    }

    pub(super) fn job(mut self, job: Job) -> Self {
        self.queue.jobs.push(job);
        self
    }

    pub(super) fn top(mut self, top: &str, scaling: &str) -> Self {
        self.scene.fleet = fleet_with("ci", top, scaling);
        self
    }

    pub(super) fn other(mut self, name: &str, top: &str) -> Self {
        self.others.push(fleet_with(name, top, ""));
        self
    }

    /// So many pending jobs are left after some were taken off.
    pub(super) fn pending(mut self, left: u32) -> Self {
        self.pending = Some(left);
        self
    }

    pub(super) fn scene(mut self, change: impl FnOnce(Scene) -> Scene) -> Self {
        self.scene = change(self.scene);
        self
    }

    /// Explains the job with this id, as the fleet `ci` sees it.
    pub(super) fn explain(mut self, id: u64) -> Explanation {
        let fleets: Vec<Fleet> = std::iter::once(self.scene.fleet.clone()).chain(self.others).collect();
        let mut demands = attribute(&fleets, &self.queue, at(NOW));
        let own = demands.remove(&self.scene.fleet.name);
        let mut demand = own.expect("each fleet has an entry");
        demand.metrics.pending_jobs = self.pending.unwrap_or(demand.metrics.pending_jobs);
        self.scene.seen.demand = Ok(demand);
        let plan = self.scene.plan();
        let asked = self.queue.jobs.iter().find(|job| job.id == JobId(id)).cloned();
        let asked = asked.unwrap_or_else(|| waiting(id, 500, &["self-hosted"]));
        let view = FleetView {
            fleet: &self.scene.fleet,
            seen: &self.scene.seen,
            fleet_state: &self.scene.fleet_state,
            plan: &plan,
            queue: Ok(&self.queue),
            now: at(NOW),
        };
        job(JobQuery::Open(&asked), &view, &fleets.iter().collect::<Vec<_>>())
    }
}

/// The first link that does not hold, as "labels broken: verdict | what | cure"; "none" if all links hold.
pub(super) fn answer(explanation: &Explanation) -> String {
    let Some(link) = explanation.first_open() else { return format!("none: {}", explanation.verdict) };
    let state = format!("{:?}", link.state).to_ascii_lowercase();
    let cure = link.cure.clone().unwrap_or_default();
    format!("{} {state}: {} | {} | {cure}", link.link.as_str(), explanation.verdict, link.what)
}

#[test]
fn each_link_that_does_not_hold_is_told_with_what_would_mend_it() {
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

#[test]
fn the_oldest_job_gets_what_is_there_and_each_other_what_comes_after() {
    let ours = |scene: Scene, number| labelled(scene, number, 600, &["self-hosted"]);
    let there = || {
        case("jobs_per_runner = 1\ncooldown = \"0s\"").jobs(4, 90).scene(|scene| {
            let scene = ours(scene.runner(1, 600, Entry::Idle), 1);
            let scene = labelled(scene.runner(2, 600, Entry::Idle), 2, 600, &["other"]);
            offline(scene.runner(3, 60, Entry::Offline), 4)
        })
    };
    for (id, expected) in [
        (1, "an idle runner is there for it"),
        (2, "its runner is starting"),
        (3, "the idle runners lack its labels"),
        (4, "offline"),
    ] {
        let explanation = there().explain(id);
        let told = format!("{} {:?}", explanation.verdict, explanation.links);
        assert!(told.contains(expected), "job {id}: {}", answer(&explanation));
    }
}

#[test]
fn what_holds_is_told_on_the_way() {
    let explanation = case("jobs_per_runner = 1").other("later", "").jobs(2, 90).explain(2);
    let holds: Vec<String> = explanation
        .links
        .iter()
        .filter(|link| link.state == LinkState::Holds)
        .map(|link| format!("{}: {}", link.link.as_str(), link.what))
        .collect();
    insta::assert_snapshot!(holds.join("\n"));
}

#[test]
fn a_job_that_runs_or_is_done_or_is_not_there_waits_no_more() {
    let running = Job {
        status: JobStatus::InProgress,
        runner_name: Some("somebody".into()),
        ..waiting(1, 90, &["self-hosted"])
    };
    let explanation = case("").job(running).explain(1);
    assert_eq!(answer(&explanation), "none: runs on somebody");
    assert_eq!(explanation.links[0].what, "runs on somebody, no runner of ci");
    let busy = case("").scene(|scene| scene.runner(1, 600, Entry::Busy));
    let name = busy.scene.name(1, 600).to_string();
    let ours = Job {
        status: JobStatus::InProgress,
        runner_name: Some(name.clone().into()),
        ..waiting(1, 90, &["self-hosted"])
    };
    let explanation = busy.job(ours).explain(1);
    assert_eq!(explanation.links[0].what, format!("runs on {name}, a runner of ci"));

    let scene = Scene::new("");
    let (plan, queue) = (scene.plan(), Queue::default());
    let (fleet, seen, fleet_state) = (&scene.fleet, &scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&queue), now: at(NOW) };
    let repo: RepoSlug = "o/r".parse().expect("valid");
    let done = CompletedJob {
        id: JobId(1),
        name: "build".into(),
        workflow: None,
        link: None,
        conclusion: "cancelled".into(),
        completed_at: Some(at(NOW - 60)),
        runner_name: None,
    };
    let table = [
        (JobQuery::Completed(&done, &repo), "completed 1m ago"),
        (JobQuery::Completed(&done, &repo), "conclusion cancelled, on no runner"),
        (JobQuery::Unknown(JobId(1), &repo), "GitHub has no job 1 in o/r"),
        (JobQuery::Unseen(JobId(1), "503"), "could not be asked for: 503"),
    ];
    for (asked, words) in table {
        let said = answer(&job(asked, &view, &[fleet]));
        assert!(said.starts_with("queue broken") && said.contains(words), "{said}");
    }
    let nobody = unserved(JobQuery::Unknown(JobId(1), &repo), &repo, &[]);
    assert_eq!(nobody.verdict, "no fleet is on o/r");
}

#[test]
fn a_queue_that_was_not_read_is_told() {
    let mut case = case("");
    case.queue.missing.push("GitHub lists at most 1,000 runs".to_owned());
    let said = answer(&case.explain(1));
    assert!(said.starts_with("demand broken") && said.contains("at most 1,000"), "{said}");
}

#[test]
fn a_job_is_looked_at_for_the_fleet_that_it_counts_for_or_that_is_nearest() {
    let fleets =
        [fleet_with("a", "labels = [\"docker\"]", ""), fleet_with("b", "labels = [\"docker\", \"gpu\"]", "")];
    let fleets: Vec<&Fleet> = fleets.iter().collect();
    let table: &[(&[&str], &str)] =
        &[(&["docker"], "a"), (&["gpu"], "b"), (&["docker", "gpu", "big"], "b"), (&["big"], "a")];
    for (labels, pool) in table {
        let found = best(&fleets, &waiting(1, 9, labels)).map(|fleet| fleet.name.as_str());
        assert_eq!(found, Some(*pool), "{labels:?}");
    }
    // A fleet of the organisation fits better, and does not count jobs.
    let fleets = [
        fleet_with("big", "org = \"o\"", ""),
        fleet_with("ci", "priority = 200\nlabels = [\"docker\"]", ""),
        fleet_with("off", "enabled = false\nlabels = [\"arm\"]", ""),
        fleet_with("wide", "org = \"o\"\nlabels = [\"arm\", \"gpu\"]", ""),
    ];
    let fleets: Vec<&Fleet> = fleets.iter().collect();
    let table: &[(&[&str], &str)] = &[(&[], "ci"), (&["docker"], "ci"), (&["arm"], "wide"), (&["tpu"], "ci")];
    for (labels, pool) in table {
        let found = best(&fleets, &waiting(1, 9, labels)).map(|fleet| fleet.name.as_str());
        assert_eq!(found, Some(*pool), "{labels:?}");
    }
    let far = Job { repo: "x/y".parse().expect("valid"), ..waiting(1, 9, &[]) };
    assert!(best(&fleets, &far).is_none());
}

#[test]
fn the_oldest_are_shown_and_the_rest_is_counted() {
    let mut case = case("").jobs(13, 30).job(waiting(90, 40, &["ubuntu-latest"]));
    case = case
        .job(waiting(91, 50, &["gpu"]))
        .job(Job { status: JobStatus::InProgress, ..waiting(92, 60, &[]) });
    let scene = case.scene.runner(4, 600, Entry::Busy);
    let (plan, fleet) = (scene.plan(), &scene.fleet);
    let (seen, fleet_state) = (&scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&case.queue), now: at(NOW) };
    let found = pool(&view, &[fleet]);
    assert_eq!((found.jobs.len(), found.more_jobs, found.runners.len()), (10, 4, 1));
    assert!(matches!(found.jobs[0].about, ExplainedItem::Job { id: JobId(91), .. }), "nobody serves it");
}
