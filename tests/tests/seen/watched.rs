//! A daemon that a browser and Prometheus watch.

use std::net::SocketAddr;
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;

/// VMs take a second, so that a browser sees each phase.
const WORLD: &str =
    "repositories = ['o/r']\n[settings]\ncreate = '1s'\nboot = '1s'\nregister = '500ms'\ndelete = '1s'\n";

/// A cloud, and the address of its daemon.
pub fn cloud() -> (Cloud, SocketAddr) {
    let cloud = Cloud::new(&Workload::parse(WORLD).unwrap());
    let address = free_address();
    cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string()));
    (cloud, address)
}

/// A fleet that keeps this many runners.
pub fn fleet(cloud: &Cloud, name: &str, min: u32) {
    let scaling = format!(
        "min_runners = {min}\nmax_runners = 6\nscale_up_threshold = 0\njobs_per_runner = 1\ncooldown = '0s'\n"
    );
    let text = format!("repo = \"o/r\"\nlabels = [\"{name}\"]\n[scaling]\n{scaling}{VM}");
    cloud.write(&format!("fleets/{name}.toml"), &text);
}

/// Submits jobs of this duration for the fleet of that name.
pub fn submit(cloud: &Cloud, fleet: &str, jobs: usize, seconds: u64) {
    let labels = vec!["self-hosted".to_owned(), fleet.to_owned()];
    cloud.served.world().submit("o/r", vec![(labels, Duration::from_secs(seconds)); jobs], Vec::new());
}

/// A daemon that has polled for every fleet.
pub fn daemon(cloud: &Cloud, address: SocketAddr) -> DaemonProcess {
    let daemon = cloud.daemon();
    let is_ready = || get(address, "/readyz").is_ok_and(|(status, _)| status == 200);
    assert!(cloud.wait(SOON, |_| is_ready()), "{}", cloud.logged());
    daemon
}
