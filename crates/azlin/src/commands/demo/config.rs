//! The configuration that the demo runs with: two fleets on one repository, at a quick pace.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Each fleet, and the most VMs that it may have.
pub const MAXIMUMS: [(&str, u32); 2] = [("linux", 12), ("gpu", 6)];
/// The most VMs of both fleets together.
pub const MAX_VMS: u32 = 12 + 6;

const VM: &str = r#"
[vm]
subscription_id = "11111111-1111-1111-1111-111111111111"
resource_group = "demo-runners"
location = "westeurope"
sizes = ["Standard_D4s_v5", "Standard_D4as_v5"]
image = "Canonical:ubuntu-24_04-lts:server:latest"
subnet_id = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/demo/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
"#;

/// The pace of the demo: what takes minutes outside takes seconds here.
const PACE: &str = r#"
cooldown = "3s"
max_queue_wait = "2s"

[lifecycle]
boot_timeout = "8s"
offline_timeout = "5s"
"#;

/// Writes azlin.toml and both fleets.
pub fn write(directory: &Path, github: SocketAddr, azure: SocketAddr) -> io::Result<()> {
    let daemon = format!(
        "[poll]\nqueue = \"1s\"\nhealth = \"2s\"\n\n[github]\napi_url = \"http://{github}\"\n\n\
         [azure]\nresource_manager_url = \"http://{azure}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    let linux = format!(
        "repo = \"demo/shop\"\nlabels = [\"docker\"]\n\n[scaling]\nmax_runners = 12\njobs_per_runner = 1\n\
         scale_up_threshold = 2{PACE}{VM}"
    );
    let gpu = format!(
        "repo = \"demo/shop\"\nlabels = [\"docker\", \"gpu\"]\n\n[scaling]\nmax_runners = 6\njobs_per_runner = 1\n\
         scale_up_threshold = 0{PACE}{VM}"
    );
    std::fs::create_dir_all(directory.join("fleets"))?;
    std::fs::write(directory.join("azlin.toml"), daemon)?;
    std::fs::write(directory.join("fleets/linux.toml"), linux)?;
    std::fs::write(directory.join("fleets/gpu.toml"), gpu)
}
