//! Bootstrap over SSH: a VM that is there becomes a runner, step by step. What the next step is
//! follows from what is found on the machine ([`azlin_fleet::bootstrap::steps`]), so whoever begins
//! anew after a crash, a reboot or a lost connection goes on where it ended.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use azlin_fleet::bootstrap::steps::{Configure, Found, Next, Step, Wanted, next, runner_id};
use azlin_fleet::bootstrap::{Took, labels};
use azlin_fleet::config::Fleet;
use azlin_fleet::plan::{Install, Outcome};
use azlin_fleet::ports::{Address, Download, Machine, Session, SshError, SshTrouble, Trouble};
use azlin_fleet::remedy::Remedy;
use azlin_fleet::runner::RunnerId;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::outside::Outside;

const SSH_PORT: u16 = 22;
/// The longest pause between two looks for an address. The first ones are shorter: a VM has one
/// within seconds, unless Azure takes its time.
const ADDRESS_PAUSE: Duration = Duration::from_secs(5);
/// Between two tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Between two tries of a step that failed.
const STEP_PAUSE: Duration = Duration::from_secs(5);
/// Tries of steps, over all of them.
const STEP_TRIES: u32 = 3;
/// Tries to connect before the address is asked for again.
const CONNECTS: u32 = 30;
/// How long a VM that boots may refuse our key, or be missing at Azure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes a VM a runner. Its time ends with the fleet's `boot_timeout`, and when the daemon stops.
pub(crate) async fn install(
    outside: &Outside,
    stop: &CancellationToken,
    fleet: &Fleet,
    task: &Install,
    download: &Download,
) -> Outcome {
    let mut work = Work::new(outside, fleet, task, download);
    let deadline = Instant::now() + work.time_left();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => return Outcome::LeftAlone("the daemon is stopping".to_owned()),
        ended = timeout_at(deadline, work.run()) => ended,
    };
    ended.unwrap_or_else(|_| {
        let limit = humantime::format_duration(fleet.lifecycle.boot_timeout);
        work.broken(format!("it was no runner within boot_timeout ({limit}): {}", work.last))
    })
}

/// Stops a runner's service before its VM goes. What fails is of no consequence.
pub(crate) async fn stop_service(outside: &Outside, fleet: &Fleet, task: &Install) -> Result<(), String> {
    let (group, vm) = &task.vm;
    let found = outside.azure.address(group, vm, fleet.vm.public_ip).await;
    let Address::At(address) = found.map_err(|error| error.to_string())? else {
        return Err("it has no address".to_owned());
    };
    let machine = machine(fleet, task, address);
    let session = outside.ssh.connect(&machine).await.map_err(|error| error.to_string())?;
    session.run(&Step::Stop).await.map(drop).map_err(|error| error.to_string())
}

fn machine(fleet: &Fleet, task: &Install, address: IpAddr) -> Machine {
    Machine {
        vm: task.vm.1.clone(),
        address: SocketAddr::new(address, SSH_PORT),
        user: fleet.vm.admin_user.clone(),
        host_key: task.host_key.clone(),
        private_key: fleet.bootstrap.ssh_private_key.clone(),
    }
}

/// A bootstrap under way.
struct Work<'a> {
    outside: &'a Outside,
    fleet: &'a Fleet,
    task: &'a Install,
    download: &'a Download,
    began: Instant,
    /// What kept it from going on last.
    last: String,
    took: Vec<(&'static str, Duration)>,
    /// GitHub's number of the runner, once the machine has told it.
    runner_id: Option<RunnerId>,
}

/// Why the steps did not lead to their end.
enum Halt {
    /// It ended otherwise.
    With(Outcome),
    /// The machine.
    Machine(SshError),
    /// Something else than the machine.
    Elsewhere(String),
}

impl From<SshError> for Halt {
    fn from(error: SshError) -> Self {
        Halt::Machine(error)
    }
}

impl<'a> Work<'a> {
    fn new(outside: &'a Outside, fleet: &'a Fleet, task: &'a Install, download: &'a Download) -> Self {
        let last = "it has no address yet".to_owned();
        Work {
            outside,
            fleet,
            task,
            download,
            began: Instant::now(),
            last,
            took: Vec::new(),
            runner_id: None,
        }
    }

    fn time_left(&self) -> Duration {
        let age = Duration::try_from(self.outside.now().duration_since(self.task.created_at));
        self.fleet.lifecycle.boot_timeout.saturating_sub(age.unwrap_or_default())
    }

    fn broken(&self, why: String) -> Outcome {
        Outcome::Broken { why, runner_id: self.runner_id }
    }

    async fn run(&mut self) -> Outcome {
        let mut failed = 0;
        loop {
            let halt = match self.connect().await {
                Ok(session) => match self.steps(session.as_ref()).await {
                    Ok(outcome) => return outcome,
                    Err(halt) => halt,
                },
                Err(halt) => halt,
            };
            let (why, counts) = match halt {
                Halt::With(outcome) => return outcome,
                Halt::Machine(error) if error.kind.remedy() != Remedy::Again => {
                    return self.broken(error.to_string());
                }
                Halt::Machine(error) => (error.to_string(), error.kind == SshTrouble::StepFailed),
                Halt::Elsewhere(why) => (why, false),
            };
            debug!(fleet = %self.fleet.name, vm = %self.task.runner, reason = %why, "{}: {}: bootstrap begins anew: {why}", self.fleet.name, self.task.runner);
            failed += u32::from(counts);
            if failed == STEP_TRIES {
                return self.broken(why);
            }
            self.last = why;
            sleep(STEP_PAUSE).await;
        }
    }

