//! What a daemon asks of Azure where each of 1,000 fleets has a resource group of its own, alone in its subscription and
//! beside 10,000 VMs of others. A command, never a test: `cargo bench -p azlin-tests --bench groups`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::time::Duration;

use azlin_simcloud::fault::Side;
use azlin_simcloud::{Workload, World};
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;
use azlin_tests::process::{processor_time, ticks};
use serde_json::json;

const FLEETS: usize = 1000;
const MINUTE: Duration = Duration::from_secs(60);

/// Requests to Azure so far.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    vm_lists: u64,
    other_lists: u64,
    refused: u64,
}

fn reads(world: &World) -> Reads {
    let mut reads = Reads::default();
    for ((side, method, route, status), (count, _)) in &world.statistics.requests {
        if *side != Side::Azure || *method != "GET" {
            continue;
        }
        let what =
            if route.ends_with("/virtualMachines") { &mut reads.vm_lists } else { &mut reads.other_lists };
        *what += count;
        reads.refused += if *status == 429 { *count } else { 0 };
    }
    reads
}

fn measure(foreign: usize) {
    let repositories: Vec<String> = (0..FLEETS).map(|number| format!("'o/r{number}'")).collect();
    let workload =
        format!("repositories = [{}]\n[settings]\nrate_limit = 0\ncreate = '1s'\n", repositories.join(", "));
    let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
    for number in 0..foreign {
        let body = json!({"location": "westeurope", "tags": {"owner": "db"}, "properties": {}});
        let subscription = "00000000-0000-0000-0000-000000000000";
        let _ = cloud.served.world().put_vm(subscription, "others", &format!("db-{number}"), body, true);
    }
    for number in 0..FLEETS {
        let vm = VM.replace("\"rg\"", &format!("\"rg-{number}\""));
        cloud.write(&format!("fleets/f{number}.toml"), &format!("repo = \"o/r{number}\"\n{vm}"));
    }
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    cloud.write("azlin.toml", &toml.replace("\"1s\"", "\"60s\"").replace("\"2s\"", "\"120s\""));
    let daemon = cloud.daemon();
    let seen = || get(address, "/api/status").map_or(0, |(_, body)| body.matches("\"pool\"").count());
    assert!(cloud.wait(MINUTE * 2, |_| seen() >= FLEETS), "{} fleets seen", seen());

    let (before, processor, ticked) =
        (reads(&cloud.served.world()), processor_time(daemon.id()), ticks(address));
    std::thread::sleep(MINUTE);
    let (after, now_ticked) = (reads(&cloud.served.world()), ticks(address));
    let processor = (processor_time(daemon.id()) - processor).as_secs_f64() * 60.0;
    let mean = (now_ticked.seconds - ticked.seconds) / (now_ticked.count - ticked.count);
    println!(
        "| {foreign} | {} | {} | {} | {:.1} ms | {} s | {processor:.0} s |",
        after.vm_lists - before.vm_lists,
        after.other_lists - before.other_lists,
        after.refused - before.refused,
        mean * 1000.0,
        now_ticked.slowest
    );
}

fn main() {
    println!(
        "| VMs of others | lists of VMs in a minute | other reads | refused | a tick, mean | slowest tick, at most | \
         processor an hour |\n|---:|---:|---:|---:|---:|---:|---:|"
    );
    for foreign in [0, 10_000] {
        measure(foreign);
    }
}
