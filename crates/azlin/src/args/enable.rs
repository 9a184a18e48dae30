//! `enable`: every key of a fleet's file as an option. What a value may be, the file's own rules say.

use azlin_fleet::config::edit::{KeyChange, Literal};
use clap::Args;

use super::TargetArgs;

/// What `enable` takes.
#[derive(Debug, Args)]
pub struct EnableArgs {
    /// Which fleet.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What its file is to have.
    #[command(flatten)]
    pub options: FleetOptions,
}

/// What a fleet's file is to have.
#[derive(Debug, Clone, Default, Args)]
pub struct FleetOptions {
    #[command(flatten)]
    jobs: JobOptions,
    #[command(flatten)]
    scaling: ScalingOptions,
    #[command(flatten)]
    lifecycle: LifecycleOptions,
    #[command(flatten)]
    bootstrap: BootstrapOptions,
    #[command(flatten)]
    vm: VmOptions,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Whose jobs it serves")]
struct JobOptions {
    /// Register the runners at one repository.
    #[arg(long, value_name = "OWNER/REPO", group = "scope")]
    repo: Option<String>,
    /// Register the runners at an organisation.
    #[arg(long, value_name = "NAME", group = "scope")]
    org: Option<String>,
    /// Register the runners at an enterprise.
    #[arg(long, value_name = "NAME", group = "scope")]
    enterprise: Option<String>,
    /// Repositories of an organisation or enterprise whose queues are followed; * stands for any characters.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    repositories: Option<Vec<String>>,
    /// The credential of azlin.toml that signs in at GitHub for it; the first one where absent.
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
    /// What the runners offer beside self-hosted, Linux and X64 or ARM64.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    labels: Option<Vec<String>>,
    /// The runner group of an organisation or enterprise.
    #[arg(long, value_name = "NAME")]
    runner_group: Option<String>,
    /// Whether it serves jobs that ask for a runner group and no label: it alone has runners in the group [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    takes_jobs_without_labels: Option<bool>,
    /// From where it learns of its jobs: queue or scale-set [default: queue].
    #[arg(long, value_name = "SOURCE")]
    demand: Option<String>,
    /// The name of its scale set; the pool's where absent.
    #[arg(long, value_name = "NAME")]
    scale_set: Option<String>,
    /// Of several fleets that match a job, the lowest priority takes it [default: 100].
    #[arg(long, value_name = "N")]
    priority: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "How many runners")]
struct ScalingOptions {
    /// Runners kept available without any job [default: 0].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    min_runners: Option<String>,
    /// VMs that the fleet never exceeds [default: 10].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_runners: Option<String>,
    /// Pending jobs that one runner is counted for [default: 2].
    #[arg(long, value_name = "N")]
    jobs_per_runner: Option<String>,
    /// How far the target must be above the available runners before some are added [default: 2].
    #[arg(long, value_name = "N")]
    scale_up_threshold: Option<String>,
    /// How far the target must be below the available runners before some are removed [default: 0].
    #[arg(long, value_name = "N")]
    scale_down_threshold: Option<String>,
    /// The least time between two scaling actions [default: 5m].
    #[arg(long, value_name = "DURATION")]
    cooldown: Option<String>,
    /// How long a job waits before it gets its runner past threshold and cooldown [default: 1m].
    #[arg(long, value_name = "DURATION")]
    max_queue_wait: Option<String>,
    /// VMs that are set up and deallocated, beside the maximum: a start from standby needs no creation and no setup, and
    /// until then only the disk costs [default: 0].
    #[arg(long, value_name = "N")]
    standby: Option<String>,
    /// How long idle runners stay after the fleet's last job [default: 0s].
    #[arg(long, value_name = "DURATION")]
    keep_for: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "How long a runner lives")]
struct LifecycleOptions {
    /// Jobs that a runner takes before it is removed; more than 1 needs --bootstrap ssh [default: 1].
    #[arg(long, value_name = "N")]
    max_job_count: Option<String>,
    /// The age at which an idle runner is replaced [default: 24h].
    #[arg(long, value_name = "DURATION")]
    rotation_interval: Option<String>,
    /// From creation to online; past it a runner is replaced [default: 10m].
    #[arg(long, value_name = "DURATION")]
    boot_timeout: Option<String>,
    /// How long a runner without a job may be offline before it is replaced [default: 5m].
    #[arg(long, value_name = "DURATION")]
    offline_timeout: Option<String>,
    /// How long a VM may leave the request to drain without an answer before it is removed [default: 90m].
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
    /// After so long without a job a VM powers off by itself [default: rotation interval and 6h].
    #[arg(long, value_name = "DURATION")]
    dead_mans_switch: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "How a VM becomes a runner")]