    /// Tries to log in until the machine is up.
    async fn connect(&mut self) -> Result<Box<dyn Session>, Halt> {
        let began = Instant::now();
        let mut refused_since: Option<Instant> = None;
        loop {
            let machine = machine(self.fleet, self.task, self.address().await?);
            for _ in 0..CONNECTS {
                let error = match self.outside.ssh.connect(&machine).await {
                    Ok(session) => {
                        self.note("reachable", began);
                        return Ok(session);
                    }
                    Err(error) => error,
                };
                match error.kind {
                    SshTrouble::Unreachable | SshTrouble::Lost => {}
                    SshTrouble::KeyRefused => {
                        let since = refused_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= self.patience() {
                            return Err(Halt::Machine(error));
                        }
                    }
                    SshTrouble::WrongHostKey | SshTrouble::StepFailed | SshTrouble::NoKey => {
                        return Err(Halt::Machine(error));
                    }
                }
                self.waits_for(error.to_string());
                sleep(CONNECT_PAUSE).await;
            }
        }
    }

    /// Waits until the VM has an address.
    async fn address(&mut self) -> Result<IpAddr, Halt> {
        let (group, vm) = &self.task.vm;
        let mut missing_since: Option<Instant> = None;
        let mut pause = Duration::ZERO;
        loop {
            match self.outside.azure.address(group, vm, self.fleet.vm.public_ip).await {
                Ok(Address::At(address)) => return Ok(address),
                Ok(Address::Pending) => {}
                Ok(Address::Never(why)) => return Err(Halt::With(self.broken(why))),
                Err(error) => {
                    if error.kind == Trouble::NotFound {
                        let since = missing_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= self.patience() {
                            return Err(Halt::With(self.broken(format!("its VM is gone: {error}"))));
                        }
                    }
                    self.waits_for(error.to_string());
                }
            }
            pause = (pause + Duration::from_secs(1)).min(ADDRESS_PAUSE);
            sleep(pause).await;
        }
    }

    fn waits_for(&mut self, why: String) {
        if why != self.last {
            debug!(fleet = %self.fleet.name, vm = %self.task.runner, reason = %why, "{}: {} is not reached yet: {why}", self.fleet.name, self.task.runner);
        }
        self.last = why;
    }

    fn patience(&self) -> Duration {
        PATIENCE.min(self.fleet.lifecycle.boot_timeout / 2)
    }

    /// One step after the other, as far as they lead.
    async fn steps(&mut self, session: &dyn Session) -> Result<Outcome, Halt> {
        let dependencies = self.fleet.bootstrap.install_dependencies;
        let wanted = Wanted { name: self.task.runner.as_str(), download: self.download, dependencies };
        let printed = session.run(&Step::Probe).await?;
        let mut found = Found::parse(&printed).map_err(Halt::Elsewhere)?;
        loop {
            self.runner_id = runner_id(&found, &wanted).or(self.runner_id);
            let step = match next(&found, &wanted) {
                Next::Done(runner_id) => {
                    return Ok(Outcome::Installed { runner_id, took: self.took() });
                }
                Next::Ended(runner_id) => return Ok(Outcome::Ended(runner_id)),
                Next::Fetch => Step::Fetch(self.download.clone()),
                Next::Dependencies => Step::Dependencies,
                Next::Configure => Step::Configure(self.configuration().await?),
                Next::Start => Step::Start { ephemeral: self.is_ephemeral() },
            };
            let began = Instant::now();
            let printed = session.run(&step).await?;
            self.note(step.name(), began);
            found = found.after(&step, &printed).map_err(Halt::Elsewhere)?;
        }
    }

    /// With a token that is fresh, and dropped once it is used.
    async fn configuration(&self) -> Result<Configure, Halt> {
        let token = self.outside.github(self.fleet).registration_token(&self.fleet.scope).await;
        let token = token.map_err(|error| match error.call().kind.remedy() {
            // A person must act: the VM waits for it as long as it may.
            Remedy::Stop => Halt::With(Outcome::Failed(error.into())),
            Remedy::Again | Remedy::Later | Remedy::AnotherWay | Remedy::GiveUp => {
                Halt::Elsewhere(error.to_string())
            }
        })?;
        Ok(Configure {
            url: token.url,
            name: self.task.runner.to_string(),
            labels: labels(self.fleet).iter().map(ToString::to_string).collect(),
            group: self.fleet.runner_group.clone(),
            ephemeral: self.is_ephemeral(),
            token: token.token,
        })
    }

    fn is_ephemeral(&self) -> bool {
        self.fleet.lifecycle.max_job_count == 1
    }

    fn note(&mut self, what: &'static str, began: Instant) {
        self.took.push((what, began.elapsed()));
    }

    fn took(&self) -> Took {
        Took { steps: self.took.clone(), all: self.began.elapsed() }
    }
}

/// A task for a VM that was just asked for.
pub(crate) fn just_made(
    fleet: &Fleet,
    runner: azlin_fleet::runner_name::RunnerName,
    host_key: String,
    created_at: Timestamp,
) -> Install {
    let vm = (fleet.vm.group.clone(), runner.to_string());
    Install { runner, vm, host_key, created_at, reason: String::new() }
}
