//! Fleets of an organisation follow the repositories that they name, and share their reads.

use azlin_daemon::StateDir;
use azlin_fleet::config::Fleet;
use azlin_simcloud::fault::Side;
use azlin_tests::harness::{Harness, run};

const WORLD: &str = "repositories = ['o/app', 'o/service-a', 'o/service-b', 'o/other']\n";

fn fleet(name: &str, repositories: &str, label: &str) -> Fleet {
    let text = format!(
        "org = \"o\"\nrepositories = [{repositories}]\nlabels = [\"{label}\"]\n[scaling]\nmax_runners = 4\n\
         jobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n[vm]\n\
         subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
         location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n"
    );
    Fleet::parse(name, name.parse().expect("valid"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn submit(harness: &Harness, repo: &str, label: &str) {
    let labels = vec!["self-hosted".to_owned(), label.to_owned()];
    harness.world().submit(repo, vec![(labels, std::time::Duration::from_secs(20))], Vec::new());
}

fn queues_read(harness: &Harness) -> u64 {
    let world = harness.world();
    let of = world
        .statistics
        .requests
        .iter()
        .filter(|((side, _, route, _), _)| *side == Side::Github && route.contains("/actions/runs"));
    of.map(|(_, (count, _))| count).sum()
}

#[test]
fn two_fleets_serve_what_they_name_and_each_queue_is_read_once() {
    run(async {
        let harness = Harness::new(WORLD);
        let fleets =
            vec![fleet("ci", "\"app\", \"service-*\"", "docker"), fleet("gpu", "\"o/service-*\"", "gpu")];
        for (repo, label) in
            [("o/app", "docker"), ("o/service-b", "docker"), ("o/service-a", "gpu"), ("o/app", "gpu")]
        {
            submit(&harness, repo, label);
        }
        submit(&harness, "o/other", "docker");
        let board = harness.live(fleets, StateDir::default(), 30).await;
        assert_eq!(queues_read(&harness), 3, "one look, three repositories, two fleets");
        let status = board.read().fleets;
        let pending = |name: &str| {
            let status = status.iter().find(|(pool, _)| pool.as_str() == name);
            status.and_then(|(_, status)| Some(status.jobs?.pending_jobs))
        };
        assert_eq!((pending("ci"), pending("gpu")), (Some(2), Some(1)));
        assert_eq!(harness.report().vms_created, 3);
    });
}

#[test]
fn jobs_are_served_and_runners_of_the_organisation_are_gone_afterwards() {
    run(async {
        let harness = Harness::new(WORLD);
        let ci = fleet("ci", "\"*\"", "docker");
        for repo in ["o/app", "o/service-a", "o/service-b", "o/other"] {
            submit(&harness, repo, "docker");
        }
        harness.live(vec![ci], StateDir::default(), 900).await;
        let report = harness.report();
        assert_eq!((report.jobs_completed, report.vms_left, report.runners_left), (4, 0, 0), "{report:?}");
    });
}

#[test]
fn a_repository_that_cannot_be_read_is_reported_and_delays_no_other() {
    run(async {
        let fault = "[[faults]]\nwhat = { status = 502 }\nside = 'github'\npath = '/repos/o/app/'\n";
        let harness = Harness::new(&format!("{WORLD}{fault}"));
        let ci = fleet("ci", "\"app\", \"service-*\"", "docker");
        submit(&harness, "o/app", "docker");
        submit(&harness, "o/service-a", "docker");
        let board = harness.live(vec![ci], StateDir::default(), 600).await;
        let status = board.read().fleets.into_values().next().expect("one");
        let errors: Vec<&str> = status.errors.iter().map(|error| error.what.as_str()).collect();
        assert!(errors.iter().any(|what| what.contains("o/app") && what.contains("502")), "{errors:?}");
        // GitHub gives the job that the fleet does not see to one of its runners, and a replacement is
        // started.
        assert_eq!(harness.report().jobs_completed, 2);
    });
}
