//! How the simulated world behaves without faults.

use std::ops::Range;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the simulated world behaves without faults.
#[derive(Debug, Clone)]
pub struct WorldSettings {
    /// The random seed.
    pub seed: u64,
    /// The token that GitHub accepts.
    pub token: String,
    /// GitHub's rate limit: requests in a window. 0 means no limit.
    pub rate_limit: u32,
    /// The length of a window.
    pub rate_window: Duration,
    /// How long a call takes, there and back.
    pub answer: Range<Duration>,
    /// From the request for a VM until Azure has created it.
    pub create: Range<Duration>,
    /// From its creation until it has booted.
    pub boot: Range<Duration>,
    /// How long a machine sets itself up at its first boot, before its runner registers.
    pub setup: Range<Duration>,
    /// From its boot, or the end of its setup, until its runner is online.
    pub register: Range<Duration>,
    /// From the request to start a VM that was stopped until Azure has started it. Then it boots.
    pub start: Range<Duration>,
    /// From the request to delete a VM until it is gone.
    pub delete: Range<Duration>,
    /// How long GitHub reports a runner as busy that lost its connection in a job.
    pub lost_after: Duration,
    /// How long GitHub keeps a job in the queue before it cancels it.
    pub queue_limit: Duration,
    /// How long GitHub keeps the entry of an ephemeral runner without a connection.
    pub entry_limit: Duration,
    /// How long the tokens of the app's installation are valid.
    pub app_token_life: Duration,
    /// How long Azure's tokens are valid.
    pub token_life: Duration,
    /// How long tokens of the service of scale sets are valid.
    pub admin_token_life: Duration,
    /// How long tokens of a message queue are valid.
    pub queue_token_life: Duration,
    /// How long a poll for messages is held that finds none.
    pub poll_hold: Duration,
    /// How long the session of a scale set lives without a poll.
    pub session_lapse: Range<Duration>,
    /// How long a job that is assigned to a scale set waits for a runner before the assignment lapses.
    pub assignment_limit: Duration,
    /// Whether scale sets are offered jobs, as by GitHub Enterprise Server, and have to acquire them.
    pub scale_set_offers: bool,
    /// How many VMs one page of Azure's lists has, of each region.
    pub vm_page: usize,
    /// How long Azure tells clients to wait before they ask for an operation again.
    pub operation_wait: Duration,
    /// Whether Azure refuses requests beyond its limits.
    pub azure_limits: bool,
    /// Whether Azure checks what it is sent over HTTP, as the real one does.
    pub strict: bool,
    /// The API versions in which this cloud knows VMs.
    pub vm_versions: Vec<String>,
    /// What an hour of a spot machine costs, of any size.
    pub spot_price: f64,
    /// The quota of vCPUs; `None` means no quota. The name of a size says how many its VMs use.
    pub vcpu_quota: Option<u32>,
    /// How long a step over SSH takes on a simulated VM.
    pub step: Range<Duration>,
    /// How long a runner on a real machine may be silent before GitHub reports it as offline.
    pub runner_silence: Duration,
    /// How many bytes of padding the runner's package gets; real machines only.
    pub package_padding: usize,
    /// Whether VMs are real machines, which boot, register and run their jobs themselves.
    pub real_machines: bool,
}

impl Default for WorldSettings {
    fn default() -> Self {
        let seconds = |from, to| Duration::from_secs(from)..Duration::from_secs(to);
        WorldSettings {
            seed: 1,
            token: "ghp_simcloudsimcloudsimcloudsimcloud0000".to_owned(),
            rate_limit: 5_000,
            rate_window: Duration::from_secs(3600),
            answer: seconds(0, 0),
            create: seconds(10, 40),
            boot: seconds(15, 60),
            setup: seconds(0, 0),
            register: seconds(2, 10),
            start: seconds(10, 40),
            delete: seconds(5, 60),
            lost_after: Duration::from_secs(600),
            queue_limit: DAY,
            entry_limit: DAY,
            app_token_life: Duration::from_secs(3600),
            token_life: DAY,
            admin_token_life: Duration::from_secs(1000),
            queue_token_life: Duration::from_secs(3600),
            poll_hold: Duration::from_secs(50),
            session_lapse: seconds(60, 92),
            assignment_limit: Duration::from_secs(300),
            scale_set_offers: false,
            vm_page: 50,
            operation_wait: Duration::from_secs(10),
            azure_limits: false,
            strict: true,
            vm_versions: ["2024-07-01", "2024-11-01", "2025-04-01"].map(str::to_owned).to_vec(),
            spot_price: 0.02,
            vcpu_quota: None,
            step: seconds(1, 5),
            runner_silence: Duration::from_secs(5),
            package_padding: 0,
            real_machines: false,
        }
    }
}
