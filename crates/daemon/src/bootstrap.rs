//! Bootstrap over SSH: installs a runner on an existing VM, step by step. The state of the machine decides
//! the next step ([`azlin_fleet::bootstrap::steps`]), so the bootstrap continues after a crash, a reboot or a
//! lost connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use azlin_fleet::bootstrap::{
    jit_config::without_updates,
    labels,
    retries::{CONNECT_PAUSE, CONNECTS_PER_ADDRESS, STEP_PAUSE, STEP_TRIES, next_address_pause, patience},
    runner_config,
    setup::MARGIN,
    steps::{NextStep, ProbeResult, WAS_REGISTERED, WantedRunner, next, runner_id},
};
use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    BootstrapOutcome, CallError, CallErrorKind, Configure, Download, ErrorPolicy, Install, InstallOutcome,
    Machine, Register, RunnerError, RunnerId, SshError, SshErrorKind, Step, Took,
};
use azlin_fleet::ports::{Address, Session};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::act::entry::{self, NotTakenBack};
use crate::context::DaemonContext;

const SSH_PORT: u16 = 22;

/// Installs a runner on a VM. The limit is the fleet's `boot_timeout`, or the end of the daemon.
pub(crate) async fn install(
    context: &DaemonContext,
    stop: &CancellationToken,
    fleet: &Fleet,
    task: &Install,
    download: &Download,
) -> InstallOutcome {
    let mut work = Work::new(context, fleet, task, download);
    let deadline = Instant::now() + work.time_left();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => return InstallOutcome::LeftAlone("the daemon is stopping".to_owned()),
        ended = timeout_at(deadline, work.run()) => ended,
    };
    ended.unwrap_or_else(|_| {
        let limit = azlin_fleet::model::in_words(fleet.lifecycle.boot_timeout);
        work.broken(format!("it was no runner within boot_timeout ({limit}): {}", work.last))
    })
}

/// A VM of the fleet, as an SSH connection needs it.
pub(crate) fn machine(fleet: &Fleet, vm: &str, host_key: &str, address: IpAddr) -> Machine {
    Machine {
        vm: vm.to_owned(),
        address: SocketAddr::new(address, SSH_PORT),
        user: fleet.vm.admin_user.clone(),
        host_key: host_key.to_owned(),
        private_key: fleet.bootstrap.ssh_private_key.clone(),
    }
}

/// A running bootstrap.
struct Work<'a> {
    context: &'a DaemonContext,
    fleet: &'a Fleet,
    task: &'a Install,
    download: &'a Download,
    began: Instant,
    /// The last obstacle, which a timeout reports.
    last: String,
    took: Vec<(&'static str, Duration)>,
    /// Whether the VM carries the word that a registration is sent to it, since this bootstrap left it there.
    is_noted: bool,
    /// Whether the runner may have been started, and with it a job.
    has_started: bool,
    /// The entry of a runner for one job, from when GitHub has made it. It is sent to the machine until that has it.
    registration: Option<Register>,
    /// GitHub's id of the runner, once it is known.
    runner_id: Option<RunnerId>,
}

/// Why the steps stopped.
enum Halt {
    /// The bootstrap has ended.
    With(InstallOutcome),
    /// The machine failed.
    Machine(SshError),
    /// Something other than the machine failed.
    Elsewhere(String),
}

impl From<SshError> for Halt {
    fn from(error: SshError) -> Self {
        Halt::Machine(error)
    }
}

impl<'a> Work<'a> {
    fn new(context: &'a DaemonContext, fleet: &'a Fleet, task: &'a Install, download: &'a Download) -> Self {
        let last = "it has no address yet".to_owned();
        Work {
            context,
            fleet,
            task,
            download,
            began: Instant::now(),
            last,
            took: Vec::new(),
            is_noted: false,
            has_started: false,
            registration: None,
            runner_id: None,
        }
    }

    fn time_left(&self) -> Duration {
        let age = Duration::try_from(self.context.now().duration_since(self.task.created_at));
        self.fleet.lifecycle.boot_timeout.saturating_sub(age.unwrap_or_default())
    }

