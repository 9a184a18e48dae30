//! Jobs run on the runners that GitHub reports, and nothing is left over.

use azlin_fleet::model::Scope;
use azlin_simcloud::World;
use azlin_tests::machines::{RealCloud, succeeded};

/// Two fleets, three machines each at the most.
fn two_fleets() -> RealCloud {
    let cloud = RealCloud::new("", "");
    let scaling = "[scaling]\nmax_runners = 3\njobs_per_runner = 1\ncooldown = \"0s\"\nmax_queue_wait = \"0s\"\n\
                   [lifecycle]\nboot_timeout = \"40s\"\n";
    cloud.fleet("by-ssh", "ssh", "\"docker\", \"ssh\"", scaling);
    cloud.fleet("by-init", "cloud-init", "\"docker\", \"init\", \"gpu\"", scaling);
    cloud
}

fn ten_jobs(cloud: &RealCloud) -> Vec<u64> {
    let asks = [
        "self-hosted ssh",
        "self-hosted linux init",
        "ssh docker",
        "GPU",
        "self-hosted x64 ssh",
        "init docker gpu",
        "ssh",
        "Linux init",
        "self-hosted Docker SSH",
        "gpu init",
    ];
    let scripts: Vec<String> = (0..asks.len())
        .map(|number| {
            format!("sleep 2\necho job {number} as $(id -un) on $(hostname) with ${{LC_ALL-no}} locale\n")
        })
        .collect();
    let jobs: Vec<(&str, &str)> = asks.into_iter().zip(scripts.iter().map(String::as_str)).collect();
    cloud.submit(&jobs)
}

fn is_over(world: &World, jobs: &[u64]) -> bool {
    jobs.iter().all(|id| succeeded(&world.state.github.jobs[id])) && world.state.azure.vms.is_empty()
}

/// Every job's script ran on the machine that GitHub reports, as a user other than root, and its output
/// exists.
fn assert_served(cloud: &RealCloud, jobs: &[u64]) {
    for (number, id) in jobs.iter().enumerate() {
        let job = cloud.job(*id);
        let (_, runner) = job.runner.clone().expect("a runner took it");
        let result = job.result.clone().expect("its runner told of it");
        assert_eq!(result.output.trim(), format!("job {number} as runner on {runner} with no locale"));
        assert_eq!(result.machine.as_deref(), Some(runner.as_str()), "the connection it was told through");
        let by_ssh = job.labels.iter().any(|label| label.eq_ignore_ascii_case("ssh"));
        assert_eq!(runner.starts_with("by-ssh-"), by_ssh, "{runner} {:?}", job.labels);
    }
    let world = cloud.cloud.served.world();
    let scope: Scope = "repo:o/r".parse().expect("valid");
    assert!(world.state.github.runners_of(&scope).is_empty(), "no entry is left");
    let report = world.report();
    assert_eq!((report.jobs_killed, report.vms_leaking, report.overwrites), (0, 0, 0));
    assert!(report.peak_by_pool.values().all(|peak| *peak <= 3), "{:?}", report.peak_by_pool);
}

#[test]
fn ten_jobs_on_two_fleets_and_six_machines() {
    let cloud = two_fleets();
    let daemon = cloud.daemon();
    let jobs = ten_jobs(&cloud);
    cloud.wait("six machines at once", 60, |world| {
        world.state.azure.vms.values().filter(|vm| vm.machine.is_some()).count() == 6
    });
    cloud.wait("ten jobs", 180, |world| is_over(world, &jobs));
    assert_served(&cloud, &jobs);
    assert_eq!(RealCloud::stop(daemon), Some(0));
    let looked_for = cloud.assert_nothing_leaked();
    assert!(looked_for > 10, "{looked_for} secrets");
}

#[test]
fn the_same_while_the_daemon_is_killed_twice() {
    let cloud = two_fleets();
    let mut daemon = cloud.daemon();
    let jobs = ten_jobs(&cloud);
    cloud.wait("machines boot", 60, |world| {
        let mut machines = world.state.azure.vms.values().filter_map(|vm| vm.machine.as_ref());
        machines.any(|machine| machine.leader.is_some())
    });
    daemon.kill();
    daemon = cloud.daemon();
    cloud.wait("a job runs", 120, |world| {
        world.state.github.runners.values().any(|runner| runner.job.is_some())
    });
    daemon.kill();
    daemon = cloud.daemon();
    cloud.wait("ten jobs", 240, |world| is_over(world, &jobs));
    assert_served(&cloud, &jobs);
    daemon.kill();
    cloud.assert_nothing_leaked();
}

#[test]
fn an_image_that_holds_the_program_downloads_nothing() {
    let cloud = RealCloud::new("", "");
    cloud.fleet("ci", "ssh", "\"docker\"", "[scaling]\nmin_runners = 1\nmax_runners = 1\n");
    let home = cloud.overlay.path().join("opt/actions-runner");
    std::fs::create_dir_all(&home).expect("it can be made");
    let package = "_runner/package/actions-runner-linux-x64-2.330.0.tar.gz";
    // As in an image's build: by root, and owned by root.
    let script = format!(
        "curl --fail --silent http://{}/{package} | tar -xz --no-same-owner -C {}",
        cloud.cloud.served.github,
        home.display()
    );
    let unpacked = std::process::Command::new("sh").args(["-c", &script]).status();
    assert!(unpacked.expect("a shell is there").success());
    let _daemon = cloud.daemon();
    let line = cloud.wait_for_line(&["is installed ("], 60);
    assert!(line.contains("register") && !line.contains("fetch"), "{line}");
    let job = cloud.submit(&[("docker", "echo ok")])[0];
    cloud.wait("the job ends", 60, |world| succeeded(&world.state.github.jobs[&job]));
}
