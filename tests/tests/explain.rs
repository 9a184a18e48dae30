//! Why jobs wait and runners exist, as the executable explains it for a simulated cloud. Its JSON must match
//! its schema.

use std::process::Output;
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_simcloud::github::{Conclusion, JobState};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM, azlin};
use serde_json::Value;

/// VMs that become runners within a second.
const QUICK: &str = "create = '50ms'\nboot = '50ms'\nregister = '20ms'\ndelete = '50ms'\n";

struct ExplainFixture {
    cloud: Cloud,
    state: tempfile::TempDir,
}

fn world(settings: &str, more: &str) -> ExplainFixture {
    // Built before jobs begin to wait.
    azlin();
    let text = format!("repositories = ['o/r']\n[settings]\n{settings}\n{more}");
    let cloud = Cloud::new(&Workload::parse(&text).unwrap());
    ExplainFixture { cloud, state: tempfile::tempdir().unwrap() }
}

impl ExplainFixture {
    fn fleet(&self, pool: &str, top: &str, scaling: &str) {
        let text = format!("repo = \"o/r\"\n{top}\n[scaling]\n{scaling}\n{VM}");
        self.cloud.write(&format!("fleets/{pool}.toml"), &text);
    }

    /// Submits this many jobs with these labels; each lasts `seconds`. Returns their numbers.
    fn submit(&self, jobs: usize, labels: &[&str], seconds: u64) -> Vec<u64> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let job = (labels, Duration::from_secs(seconds));
        self.cloud.served.world().submit("o/r", vec![job; jobs], Vec::new())
    }

    fn azlin(&self, arguments: &[&str]) -> Output {
        self.cloud.command(arguments).arg("--state-dir").arg(self.state.path()).output().unwrap()
    }

    /// Runs one tick of the daemon. Its failures are ignored.
    fn tick(&self) {
        self.azlin(&["run", "--once"]);
    }

    /// Waits until this many runners are online.
    fn online(&self, runners: usize) {
        let is_online = |world: &mut azlin_simcloud::World| {
            world.state.github.runners.values().filter(|runner| runner.online).count() == runners
        };
        assert!(self.cloud.wait(SOON, is_online), "{runners} runners are online in time");
    }

    fn runner(&self) -> String {
        let world = self.cloud.served.world();
        world.state.github.runners.values().next().unwrap().name.clone()
    }

    /// The output of `explain`. Its JSON is checked against the schema.
    #[track_caller]
    fn explain(&self, code: i32, arguments: &[&str]) -> String {
        let arguments = [&["explain"], arguments].concat();
        let output = self.azlin(&arguments);
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}{error}");
        if !said.is_empty() {
            valid("explain", &self.azlin(&[arguments.as_slice(), &["--output", "json"]].concat()));
        }
        format!("{said}{error}")
    }
}