struct BootstrapOptions {
    /// By itself, or over SSH [default: cloud-init].
    #[arg(long, value_name = "cloud-init|ssh")]
    bootstrap: Option<String>,
    /// The file with the key that opens the VMs, over SSH; without it the systemd credential ssh-key.
    #[arg(long, value_name = "FILE")]
    ssh_private_key: Option<String>,
    /// Run the runner's installdependencies.sh [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    install_dependencies: Option<bool>,
    /// A script that runs as root before the runner starts.
    #[arg(long, value_name = "FILE")]
    setup: Option<String>,
    /// How long the setup may take [default: half of the boot timeout].
    #[arg(long, value_name = "DURATION")]
    setup_timeout: Option<String>,
    /// Have Docker there before the runner starts [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    docker: Option<bool>,
    /// Let jobs become root with sudo [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sudo: Option<bool>,
    /// Further groups of the account that jobs run as.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    user_groups: Option<Vec<String>>,
    /// A variable of the runner and its jobs; for several, say it several times. Other variables stay.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// A script that the runner runs before each job.
    #[arg(long, value_name = "FILE")]
    job_started: Option<String>,
    /// A script that the runner runs after each job.
    #[arg(long, value_name = "FILE")]
    job_completed: Option<String>,
    /// The way out of the VMs, as http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Hosts that the VMs reach without the proxy.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    no_proxy: Option<Vec<String>>,
    /// Certificates that the VMs trust beside those of their image, as PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What the VMs are")]
struct VmOptions {
    /// The subscription that pays for them.
    #[arg(long, value_name = "ID")]
    subscription_id: Option<String>,
    /// The resource group that they are made in.
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
    /// Their region.
    #[arg(long, value_name = "REGION")]
    location: Option<String>,
    /// Sizes, tried in order when Azure has no capacity [default: Standard_D4s_v5,Standard_D4as_v5].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    sizes: Option<Vec<String>>,
    /// publisher:offer:sku:version, or a resource id [default: Ubuntu 24.04].
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The subnet of their network interfaces; it needs a way out to github.com.
    #[arg(long, value_name = "ID")]
    subnet_id: Option<String>,
    /// Give them public addresses [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    public_ip: Option<bool>,
    /// Availability zones, tried in order within each size.
    #[arg(long, value_name = "1,2", value_delimiter = ',')]
    zones: Option<Vec<String>>,
    /// Let Azure evict them, for a lower price [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    spot: Option<bool>,
    /// The most to pay for one that may be evicted, in US dollars an hour.
    #[arg(long, value_name = "PRICE")]
    max_price: Option<String>,
    /// Percentage of VMs to run as spot VMs.
    #[arg(long, value_name = "PERCENT")]
    spot_share: Option<String>,
    /// Start a regular VM where no spot VM is to be had [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    regular_fallback: Option<bool>,
    /// The network security group of their network interfaces.
    #[arg(long, value_name = "ID")]
    nsg_id: Option<String>,
    /// Accelerated networking (SR-IOV) [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    accelerated_networking: Option<bool>,
    /// Let Azure install extensions, as policies do [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    extensions: Option<bool>,
    /// Secure boot and a virtual TPM [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    trusted_launch: Option<bool>,
    /// Keep their disks on the host [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ephemeral_os_disk: Option<bool>,
    /// The size of their disks; the image's where absent.
    #[arg(long, value_name = "N")]
    os_disk_size_gb: Option<String>,
    /// The administrator's account [default: azureuser].
    #[arg(long, value_name = "NAME")]
    admin_user: Option<String>,
    /// Resource ids of user-assigned identities.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    identity: Option<Vec<String>>,
    /// A tag of your own; for several, say it several times. Other tags stay.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts =
        text.split_once('=').ok_or("allowed: a name, an equals sign and a value, such as team=platform")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

impl FleetOptions {
    /// The keys that are given, with their values.
    pub fn given(&self) -> Vec<KeyChange> {
        let FleetOptions { jobs, scaling, lifecycle, bootstrap, vm } = self;
        let mut given: Vec<KeyChange> = [
            text("repo", &jobs.repo),
            text("org", &jobs.org),
            text("enterprise", &jobs.enterprise),
            list("repositories", &jobs.repositories),
            text("credential", &jobs.credential),
            list("labels", &jobs.labels),
            text("runner_group", &jobs.runner_group),
            flag("takes_jobs_without_labels", jobs.takes_jobs_without_labels),
            text("demand.source", &jobs.demand),
            text("demand.scale_set", &jobs.scale_set),
            number("priority", &jobs.priority),
            number("scaling.min_runners", &scaling.min_runners),
            number("scaling.max_runners", &scaling.max_runners),
            number("scaling.jobs_per_runner", &scaling.jobs_per_runner),
            number("scaling.scale_up_threshold", &scaling.scale_up_threshold),
            number("scaling.scale_down_threshold", &scaling.scale_down_threshold),
            text("scaling.cooldown", &scaling.cooldown),
            text("scaling.max_queue_wait", &scaling.max_queue_wait),
            number("warm.standby", &scaling.standby),
            text("warm.keep_for", &scaling.keep_for),
            number("lifecycle.max_job_count", &lifecycle.max_job_count),
            text("lifecycle.rotation_interval", &lifecycle.rotation_interval),
            text("lifecycle.boot_timeout", &lifecycle.boot_timeout),
            text("lifecycle.offline_timeout", &lifecycle.offline_timeout),
            text("lifecycle.drain_timeout", &lifecycle.drain_timeout),
            text("lifecycle.dead_mans_switch", &lifecycle.dead_mans_switch),
            text("bootstrap.method", &bootstrap.bootstrap),
            text("bootstrap.ssh_private_key", &bootstrap.ssh_private_key),
            flag("bootstrap.install_dependencies", bootstrap.install_dependencies),
            text("bootstrap.setup", &bootstrap.setup),
            text("bootstrap.setup_timeout", &bootstrap.setup_timeout),
            flag("bootstrap.docker", bootstrap.docker),
            flag("bootstrap.sudo", bootstrap.sudo),
            list("bootstrap.user_groups", &bootstrap.user_groups),
            text("bootstrap.job_started", &bootstrap.job_started),
            text("bootstrap.job_completed", &bootstrap.job_completed),
            text("bootstrap.proxy", &bootstrap.proxy),
            list("bootstrap.no_proxy", &bootstrap.no_proxy),
            text("bootstrap.ca_file", &bootstrap.ca_file),
            text("vm.subscription_id", &vm.subscription_id),
            text("vm.resource_group", &vm.resource_group),
            text("vm.location", &vm.location),
            list("vm.sizes", &vm.sizes),
            text("vm.image", &vm.image),
            text("vm.subnet_id", &vm.subnet_id),
            flag("vm.public_ip", vm.public_ip),
            list("vm.zones", &vm.zones),
            flag("vm.spot", vm.spot),
            number("vm.max_price", &vm.max_price),
            number("vm.spot_share", &vm.spot_share),
            flag("vm.regular_fallback", vm.regular_fallback),
            text("vm.nsg_id", &vm.nsg_id),
            flag("vm.accelerated_networking", vm.accelerated_networking),
            flag("vm.extensions", vm.extensions),
            flag("vm.trusted_launch", vm.trusted_launch),
            flag("vm.ephemeral_os_disk", vm.ephemeral_os_disk),
            number("vm.os_disk_size_gb", &vm.os_disk_size_gb),
            text("vm.admin_user", &vm.admin_user),
            list("vm.identity", &vm.identity),
        ]
        .into_iter()
        .flatten()
        .collect();
        given.extend(pairs("vm", "tags", &vm.tag));
        given.extend(pairs("bootstrap", "environment", &bootstrap.environment));
        given
    }