    fn broken(&self, why: String) -> InstallOutcome {
        InstallOutcome::Bootstrap(BootstrapOutcome::Broken { why, runner_id: self.runner_id })
    }

    async fn run(&mut self) -> InstallOutcome {
        let mut failed = 0;
        loop {
            let halt = match self.connect().await {
                Ok(session) => match self.steps(session.as_ref()).await {
                    Ok(outcome) => return InstallOutcome::Bootstrap(outcome),
                    Err(halt) => halt,
                },
                Err(halt) => halt,
            };
            let (why, counts) = match halt {
                Halt::With(outcome) => return outcome,
                Halt::Machine(error) if error.kind.policy() != ErrorPolicy::Again => {
                    return self.broken(error.to_string());
                }
                Halt::Machine(error) => (error.to_string(), error.kind == SshErrorKind::StepFailed),
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

    /// Tries to log in until the machine accepts it.
    async fn connect(&mut self) -> Result<Box<dyn Session>, Halt> {
        let began = Instant::now();
        let mut refused_since: Option<Instant> = None;
        loop {
            let (vm, host_key) = (&self.task.vm.1, &self.task.host_key);
            let machine = machine(self.fleet, vm, host_key, self.address().await?);
            for _ in 0..CONNECTS_PER_ADDRESS {
                let error = match self.context.ssh.connect(&machine).await {
                    Ok(session) => {
                        self.note("reachable", began);
                        return Ok(session);
                    }
                    Err(error) => error,
                };
                match error.kind {
                    SshErrorKind::Unreachable | SshErrorKind::Lost => {}
                    SshErrorKind::KeyRefused => {
                        let since = refused_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= patience(self.fleet) {
                            return Err(Halt::Machine(error));
                        }
                    }
                    SshErrorKind::WrongHostKey | SshErrorKind::StepFailed | SshErrorKind::NoKey => {
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
            match self.context.azure.address(group, vm, self.fleet.vm.public_ip).await {
                Ok(Address::At(address)) => return Ok(address),
                Ok(Address::Pending) => {}
                Ok(Address::Never(why)) => return Err(Halt::With(self.broken(why))),
                Err(error) => {
                    if error.kind == CallErrorKind::NotFound {
                        let since = missing_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= patience(self.fleet) {
                            return Err(Halt::With(self.broken(format!("its VM is gone: {error}"))));
                        }
                    }
                    self.waits_for(error.to_string());
                }
            }
            pause = next_address_pause(pause);
            sleep(pause).await;
        }
    }

    fn waits_for(&mut self, why: String) {
        if why != self.last {
            debug!(fleet = %self.fleet.name, vm = %self.task.runner, reason = %why, "{}: {} is not reached yet: {why}", self.fleet.name, self.task.runner);
        }
        self.last = why;
    }

    /// Runs the steps one after the other, as far as possible.
    async fn steps(&mut self, session: &dyn Session) -> Result<BootstrapOutcome, Halt> {
        let dependencies = self.fleet.bootstrap.install_dependencies;
        let machine = &self.fleet.bootstrap.machine;
        let (name, setup) = (self.task.runner.as_str(), !machine.is_plain());
        let wanted = WantedRunner { name, download: self.download, dependencies, setup };
        let printed = session.run(&Step::Probe).await?;
        let mut found = ProbeResult::parse(&printed).map_err(Halt::Elsewhere)?;
        loop {
            self.runner_id = runner_id(&found, &wanted).or(self.runner_id);
            let step = match next(&found, &wanted) {
                NextStep::Done(runner_id) => {
                    let (host_key, took) = (self.task.host_key.clone(), self.took());
                    return Ok(BootstrapOutcome::Installed { runner_id, host_key, took });
                }
                NextStep::Ended(runner_id) => return Ok(BootstrapOutcome::Ended(runner_id)),
                NextStep::Setup => Step::Setup(machine.setup_timeout + MARGIN),
                NextStep::Fetch => Step::Fetch(self.download.clone()),
                NextStep::Dependencies => Step::Dependencies,
                NextStep::Configure => {
                    self.note_registration().await?;
                    if self.fleet.lifecycle.max_job_count == 1 {
                        Step::Register(self.registration().await?)
                    } else {
                        Step::Configure(self.configuration().await?)
                    }
                }
                NextStep::Start => {
                    self.has_started = true;
                    Step::Start
                }
            };
            let began = Instant::now();
            // What the machine prints may hold what it was given.
            let printed = session.run(&step).await.map_err(|error| error.without(step.input().as_ref()))?;
            self.note(step.name(), began);
            found = found.after(&step, &printed).map_err(Halt::Elsewhere)?;
        }
    }

    /// Leaves word at the VM, out of its own reach, before a secret is sent to it. Where the word is there already, a job may
    /// have run, and the machine may lie.
    async fn note_registration(&mut self) -> Result<(), Halt> {
        let (azure, (group, vm)) = (&self.context.azure, &self.task.vm);
        let failed = |error: CallError| Halt::Elsewhere(error.to_string());
        if !self.is_noted {
            if azure.was_registered(group, vm).await.map_err(failed)? {
                return Err(Halt::With(self.broken(WAS_REGISTERED.to_owned())));
            }
        } else if self.has_started {
            return Err(Halt::With(self.broken(WAS_REGISTERED.to_owned())));
        }
        // Kept also if the answer is lost: the word is this bootstrap's own then.
        self.is_noted = true;
        azure.note_registration(group, vm).await.map_err(failed)
    }

    /// The entry of a runner for one job, made at GitHub when the machine is ready for it. One that is there under this name
    /// is from a request of this bootstrap whose answer was lost: nothing was sent to a machine that the entry would let in.
    async fn registration(&mut self) -> Result<Register, Halt> {
        if let Some(made) = &self.registration {
            return Ok(made.clone());
        }
        let github = self.context.github(self.fleet);
        let config = runner_config(self.fleet, self.task.runner.clone());
        let mut made = github.jit_config(&config).await;
        if made.as_ref().is_err_and(|error| error.call().kind == CallErrorKind::NameTaken) {
            entry::take_back(github, &config).await.map_err(|why| match why {
                NotTakenBack::AtWork(why) => Halt::Elsewhere(why),
                NotTakenBack::Failed(failure) => Halt::Elsewhere(failure.why),
            })?;
            made = github.jit_config(&config).await;
        }
        let made = made.map_err(not_prepared)?;
        self.runner_id = Some(made.runner_id);
        let jit_config = SecretString::from(without_updates(made.encoded_jit_config.expose_secret()));
        let register = Register { runner_id: made.runner_id, name: made.runner_name.to_string(), jit_config };
        self.registration = Some(register.clone());
        Ok(register)
    }

    /// The configuration with a fresh token. The token is dropped after its use.
    async fn configuration(&self) -> Result<Configure, Halt> {
        let token = self.context.github(self.fleet).registration_token(&self.fleet.scope).await;
        let token = token.map_err(not_prepared)?;
        Ok(Configure {
            url: token.url,
            name: self.task.runner.to_string(),
            labels: labels(self.fleet).iter().map(ToString::to_string).collect(),
            group: self.fleet.runner_group.clone(),
            token: token.token,
        })
    }

    fn note(&mut self, what: &'static str, began: Instant) {
        self.took.push((what, began.elapsed()));
    }

    fn took(&self) -> Took {
        Took { steps: self.took.clone(), all: self.began.elapsed() }
    }
}

/// How the steps go on after GitHub has prepared nothing.
fn not_prepared(error: RunnerError) -> Halt {
    match error.call().kind.policy() {
        // A person must act. The VM waits until boot_timeout.
        ErrorPolicy::Stop => Halt::With(InstallOutcome::Failed(error.into())),
        ErrorPolicy::Again | ErrorPolicy::Later | ErrorPolicy::AnotherWay | ErrorPolicy::GiveUp => {
            Halt::Elsewhere(error.to_string())
        }
    }
}

/// The installation on a VM that was just requested.
pub(crate) fn just_made(
    fleet: &Fleet,
    runner: azlin_fleet::model::RunnerName,
    host_key: String,
    created_at: Timestamp,
) -> Install {
    let vm = (fleet.vm.group.clone(), runner.as_str().into());
    Install { runner, vm, host_key: host_key.into(), created_at }
}
