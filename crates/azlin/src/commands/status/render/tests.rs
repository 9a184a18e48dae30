//! The status of a small world, as wide and as narrow terminals show it.

use azlin_fleet::report::{DaemonError, DaemonErrorKind, DoorKind, FleetStatus, crowded};
use serde_json::json;

use super::*;

const WIDE: Terminal = Terminal { width: Some(120), colour: false };
const NARROW: Terminal = Terminal { width: Some(60), colour: false };

fn time(text: &str) -> String {
    format!("2026-11-24T{text}Z")
}

fn now() -> Timestamp {
    time("10:00:00").parse().expect("a time")
}

fn runner(name: &str, phase: &str, created: &str, doing: &str, size: Option<&str>) -> serde_json::Value {
    let vm = size.map(|size| json!({"name": name, "size": size, "resource_group": "ci-runners"}));
    json!({
        "runner_name": name, "runner_id": null, "phase": phase, "doing": doing, "job": null,
        "created_at": time(created), "jobs_completed": 0, "vm": vm,
    })
}

fn named(id: u64, name: &str) -> serde_json::Value {
    json!({
        "id": id, "name": name, "repo": "myorg/myrepo", "workflow": "CI",
        "link": format!("https://github.com/myorg/myrepo/actions/runs/311/job/{id}"),
    })
}

fn queued(id: u64, name: &str, since: &str) -> serde_json::Value {
    let mut job = named(id, name);
    job["since"] = json!(time(since));
    job
}

/// A daemon's status: a busy fleet, one that is drained, and a file that is bad.
fn world() -> Status {
    let size = Some("Standard_D4s_v5");
    let decision = |action: &str, target: u32, current: u32, rule: &str, reason: &str| {
        json!({
            "action": action, "target_runner_count": target, "current_runner_count": current, "rule": rule,
            "reason": reason,
        })
    };
    let jobs = |pending: u32, running: u32| {
        json!({
            "pending_jobs": pending, "queued_jobs": pending + 1, "in_progress_jobs": running,
            "total_jobs": pending + running + 1, "timestamp": time("09:59:48"),
        })
    };
    let mut busy = runner(
        "ci-workers-0000000000000a",
        "active",
        "07:40:00",
        "runs job 40100 (myorg/myrepo: CI / test)",
        size,
    );
    (busy["job"], busy["runs"]) = (json!(40100), named(40100, "test"));
    let busy = json!({
        "pool": "ci-workers", "scope": "repo:myorg/myrepo", "enabled": true, "tick": 120, "at": time("09:59:48"),
        "next_poll": time("10:00:48"), "jobs_known": true, "runners_known": true, "jobs": jobs(4, 1), "min_runners": 1, "max_runners": 10, "manual_count": null,
        "oldest_pending": queued(40123, "build (linux, 3.12)", "09:58:58"),
        "queued": [
            queued(40123, "build (linux, 3.12)", "09:58:58"), queued(40124, "build (linux, 3.13)", "09:59:10"),
            queued(40125, "lint", "09:59:10"), queued(40126, "docs", "09:59:40"),
        ],
        "decision": decision("scale_up", 4, 2, "no_job_starves",
            "job 40123 (build (linux, 3.12)) has waited 1m 2s, longer than max_queue_wait (1m): scaling up to 4 past threshold \
             and cooldown (4 jobs queued; 4 of 10 runners: 2 available, 1 busy, 1 leaving)"),
        "last_scaling": time("09:59:48"),
        "runners": [
            runner("ci-workers-0000000000000d", "draining", "08:10:00", "is to be removed: its job is finished", size),
            busy,
            runner("ci-workers-0000000000000b", "registered", "09:51:00", "idle", Some("Standard_D4as_v5")),
            runner("ci-workers-0000000000000c", "provisioning", "09:59:49", "is being made", None),
        ],
        "cost": {
            "since": "2026-11-17T10:00:00Z", "total": 41.3, "starting": 2.1, "busy": 27.5, "idle": 11.0, "leaving": 0.7,
            "days": [{"day": "2026-11-23", "total": 6.42}, {"day": "2026-11-24", "total": 2.1}],
            "idle_share": 0.2663, "jobs": 811, "per_job": 0.0509, "per_hour": 0.556, "prices_as_of": "2027-01-31",
            "estimated": ["Standard_D4s_v5"], "unpriced": ["Standard_M416ms_v2"],
        },
        "recent": {
            "hour": {"jobs": 12, "median_s": 31, "p95_s": 88, "max_s": 101},
            "day": {"jobs": 133, "median_s": 28, "p95_s": 95, "max_s": 240},
            "failed_starts": {"never_online": 2, "no_capacity": 1},
        },
        "errors": [{"about": "starting", "since": time("09:48:00"),
            "what": "2 starts failed in a row: Azure has no Standard_D4s_v5 in westeurope; next try in 20s"}],
    });
    let drained = json!({
        "pool": "old", "scope": "org:myorg", "enabled": false, "tick": 120, "at": time("09:59:48"),
        "next_poll": time("10:00:48"), "jobs_known": true, "runners_known": true, "jobs": jobs(0, 0), "min_runners": 0, "max_runners": 3, "manual_count": null,
        "cost": {
            "since": time("09:59:48"), "total": 0.0, "starting": 0.0, "busy": 0.0, "idle": 0.0, "leaving": 0.0,
            "idle_share": null, "jobs": 0, "per_job": null, "per_hour": 0.0, "prices_as_of": "2027-01-31",
            "estimated": [], "unpriced": [],
        },
        "oldest_pending": null, "last_scaling": null, "runners": [], "errors": [],
        "decision": decision("maintain", 0, 0, "disabled",
            "not enabled, so it is drained; `enabled = true` ends that (no job queued; 0 of 3 runners)"),
    });
    serde_json::from_value(json!({
        "version": 1, "at": time("09:59:56"),
        "daemon": {
            "pid": 4242, "version": "0.1.0", "started_at": time("07:30:00"), "config_dir": "/etc/azlin",
            "read_at": time("09:59:48"),
        },
        "fleets": [busy, drained],
        "bad_files": [{
            "file": "/etc/azlin/fleets/gpu.toml", "since": time("09:30:00"),
            "message": "/etc/azlin/fleets/gpu.toml:4:1: scaling.max_runers: there is no such key in [scaling]\n  help: did \
                        you mean max_runners?",
        }],
        "budgets": {
            "github": {"limit": 5000, "remaining": 4711, "reset": time("10:23:00")},
            "azure": {"reads": 11999, "writes": 1190, "deletes": null},
        },
    }))
    .expect("a status")
}

