//! How long decisions take, and how the time grows: `cargo bench -p azlin-tests --bench decide`.
//!
//! The figure includes joining the lists, attribution, the scaler and the planner. The median of several rounds is
//! printed, never tested. First many fleets, each with ten runners and ten jobs; then one fleet with many runners, half
//! of them there, and a job for each.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    Job, JobId, JobStatus, PowerState, ProvisioningState, Queue, RunId, RunnerId, RunnerInfo, RunnerName,
    RunnerStatus, Vm, VmTags,
};
use azlin_fleet::observe::{Snapshot, attribute, entries_by_prefix, entries_of, vms_by_pool, working};
use azlin_fleet::plan::plan;
use azlin_fleet::state::FleetState;
use jiff::Timestamp;

const EACH: u32 = 10;

/// How much there is in each fleet.
#[derive(Clone, Copy)]
struct FleetSize {
    max_runners: u32,
    runners: u32,
    /// How many of them run a job; the jobs of the others wait.
    busy: u64,
    /// All jobs.
    jobs: u64,
}

struct DecideFixture {
    fleets: Vec<Fleet>,
    queues: Vec<Queue>,
    entries: Vec<Vec<RunnerInfo>>,
    vms: Vec<Vm>,
    fleet_states: Vec<FleetState>,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn world(count: u32, load: FleetSize) -> DecideFixture {
    let (mut fleets, mut queues, mut entries, mut vms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let text = format!(
            "repo = \"o/r{number}\"\nlabels = [\"docker\"]\n[vm]\n\
             subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
             location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/x\"\n\
             [scaling]\nmax_runners = {}\njobs_per_runner = 1\n",
            load.max_runners
        );
        let fleet = Fleet::parse("bench.toml", format!("fleet-{number}").parse().unwrap(), &text).unwrap();
        let created_at = now() - Duration::from_secs(300);
        let names = (0..load.runners)
            .map(|random| RunnerName::new(&fleet.name, created_at, random))
            .collect::<Vec<_>>();
        for (id, name) in (0..).zip(&names) {
            let tags = VmTags {
                pool: fleet.name.clone(),
                runner_name: name.clone(),
                github: fleet.github.clone().into(),
                scope: fleet.scope.clone(),
                created_at,
                config_hash: fleet.config_hash().into(),
                runner_id: Some(RunnerId(id)),
                replaces: None,
                host_key: None,
                standby: None,
            };
            vms.push(Vm {
                name: name.to_string().into(),
                group: fleet.vm.group.clone(),
                size: "Standard_D4s_v5".into(),
                location: "westeurope".into(),
                zone: None,
                spot: false,
                failure: None,
                provisioning: ProvisioningState::Succeeded,
                power: PowerState::Running,
                tags,
            });
        }
        let entry = |(id, name): (u64, &RunnerName)| RunnerInfo {
            runner_id: RunnerId(id),
            runner_name: name.to_string().into(),
            status: RunnerStatus::Online,
            busy: id < load.busy,
            labels: vec!["self-hosted".into(), "docker".into()],
        };
        entries.push((0..).zip(&names).map(entry).collect());
        let job = |id| Job {
            id: JobId(id),
            run_id: RunId(1),
            repo: format!("o/r{number}").parse().unwrap(),
            name: "build".into(),
            workflow: None,
            link: None,
            status: if id < load.busy { JobStatus::InProgress } else { JobStatus::Queued },
            labels: vec!["self-hosted".into(), "docker".into()],
            created_at,
            started_at: None,
            runner_name: (id < load.busy).then(|| names[id as usize].as_str().into()),
        };
        queues.push(Queue { jobs: (0..load.jobs).map(job).collect(), ..Queue::default() });
        fleets.push(fleet);
    }
    let fleet_states = fleets.iter().map(|_| FleetState::default()).collect();
    DecideFixture { fleets, queues, entries, vms, fleet_states }
}

/// Lists as the adapters return them, shared out among the fleets.
struct ListsByFleet {
    entries: Vec<BTreeMap<RunnerName, Arc<RunnerInfo>>>,
    vms: Vec<BTreeMap<RunnerName, Arc<Vm>>>,
}

fn share_out(world: &DecideFixture, vms: Vec<Vm>, lists: Vec<Vec<RunnerInfo>>) -> ListsByFleet {
    let mut by_pool = vms_by_pool(vms);
    let own = |(fleet, list)| entries_of(fleet, &entries_by_prefix(list));
    ListsByFleet {
        entries: world.fleets.iter().zip(lists).map(own).collect(),
        vms: world.fleets.iter().map(|fleet| by_pool.remove(&fleet.name).unwrap_or_default()).collect(),
    }
}

/// The decisions of one tick for every fleet: attribution, memory, scaling, planning.
fn decide(world: &mut DecideFixture, shared: ListsByFleet) -> usize {
    let mut actions = 0;
    let lists = shared.entries.into_iter().zip(shared.vms);
    for ((number, fleet), (entries, vms)) in world.fleets.iter().enumerate().zip(lists) {
        let mut demands = attribute([fleet], &world.queues[number], now());
        let seen = Snapshot {
            demand: Ok(demands.remove(&fleet.name).unwrap()),
            entries: Ok(entries),
            vms: Ok(vms),
            unread: BTreeMap::new(),
            working: working(&world.queues[number]),
            scale_set: None,
            slowed: None,
            expiring: None,
            in_flight: BTreeMap::new(),
        };
        let fleet_state = std::mem::take(&mut world.fleet_states[number]).after_seeing(fleet, &seen, now());
        actions += plan(fleet, &seen, &fleet_state, now()).actions.len();
        world.fleet_states[number] = fleet_state;
    }
    actions
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// The medians of sharing the lists out and of deciding, in microseconds, and how many actions one round plans.
fn measure(world: &mut DecideFixture, rounds: u32) -> (f64, f64, usize) {
    let (mut sharing, mut deciding, mut actions) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let (vms, lists) = (world.vms.clone(), world.entries.clone());
        let start = Instant::now();
        let shared = share_out(world, vms, lists);
        let middle = Instant::now();
        actions = std::hint::black_box(decide(world, shared));
        sharing.push(middle - start);
        deciding.push(middle.elapsed());
    }
    (median(sharing), median(deciding), actions)
}

fn main() {
    println!("| fleets | runners | jobs | lists shared out | decided | decided, per fleet |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for count in [10_u32, 100, 1_000, 10_000] {
        let mut world =
            world(count, FleetSize { max_runners: 3 * EACH, runners: EACH, busy: 5, jobs: u64::from(EACH) });
        let (sharing, deciding, _) = measure(&mut world, (20_000 / count).clamp(5, 200));
        let each = count * EACH;
        println!(
            "| {count} | {each} | {each} | {:.2} ms | {:.2} ms | {:.1} µs |",
            sharing / 1e3,
            deciding / 1e3,
            deciding / f64::from(count)
        );
    }
    println!("\n| runners of one fleet | of them there | starts | decided | decided, per runner |");
    println!("|---:|---:|---:|---:|---:|");
    for max_runners in [100_u32, 1_000, 10_000] {
        // Half of the runners are there, and half of those are busy. Each other job gets a start.
        let runners = max_runners / 2;
        let (busy, jobs) = (u64::from(runners / 2), u64::from(max_runners));
        let mut world = world(1, FleetSize { max_runners, runners, busy, jobs });
        let (_, deciding, starts) = measure(&mut world, (20_000 / max_runners).clamp(3, 50));
        println!(
            "| {max_runners} | {runners} | {starts} | {:.2} ms | {:.2} µs |",
            deciding / 1e3,
            deciding / f64::from(max_runners)
        );
    }
}
