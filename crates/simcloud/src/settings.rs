//! How the simulated world behaves when nothing fails.

use std::ops::Range;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the simulated world behaves when nothing fails.
#[derive(Debug, Clone)]
pub struct WorldSettings {
    /// What chance brings.
    pub seed: u64,
    /// What GitHub takes as a token.
    pub token: String,
    /// Requests in a window that GitHub allows; 0 is no limit.
    pub rate_limit: u32,
    /// How long a window is.
    pub rate_window: Duration,
    /// How long a call takes to be answered, there and back.
    pub answer: Range<Duration>,
    /// From the request for a VM until Azure has made it.
    pub create: Range<Duration>,
    /// From then until it has booted.
    pub boot: Range<Duration>,
    /// From then until its runner is online.
    pub register: Range<Duration>,
    /// From the request for a VM's removal until it is gone.
    pub delete: Range<Duration>,
    /// How long GitHub takes a runner that went silent in a job for busy.
    pub lost_after: Duration,
    /// How long GitHub keeps a job in the queue before it cancels it.
    pub queue_limit: Duration,
    /// How long GitHub keeps an ephemeral runner's entry that is not connected.
    pub entry_limit: Duration,
    /// How long the tokens of an app's installation are good.
    pub app_token_life: Duration,
    /// How long Azure's tokens are good.
    pub token_life: Duration,
    /// VMs on one page of Azure's lists.
    pub vm_page: usize,
    /// vCPUs that the subscription may use, if there is a limit: as many for each VM as its size's name tells.
    pub vcpu_quota: Option<u32>,
    /// How long a step over SSH takes, where machines are simulated.
    pub step: Range<Duration>,
    /// How long a runner on a real machine may be silent before GitHub takes it for offline.
    pub runner_silence: Duration,
    /// Bytes that make the runner's package larger, where machines are real.
    pub package_padding: usize,
    /// Whether machines are real: they boot, register and run their jobs by themselves.
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
            register: seconds(2, 10),
            delete: seconds(5, 60),
            lost_after: Duration::from_secs(600),
            queue_limit: DAY,
            entry_limit: DAY,
            app_token_life: Duration::from_secs(3600),
            token_life: DAY,
            vm_page: 50,
            vcpu_quota: None,
            step: seconds(1, 5),
            runner_silence: Duration::from_secs(5),
            package_padding: 0,
            real_machines: false,
        }
    }
}