/// Checks output against `docs/reference/schemas/NAME.schema.json`.
#[track_caller]
fn valid(name: &str, output: &Output) -> Value {
    let path = format!("{}/../docs/reference/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator =
        jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
    let faults: Vec<String> =
        validator.build(&schema).unwrap().iter_errors(&found).map(|error| format!("{error}")).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{found:#}");
    found
}

#[track_caller]
fn tells(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is in\n{said}");
    }
}

#[test]
fn a_label_that_no_runner_has() {
    let world = world(QUICK, "");
    world.fleet("ci", "labels = [\"docker\"]", "");
    world.fleet("big", "labels = [\"gpu-a100\"]", "");
    let job = world.submit(1, &["self-hosted", "gpu"], 60)[0];
    let run = world.cloud.served.world().state.github.jobs[&job].run;
    let wanted = [
        "asks for `gpu`, which no runner of ci has",
        "✗ labels        asks for `gpu`: no fleet has `gpu`, nearest is `gpu-a100` of big",
        "not reached: enabled, attribution, demand, decision, VM, registration",
    ];
    let url = format!("https://github.com/O/R/actions/runs/{run}/job/{job}?pr=3");
    tells(&world.explain(0, &["--pool", "ci", "--job", &url]), &wanted);
    tells(&world.explain(0, &["--pool", "ci", "--job", &job.to_string()]), &wanted);
    let nearest = wanted.map(|words| words.replace("runner of ci", "runner of big"));
    let nearest = nearest.each_ref().map(String::as_str);
    tells(&world.explain(0, &["--job", &format!("https://github.com/o/r/actions/runs/{run}")]), &nearest);
    tells(
        &world.explain(0, &["--pool", "ci"]),
        &[&format!("✗ job {job} (CI / job-{job}): asks for `gpu`"), "pool ci: maintain", "runners\n  none"],
    );
}

#[test]
fn a_job_that_waits_for_approval_and_one_that_is_cancelled() {
    let held = "[[arrivals]]\nrepo = 'o/r'\nlabels = ['self-hosted']\nduration = '1m'\nheld = '1h'\n";
    let world = world(QUICK, held);
    world.fleet("ci", "", "");
    let waits = |world: &mut azlin_simcloud::World| {
        world.state.github.jobs.values().any(|job| job.state == JobState::Waiting)
    };
    assert!(world.cloud.wait(SOON, waits));
    let job = *world.cloud.served.world().state.github.jobs.keys().next().unwrap();
    let said = world.explain(0, &["--job", &job.to_string()]);
    tells(
        &said,
        &["is held by a protection rule of its environment", "→ approve the deployment on the page of run"],
    );

    let cancelled = world.submit(1, &["self-hosted"], 60)[0];
    let now = world.cloud.served.world().now();
    world.cloud.served.world().state.github.complete(cancelled, Conclusion::Cancelled, now);
    let said =
        world.explain(0, &["--job", &format!("https://api.github.com/repos/o/r/actions/jobs/{cancelled}")]);
    tells(&said, &["is completed (cancelled)", "on no runner"]);
}

#[test]
fn no_capacity_anywhere() {
    let world = world(QUICK, "[[faults]]\nwhat = 'no_capacity'\n");
    world.fleet("ci", "", "scale_up_threshold = 0\nmax_queue_wait = \"10h\"");
    let job = world.submit(1, &["self-hosted"], 60)[0].to_string();
    let before = world.explain(0, &["--job", &job]);
    tells(
        &before,
        &[
            "the next tick starts a runner for it",
            "the next tick starts 1 runner: Standard_D4s_v5 in westeurope",
        ],
    );
    world.tick();
    tells(
        &world.explain(0, &["--job", &job]),
        &[
            "Azure has no room for its runner",
            "AllocationFailed",
            "it is asked again",
            "add sizes of other families",
        ],
    );
}

#[test]
fn the_maximum_and_a_job_that_runs() {
    let world = world(QUICK, "");
    world.fleet("ci", "", "max_runners = 1\nscale_up_threshold = 0\njobs_per_runner = 1");
    let jobs = world.submit(2, &["self-hosted"], 3600);
    world.tick();
    let runs = |world: &mut azlin_simcloud::World| {
        world.state.github.jobs.values().any(|job| job.state == JobState::InProgress)
    };
    assert!(world.cloud.wait(SOON, runs));
    let runner = world.runner();
    let of = |state| {
        let world = world.cloud.served.world();
        let found = world.state.github.jobs.values().find(|job| job.state == state).map(|job| job.id);
        found.unwrap().to_string()
    };
    let (running, waiting) = (of(JobState::InProgress), of(JobState::Queued));
    assert_eq!(jobs.len(), 2);
    let said = world.explain(0, &["--job", &running]);
    tells(&said, &[&format!("runs on {runner}"), "a runner of ci"]);
    let said = world.explain(0, &["--job", &waiting]);
    tells(
        &said,
        &[
            "max_runners is 1, and allows no more runners",
            &format!("busy: {runner} with job {running} (o/r: CI / job-{running})"),
        ],
    );
    let said = world.explain(0, &["--runner", &runner]);
    tells(
        &said,
        &[
            "runs a job, and goes once its job is done",
            &format!("✓ work          runs job {running} (o/r: CI / job-{running})"),
        ],
    );
}

#[test]
fn a_job_that_does_not_starve_yet() {
    let world = world(QUICK, "");
    world.fleet("ci", "", "max_queue_wait = \"10h\"");
    world.fleet("first", "priority = 9\nlabels = [\"docker\"]", "");
    let job = world.submit(1, &["self-hosted"], 60)[0].to_string();
    let said = world.explain(0, &["--pool", "ci", "--job", &job]);
    tells(&said, &["counts for first, not for ci: its priority is 9, and that of ci is 100"]);
    world.fleet("first", "enabled = false", "");
    let said = world.explain(0, &["--pool", "ci", "--job", &job]);
    tells(
        &said,
        &[
            "a runner is started for it in 9h",
            "scale_up_threshold (2)",
            "✓ demand        one of 1 queued job",
        ],
    );
    let said = world.explain(0, &["--pool", "first", "--job", &job]);
    tells(&said, &["first is not enabled", "the job counts for ci"]);
}

#[test]
fn idle_runners_and_what_keeps_them() {
    let world = world(QUICK, "");
    world.fleet("ci", "", "min_runners = 1");
    world.tick();
    world.online(1);
    let said = world.explain(0, &["--pool", "ci"]);
    tells(&said, &[&format!("✓ {}: is kept by min_runners (1)", world.runner())]);

    // The runner's machine goes silent: the runner was online, then offline.
    world.tick();
    let offline = |online| {
        let mut world = world.cloud.served.world();
        world.state.github.runners.values_mut().for_each(|runner| runner.online = online);
    };
    offline(false);
    world.tick();
    let said = world.explain(0, &["--runner", &world.runner().to_ascii_uppercase()]);
    tells(&said, &["is offline for", "✗ registration", "offline_timeout is 5m"]);
}

#[test]
fn a_runner_that_the_cooldown_keeps() {
    let world = world(&QUICK.replace("create = '50ms'", "create = '2s'"), "");
    world.fleet("ci", "", "scale_up_threshold = 0\ncooldown = \"10h\"");
    let job = world.submit(1, &["self-hosted"], 60)[0];
    world.tick();
    {
        let mut world = world.cloud.served.world();
        let now = world.now();
        world.state.github.complete(job, Conclusion::Cancelled, now);
    }
    world.online(1);
    let said = world.explain(0, &["--pool", "ci", "--runner", &world.runner()]);
    tells(&said, &["is kept by the cooldown, which ends in 9h", "over the target of 0"]);
}

#[test]
fn a_name_that_does_not_exist_is_reported_with_the_nearest() {
    let world = world(QUICK, "");
    world.fleet("ci-workers", "", "");
    let job = world.submit(1, &["ubuntu-latest"], 60)[0].to_string();
    tells(&world.explain(3, &["--pool", "ci-worker"]), &["no pool ci-worker; did you mean ci-workers?"]);
    tells(
        &world.explain(3, &["--pool", "ci-workers", "--runner", "x"]),
        &["has no runner x: it is gone, or never was"],
    );
    tells(&world.explain(3, &["--runner", "x"]), &["no pool has made a runner called x"]);
    tells(&world.explain(3, &["--job", "5"]), &["GitHub has no job 5 in o/r"]);
    let run = "https://github.com/o/r/actions/runs/5";
    tells(&world.explain(3, &["--job", run]), &["run 5 of o/r has no job that waits or runs"]);
    tells(&world.explain(2, &["--job", "https://github.com/o/r"]), &["wanted: a job's URL"]);
    tells(&world.explain(2, &[]), &["--pool <POOL>"]);
    tells(&world.explain(0, &["--job", &job]), &["for runners that GitHub hosts"]);
    tells(&world.explain(0, &["--pool", "ci-workers"]), &["waiting jobs\n  none"]);
    let elsewhere = format!("https://github.com/o/other/actions/runs/1/job/{job}");
    let said = world.explain(0, &["--pool", "ci-workers", "--job", &elsewhere]);
    tells(&said, &["is not for ci-workers: another repository", "registered at repo:o/r"]);
    tells(&world.explain(0, &["--job", &elsewhere]), &["no fleet is on o/other"]);
}

#[test]
fn what_cannot_be_seen_is_said_and_fails() {
    let world = world(QUICK, "[[faults]]\nwhat = { status = 404 }\nside = 'azure'\n");
    world.fleet("ci", "", "scale_up_threshold = 0");
    let job = world.submit(1, &["self-hosted"], 60)[0].to_string();
    let said = world.explain(1, &["--job", &job]);
    tells(&said, &["nothing is started while the fleet cannot be seen whole", "not seen: the VMs of"]);
    world.cloud.write("fleets/ci.toml", "repo = 1");
    tells(&world.explain(1, &["--pool", "ci"]), &["repo"]);
}

#[test]
fn plan_is_as_its_schema_says_and_tells_many_starts_once() {
    let world = world(QUICK, "");
    world.fleet("ci", "", "scale_up_threshold = 0\njobs_per_runner = 1\nmin_runners = 1");
    let plan = |arguments: &[&str]| world.azlin(&[&["plan"], arguments].concat());
    world.submit(12, &["self-hosted"], 3600);
    let said = String::from_utf8(plan(&[]).stdout).unwrap();
    tells(
        &said,
        &[
            "ci: scale up from 0 to 10",
            "  + start 10 runners (Standard_D4s_v5 in westeurope)\n",
            "has waited longest",
        ],
    );
    let json = valid("plan", &plan(&["--output", "json"]));
    assert_eq!(json["fleets"][0]["actions"].as_array().map(Vec::len), Some(10));

    let world = self::world(QUICK, "");
    world.fleet("ci", "", "min_runners = 1");
    world.tick();
    world.online(1);
    world.fleet("ci", "enabled = false", "min_runners = 1");
    let json = valid("plan", &world.azlin(&["plan", "--output", "json"]));
    assert_eq!(json["fleets"][0]["actions"][0]["action"], "destroy");
    assert_eq!(json["fleets"][0]["actions"][0]["runner"], world.runner());
}

#[test]
fn what_could_not_be_seen_is_not_called_gone() {
    let world = world(QUICK, "");
    world.fleet("ci", "", "");
    let closed = azlin_tests::ports::free_address().to_string();
    let cloud = &world.cloud;
    cloud.write("azlin.toml", &cloud.daemon_toml().replace(&cloud.served.github.to_string(), &closed));
    let said = world.explain(1, &["--pool", "ci", "--runner", "ci-x"]);
    tells(&said, &["whether ci has a runner ci-x cannot be told"]);
    assert!(!said.contains("never was"), "{said}");
}
