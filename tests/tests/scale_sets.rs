//! A fleet with a runner scale set, by the program alone: no queue is read, and a person sees and deletes sets.

use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};

fn cloud() -> Cloud {
    let settings =
        "create = '100ms'\nboot = '200ms'\nregister = '50ms'\ndelete = '100ms'\npoll_hold = '500ms'";
    let text = format!("repositories = ['o/r', 'o/other']\n[settings]\n{settings}\n");
    Cloud::new(&Workload::parse(&text).expect("a workload"))
}

fn told(cloud: &Cloud, arguments: &[&str]) -> (i32, String) {
    let output = cloud.command(arguments).output().expect("azlin runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), text)
}

/// GitHub lets no second session in until the first one lapses, which takes a minute and a half, or an hour here.
#[test]
fn a_daemon_that_was_killed_has_its_session_again_at_once() {
    let text = "repositories = ['o/r']\n[settings]\npoll_hold = '500ms'\nsession_lapse = '1h'\n";
    let cloud = Cloud::new(&Workload::parse(text).expect("a workload"));
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[demand]\nsource = \"scale-set\"\n{VM}"));
    let state = cloud.config.path().join("state");
    let daemon = || {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(cloud.log()).expect("a log");
        let child = cloud.command(&["run", "--state-dir"]).arg(&state).stderr(log).spawn();
        DaemonProcess::of(child.expect("azlin starts"))
    };
    let session = |world: &azlin_simcloud::World| {
        let sessions = world.scale_sets.sets.values().filter_map(|set| set.session.as_ref());
        sessions.map(|session| session.id.clone()).next()
    };
    let first = daemon();
    assert!(cloud.wait(Duration::from_secs(60), |world| session(world).is_some()), "{}", cloud.logged());
    let before = session(&cloud.served.world());
    let is_saved =
        || std::fs::read_to_string(state.join("ci.json")).is_ok_and(|text| text.contains("set_session"));
    assert!(azlin_tests::soon(is_saved), "{}", cloud.logged());
    first.kill();
    let _second = daemon();
    let has_another = |world: &mut azlin_simcloud::World| session(world).is_some_and(|id| Some(id) != before);
    assert!(cloud.wait(Duration::from_secs(30), has_another), "{}", cloud.logged());
    assert!(cloud.logged().contains("that a daemon before has left open is ended"), "{}", cloud.logged());
}

#[test]
fn jobs_of_all_repositories_are_served_and_no_queue_is_read() {
    let cloud = cloud();
    let demand = "[demand]\nsource = \"scale-set\"\n[scaling]\nmax_runners = 4\n";
    cloud.write("fleets/linux-4.toml", &format!("org = \"o\"\nlabels = [\"docker\"]\n{demand}{VM}"));
    let daemon = cloud.daemon();
    let is_open = |world: &mut azlin_simcloud::World| {
        let sets = world.scale_sets.sets.values();
        sets.into_iter().any(|set| set.session.is_some())
    };
    assert!(cloud.wait(Duration::from_secs(60), is_open), "{}", cloud.logged());
    for (repo, label) in [("o/r", "linux-4"), ("o/other", "docker")] {
        let jobs = vec![(vec![label.to_owned()], Duration::from_millis(1_500)); 2];
        cloud.served.world().submit(repo, jobs, Vec::new());
    }
    let is_served = cloud
        .wait(Duration::from_secs(60), |world| world.statistics.jobs_completed == 4 && world.is_at_rest());
    assert!(is_served, "{:#?}\n{}", cloud.served.world().report(), cloud.logged());
    let queues = |world: &azlin_simcloud::World| {
        let requests = world.statistics.requests.keys();
        requests.filter(|(_, _, route, _)| route.contains("/actions/runs")).count()
    };
    assert_eq!(queues(&cloud.served.world()), 0);
    let counted = |world: &azlin_simcloud::World| {
        let requests = world.statistics.requests.keys();
        let of_runners = requests.filter(|(_, _, route, _)| route.ends_with("/actions/runners"));
        of_runners.map(|(_, method, route, _)| format!("{method} {route}")).collect::<Vec<_>>()
    };
    assert_eq!(counted(&cloud.served.world()), Vec::<String>::new(), "the service lists the runners");

    let status = || told(&cloud, &["status", "--pool", "linux-4"]).1;
    let ends = "scale set linux-4: 0 assigned, 0 running; session for";
    assert!(azlin_tests::soon(|| status().contains(ends)), "{}", status());
    let (code, explained) = told(&cloud, &["explain", "--pool", "linux-4"]);
    assert!(
        code == 0 && explained.contains("labels: linux-4, self-hosted, Linux, X64, docker"),
        "{explained}"
    );
    let (code, listed) = told(&cloud, &["scale-set", "list"]);
    assert!(code == 0 && listed.contains("org:o  linux-4  0 assigned, 0 running"), "{listed}");
    let delete = ["scale-set", "delete", "--pool", "linux-4", "--name", "linux-4"];
    let (code, refused) = told(&cloud, &delete);
    assert!(code == 1 && refused.contains("its daemon would make it again"), "{refused}");
    let (code, said) =
        told(&cloud, &["enable", "--pool", "linux-4", "--demand", "queue", "--repositories", "o/r"]);
    assert_eq!(code, 0, "{said}");
    let is_closed =
        |world: &mut azlin_simcloud::World| world.scale_sets.sets.values().all(|set| set.session.is_none());
    assert!(cloud.wait(Duration::from_secs(60), is_closed), "{}", cloud.logged());
    let (code, gone) = told(&cloud, &delete);
    assert_eq!((code, gone.as_str()), (0, "scale set linux-4 of org:o is deleted\n"));
    assert_eq!(told(&cloud, &delete).0, 3);
    drop(daemon);
}
