//! The daemon's requests to GitHub and the answers match GitHub's own API description. Also the cost of its
//! polls in requests.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_simcloud::openapi::Spec;
use azlin_simcloud::workload::{Overrides, Span};
use azlin_simcloud::{Exchange, Workload};
use azlin_tests::binary::{Cloud, VM};

fn cloud() -> Cloud {
    let span = |from, to| Some(Span { from: Duration::from_millis(from), to: Duration::from_millis(to) });
    let settings = Overrides {
        create: span(50, 100),
        boot: span(50, 100),
        register: span(20, 50),
        delete: span(50, 100),
        ..Overrides::default()
    };
    Cloud::new(&Workload { settings, repositories: vec!["o/r".to_owned()], ..Workload::default() })
}

fn submit(cloud: &Cloud, runs: usize, jobs: usize, seconds: u64) {
    for _ in 0..runs {
        let job = (vec!["self-hosted".to_owned(), "docker".to_owned()], Duration::from_secs(seconds));
        cloud.served.world().submit("o/r", vec![job; jobs], Vec::new());
    }
}

fn fleet(scaling: &str) -> String {
    format!(
        "repo = \"o/r\"\nlabels = [\"docker\"]\n[scaling]\nmax_queue_wait = \"1s\"\ncooldown = \"1s\"\n{scaling}\n\
         [lifecycle]\nboot_timeout = \"10s\"\n{VM}"
    )
}

#[test]
fn what_is_said_between_the_daemon_and_github_is_as_github_describes_it() {
    let cloud = cloud();
    cloud.write("fleets/ci.toml", &fleet("jobs_per_runner = 1"));
    cloud.write("fleets/other.toml", &format!("repo = \"o/missing\"\n{VM}"));
    cloud.served.record();
    submit(&cloud, 3, 4, 1);
    let daemon = cloud.daemon();
    assert!(cloud.wait(Duration::from_secs(60), |world| world.is_at_rest()));
    daemon.kill();
    let spec = Spec::load();
    let exchanges = cloud.served.recorded();
    let faults: Vec<String> = exchanges.iter().flat_map(|exchange| spec.check(exchange)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let kinds: BTreeMap<(&str, u16), usize> =
        exchanges.iter().fold(BTreeMap::new(), |mut kinds, exchange| {
            *kinds.entry((exchange.method.as_str(), exchange.status)).or_default() += 1;
            kinds
        });
    for kind in [("GET", 200), ("GET", 304), ("GET", 404), ("POST", 201)] {
        assert!(kinds.contains_key(&kind), "{kind:?} is among {kinds:?}");
    }
}

#[test]
fn an_idle_poll_reads_the_queue_with_three_requests_and_each_active_run_adds_one() {
    let count =
        |exchanges: &[Exchange], is: fn(&Exchange) -> bool| exchanges.iter().filter(|each| is(each)).count();
    let is_of_queue = |exchange: &Exchange| exchange.path.contains("/actions/runs");
    let begins_a_poll = |exchange: &Exchange| exchange.query.contains("status=queued");
    for runs in [0, 5] {
        let cloud = cloud();
        cloud.write("fleets/ci.toml", &fleet("max_runners = 0"));
        submit(&cloud, runs, 2, 60);
        cloud.served.record();
        let daemon = cloud.daemon();
        assert!(cloud.wait(Duration::from_secs(60), |_| count(&cloud.served.recorded(), begins_a_poll) > 12));
        daemon.kill();
        let exchanges = cloud.served.recorded();
        let polls = count(&exchanges, begins_a_poll);
        // The first poll reads two lists more, and the last one may have begun with another list.
        let most = (polls + 1) * (3 + runs) + 2;
        let queue = count(&exchanges, is_of_queue);
        assert!(queue <= most, "{queue} requests for the queue in {polls} polls with {runs} active runs");
        assert!(exchanges.len() - queue <= polls + 1, "one request for the runners a poll");
    }
}