fn shown(status: &Status, terminal: Terminal) -> String {
    with_detail(status, StatusDetail::Whole, terminal)
}

fn with_detail(status: &Status, detail: StatusDetail, terminal: Terminal) -> String {
    let waiting = ["gpu", "new"].map(|pool| pool.parse().expect("a name"));
    super::status(status, detail, &BTreeSet::from(waiting), Path::new("/etc/azlin"), now(), terminal)
}

/// So many quiet fleets, of which the last ones are in trouble, beside those of the small world.
fn many(quiet: usize, troubles: usize) -> Status {
    let mut world = world();
    let [busy, drained] = world.fleets.as_slice() else { panic!("two fleets") };
    let (busy, drained) = (busy.clone(), drained.clone());
    let named = |fleet: &FleetStatus, index: usize| FleetStatus {
        pool: format!("team-{index:03}").parse().expect("a name"),
        enabled: true,
        ..fleet.clone()
    };
    let fleets =
        (0..quiet + troubles).map(|index| named(if index < quiet { &drained } else { &busy }, index));
    world.fleets = fleets.collect();
    world
}

#[test]
fn several_fleets_have_a_line_each() {
    let mut world = world();
    world.fleets[0].errors.clear();
    world.fleets[0].rolling = serde_json::from_value(json!({
        "done": 2, "of": 5, "cause": "configuration", "next": "ci-b starts, and ci-a goes once it is online",
    }))
    .expect("a roll");
    let listed = StatusDetail::Lines(Listed::Screen);
    insta::assert_snapshot!(with_detail(&world, listed, WIDE));
    for terminal in [NARROW, Terminal { colour: true, ..NARROW }] {
        let text = with_detail(&world, listed, terminal);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.lines().all(|line| line.chars().count() <= 60), "{plain}");
        assert!(
            plain.contains("FLEET       RUNNERS  STATE\nci-workers  4 of 10  rolling: 2 of 5"),
            "{plain}"
        );
    }
}