    /// The keys that the one of `repo`, `org` and `enterprise` which is given takes the place of.
    pub fn scopes_to_leave(&self) -> impl Iterator<Item = &'static str> {
        let JobOptions { repo, org, enterprise, .. } = &self.jobs;
        let scopes = [("repo", repo), ("org", org), ("enterprise", enterprise)];
        let is_any_given = scopes.iter().any(|(_, given)| given.is_some());
        let others = scopes.map(|(key, given)| (is_any_given && given.is_none()).then_some(key));
        others.into_iter().flatten()
    }
}

fn text(key: &str, value: &Option<String>) -> Option<KeyChange> {
    value.as_ref().map(|text| KeyChange::set(key, Literal::Text(text.clone())))
}

fn number(key: &str, value: &Option<String>) -> Option<KeyChange> {
    value.as_ref().map(|text| KeyChange::set(key, Literal::number(text)))
}

fn flag(key: &str, value: Option<bool>) -> Option<KeyChange> {
    value.map(|flag| KeyChange::set(key, Literal::Flag(flag)))
}

/// The keys of a table whose names are the user's own.
fn pairs<'p>(
    table: &'p str,
    key: &'p str,
    pairs: &'p [(String, String)],
) -> impl Iterator<Item = KeyChange> + 'p {
    pairs.iter().map(move |(name, value)| KeyChange {
        path: vec![table.to_owned(), key.to_owned(), name.clone()],
        to: Some(Literal::Text(value.clone())),
    })
}

/// Nothing between the commas is an empty list: that is how to take every item out.
fn list(key: &str, value: &Option<Vec<String>>) -> Option<KeyChange> {
    let items = |items: &Vec<String>| if *items == [""] { Vec::new() } else { items.clone() };
    value.as_ref().map(|given| KeyChange::set(key, Literal::List(items(given))))
}
