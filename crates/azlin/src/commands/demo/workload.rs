//! What happens in the demo: bursts of jobs, and a few faults.

use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_simcloud::fault::{Fault, FaultKind, Side};
use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Overrides, Span};

fn seconds(from: f64, to: f64) -> Span {
    Span { from: Duration::from_secs_f64(from), to: Duration::from_secs_f64(to) }
}

fn fault(what: FaultKind, from: f64, until: f64) -> Fault {
    Fault {
        what,
        side: None,
        method: None,
        path: None,
        from: Duration::from_secs_f64(from),
        until: Some(Duration::from_secs_f64(until)),
        probability: 1.0,
        times: None,
    }
}

/// Jobs until the demo's duration is over, drawn by the seed.
pub fn for_demo(seed: u64, duration: Duration, token: &str) -> Workload {
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let burst = Arrival {
        at: Duration::from_millis(500),
        every: Some(seconds(4.0, 8.0)),
        until: Some(duration),
        repo: "demo/shop".to_owned(),
        jobs: JobCount::Between(3, 10),
        labels: labels(&["self-hosted", "linux", "docker"]),
        duration: seconds(1.0, 5.0),
        script: None,
        group: None,
        held: None,
        held_by: HeldBy::Environment,
        then: 1,
        hosted: false,
    };
    let steady = Arrival {
        at: Duration::from_secs(2),
        every: Some(seconds(1.5, 4.0)),
        jobs: JobCount::Exactly(1),
        then: 0,
        ..burst.clone()
    };
    let gpu = Arrival {
        at: Duration::from_secs(3),
        every: Some(seconds(5.0, 10.0)),
        jobs: JobCount::Between(1, 3),
        labels: labels(&["self-hosted", "gpu"]),
        duration: seconds(2.0, 6.0),
        then: 0,
        ..burst.clone()
    };
    Workload {
        settings: Overrides {
            seed: Some(seed),
            token: Some(token.to_owned()),
            create: Some(seconds(0.5, 1.0)),
            boot: Some(seconds(1.2, 2.5)),
            register: Some(seconds(0.2, 0.5)),
            delete: Some(seconds(0.5, 1.5)),
            rate_limit: Some(1_000_000),
            ..Overrides::default()
        },
        arrivals: vec![burst, steady, gpu],
        faults: vec![
            Fault { times: Some(1), ..fault(FaultKind::NeverBoots, 3.0, 60.0) },
            Fault { side: Some(Side::Github), ..fault(FaultKind::Status(502, None), 8.0, 9.5) },
            fault(FaultKind::NoCapacity(Some("Standard_D4s_v5".to_owned())), 12.0, 18.0),
        ],
        ..Workload::default()
    }
}
