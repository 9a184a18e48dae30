//! The values of a file take effect: every key, with another value than its default.

use crate::config::{DaemonConfig, Fleet};

const CLOUD_INIT: &str = r#"
enabled = false
kill_running_jobs = true
org = "octo"
repositories = ["app", "octo/service-*"]
labels = ["gpu", "large"]
runner_group = "big"
takes_jobs_without_labels = true
priority = 7
credential = "partner"

[scaling]
min_runners = 1
max_runners = 12
jobs_per_runner = 3
scale_up_threshold = 4
scale_down_threshold = 5
cooldown = "6m"
max_queue_wait = "7m"
manual_count = 8

[warm]
keep_for = "20m"

[demand]
source = "scale-set"
scale_set = "big-ones"

[[hours]]
days = ["mon-wed", "sun"]
from = "08:15"
to = "24:00"
time_zone = "America/New_York"
min_runners = 2
max_runners = 11

[lifecycle]
rotation_interval = "9h"
boot_timeout = "11m"
offline_timeout = "12m"
drain_timeout = "100m"

[bootstrap]
setup = "setup.sh"
setup_timeout = "4m"
docker = true
sudo = true
user_groups = ["kvm"]
environment = { LANG = "C.UTF-8" }
job_started = "hooks/started.sh"
job_completed = "/etc/azlin/completed.js"
proxy = "http://proxy.example:3128/"
no_proxy = [".example"]
ca_file = "ca.pem"

[vm]
subscription_id = "11111111-1111-1111-1111-111111111111"
resource_group = "machines"
location = "northeurope"
zones = ["1", "3"]
sizes = ["Standard_D4ps_v5"]
image = "/subscriptions/1/resourceGroups/images/providers/Microsoft.Compute/images/golden"
subnet_id = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
public_ip = true
accelerated_networking = true
spot = true
max_price = 0.25
spot_share = 60
regular_fallback = true
ephemeral_os_disk = true
os_disk_size_gb = 128
extensions = true
trusted_launch = true
nsg_id = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/networkSecurityGroups/n"
identity = ["/subscriptions/1/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"]
admin_user = "octocat"
tags = { team = "platform" }

[[vm.elsewhere]]
location = "swedencentral"
subnet_id = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/w/subnets/s"
zones = ["2"]
"#;

const SSH: &str = r#"
enterprise = "octo"
labels = ["gpu"]

[lifecycle]
max_job_count = 5
rotation_interval = "2h"
dead_mans_switch = "2h 10m"

[bootstrap]
method = "ssh"
ssh_private_key = "/etc/azlin/id_ed25519"
install_dependencies = true

[vm]
subscription_id = "11111111-1111-1111-1111-111111111111"
resource_group = "machines"
location = "northeurope"
sizes = ["Standard_D4s_v5"]
image = "Canonical:ubuntu-24_04-lts:server:24.04.1"
subnet_id = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
"#;

const DAEMON: &str = r#"
[poll]
queue = "30s"
health = "45s"

[limits]
max_concurrent_provisioning = 3
request_timeout = "9s"

[github]
api_url = "https://ghes.example.com/api/v3"
app_id = 123456
installation_id = 7
app_private_key = "/etc/azlin/app.pem"

[github.credentials.partner]
app_id = "Iv23li0123456789"
installation_id = 8

[azure]
resource_manager_url = "https://management.example.com"

[tls]
ca_file = "/etc/azlin/ca.pem"

[http]
listen = "[::1]:8080"
webhook_listen = "0.0.0.0:8081"
"#;

fn fleet(text: &str) -> Fleet {
    Fleet::parse("ci.toml", "ci".parse().expect("a name"), text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_key_of_a_fleet_is_read() {
    insta::assert_debug_snapshot!([fleet(CLOUD_INIT), fleet(SSH)]);
}

#[test]
fn every_key_of_the_daemon_is_read() {
    let config = DaemonConfig::parse("azlin.toml", DAEMON).unwrap_or_else(|error| panic!("{error}"));
    insta::assert_debug_snapshot!(config);
    let partner = "partner".parse().expect("a name");
    assert_eq!(config.github_of(None), Some(&config.github));
    assert_eq!(config.github_of(Some(&partner)), config.credentials.get(&partner));
    assert_eq!(config.github_of(Some(&"nobody".parse().expect("a name"))), None);
}

/// A runner is replaced when what shapes it changes, and a cooldown ends when what scales it changes.
#[test]
fn each_hash_tells_of_its_own_keys() {
    let before = fleet(SSH);
    let other_size = fleet(&SSH.replace("D4s_v5", "D8s_v5"));
    let other_count = fleet(&SSH.replace("[bootstrap]", "[scaling]\nmax_runners = 3\n[bootstrap]"));
    let remarked = fleet(&SSH.replace("[bootstrap]", "# a remark\n[bootstrap]"));
    let hashes = |fleet: &Fleet| (fleet.config_hash().to_owned(), fleet.scaling_hash().to_owned());
    let ((config, scaling), size, count) = (hashes(&before), hashes(&other_size), hashes(&other_count));
    assert!(size.0 != config && size.1 == scaling, "{size:?}");
    assert!(count.0 == config && count.1 != scaling, "{count:?}");
    assert_eq!(hashes(&remarked), (config, scaling));
}

#[test]
fn a_further_region_has_what_stands_in_its_table() {
    let vm = fleet(CLOUD_INIT).vm;
    let [first, further] = vm.in_each_region().try_into().expect("two regions");
    assert_eq!((first.location.as_str(), first.zones.len()), ("northeurope", 2));
    assert_eq!((first.subnet_id, first.nsg_id, first.elsewhere), (vm.subnet_id, vm.nsg_id, vec![]));
    let [elsewhere] = vm.elsewhere.try_into().expect("one");
    assert_eq!((further.location, further.zones), (elsewhere.location, elsewhere.zones));
    assert_eq!((further.subnet_id, further.nsg_id), (elsewhere.subnet_id, elsewhere.nsg_id));
    assert_eq!((further.sizes, further.elsewhere), (vm.sizes, vec![]), "the rest is the fleet's");
}