#[test]
fn of_120_fleets_with_six_in_trouble_all_that_matters_fits_a_screen_of_50_lines() {
    let mut world = many(114, 6);
    let bad = world.bad_files[0].clone();
    world.bad_files = vec![bad; 9];
    let text = with_detail(
        &world,
        StatusDetail::Lines(Listed::Screen),
        Terminal { width: Some(100), colour: false },
    );
    assert!(text.lines().count() <= 50, "{} lines: {text}", text.lines().count());
    let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("FLEET")).skip(1).collect();
    for (index, row) in rows.iter().take(6).enumerate() {
        assert!(
            row.starts_with(&format!("team-{}", 114 + index)) && row.contains("2 starts failed"),
            "{row}"
        );
    }
    assert!(text.contains("\n120 fleets, 6 in trouble; 24 jobs queued, 6 in progress, 24 runners"), "{text}");
    assert!(
        text.contains("\n95 more in order: `status --all` lists them, `--pool POOL` shows one\n"),
        "{text}"
    );
    let all = with_detail(&world, StatusDetail::Lines(Listed::All), WIDE);
    assert_eq!(all.matches("team-").count(), 120, "{all}");
    let problems = with_detail(&world, StatusDetail::Lines(Listed::Problems), WIDE);
    assert_eq!(problems.matches("team-").count(), 6, "{problems}");
    let calm = with_detail(&many(120, 0), StatusDetail::Lines(Listed::Problems), WIDE);
    assert!(calm.contains("\n120 fleets, none in trouble; ") && !calm.contains("team-"), "{calm}");
}

/// What a person looks at first stands above what scrolls out of sight.
#[test]
fn errors_and_decision_are_above_the_runners() {
    let text = shown(&world(), NARROW);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    let order = [
        "gpu.toml is bad",
        "\nci-workers",
        "  error ",
        "  jobs ",
        "  decision ",
        "  runners ",
        "ci-workers-0000000000000d",
    ];
    assert!(order.is_sorted_by_key(|what| at(what)), "{text}");
}

#[test]
fn a_small_world_on_a_wide_terminal() {
    insta::assert_snapshot!(shown(&world(), WIDE));
}

#[test]
fn a_small_world_on_a_narrow_terminal() {
    let text = shown(&world(), NARROW);
    // A link is one word: broken, it could not be followed.
    assert!(text.lines().all(|line| line.chars().count() <= 60 || line.contains("https://")), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn an_error_of_the_daemon_itself_is_told_with_its_beginning() {
    let mut world = world();
    let what = crowded(DoorKind::Webhook);
    let (about, of) = (DaemonErrorKind::Crowded, DoorKind::Webhook.as_str().to_owned());
    world.errors = vec![DaemonError { about, of, what, since: time("09:54:00").parse().expect("a time") }];
    let text = shown(&world, NARROW);
    let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("error for 6m: more connections to the webhook than there are places"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 60 || line.contains("https://")), "{text}");
}

#[test]
fn without_a_daemon() {
    let mut world = world();
    world.daemon = None;
    for fleet in &mut world.fleets {
        (fleet.next_poll, fleet.at) = (None, now());
    }
    insta::assert_snapshot!(shown(&world, Terminal { width: None, colour: false }));
}

#[test]
fn a_daemon_that_hangs_is_told() {
    let mut world = world();
    assert!(!shown(&world, WIDE).contains("hangs"));
    for fleet in &mut world.fleets {
        fleet.next_poll = time("09:58:30").parse().ok();
    }
    assert!(shown(&world, WIDE).contains("no fleet has ticked for long"));
}

#[test]
fn what_could_not_be_seen_is_not_called_none() {
    let mut world = world();
    for fleet in &mut world.fleets {
        (fleet.jobs_known, fleet.runners_known) = (false, false);
        fleet.runners = None;
        fleet.jobs = None;
    }
    let text = shown(&world, WIDE);
    let lines = with_detail(&world, StatusDetail::Lines(Listed::Screen), WIDE);
    assert!(lines.contains("\n2 fleets, 2 in trouble; ? jobs queued, ? in progress, ? runners"), "{lines}");
    for line in ["\n  jobs      not known\n", "\n  runners   not known\n"] {
        assert_eq!(text.matches(line).count(), 2, "{text}");
    }
}

#[test]
fn colours_change_no_width() {
    let painted = shown(&world(), Terminal { colour: true, ..WIDE });
    assert!(painted.contains("\x1b["));
    assert_eq!(anstream::adapter::strip_str(&painted).to_string(), shown(&world(), WIDE));
}
