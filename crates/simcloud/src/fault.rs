//! Faults: what can go wrong, in which calls or machines, when and how often.
//!
//! To add a fault: add a [`FaultKind`] here, its name in a workload file in `fault/written.rs`, and its
//! effect where it happens. A fault of calls takes effect in [`Faults::call_faults`], and both ways into the
//! world apply it (`http.rs`, `in_process.rs`). A fault of VMs, jobs or runners is asked for with
//! `World::strikes` in the file of that event: `calls.rs`, `machine.rs`, `registration.rs` and so on. Users read
//! of it in the table of docs/reference/simcloud.md, and simulations have it once `generate.rs` there does.

mod written;

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::Value;

use crate::calls::is_asked;
use crate::scale_set_fault::ScaleSetFault;
use crate::workload::{Span, duration, optional_duration};

/// The service that a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// GitHub's REST API.
    Github,
    /// Azure Resource Manager.
    Azure,
    /// Azure's managed identity endpoint.
    Identity,
}

/// Something that fails for a while.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of fault.
    pub what: FaultKind,
    /// Only calls to this service; `None` means all.
    #[serde(default)]
    pub side: Option<Side>,
    /// Only calls with this method; `None` means all.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path contains this text; `None` means all.
    #[serde(default)]
    pub path: Option<String>,
    /// Start, from the start of the world.
    #[serde(default, deserialize_with = "duration")]
    pub from: Duration,
    /// End, from the start of the world; `None` means never.
    #[serde(default, deserialize_with = "optional_duration")]
    pub until: Option<Duration>,
    /// The probability at each chance, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// The most times that it strikes; `None` means no limit.
    #[serde(default)]
    pub times: Option<u32>,
}

fn always() -> f64 {
    1.0
}

/// The kinds of faults. In a workload file: `what = "reset"`, `what = { latency = ["1s", "5s"] }`, `what = {
/// status = 502 }`; with `retry-after` in seconds: `what = { status = [429, 3] }`.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// The answer is delayed.
    Latency(Span),
    /// The call is refused with this status and, if given, `retry-after` in seconds.
    Status(u16, Option<u64>),
    /// Azure refuses the call with an error body of its own. Words limit this to VMs that are asked for, as for
    /// `NoCapacity`.
    Refused(CodedRefusal, Option<String>),
    /// The connection is reset before the call has any effect.
    Reset,
    /// The answer is cut off in the middle. The call has had its effect.
    Truncated,
    /// The connection is reset after the call has had its effect.
    LostAnswer,
    /// Azure refuses a VM at once for lack of capacity. Words limit this to a size, a zone, a region, or
    /// "spot".
    NoCapacity(Option<String>),
    /// Azure accepts a VM and fails to create it. The first word is the error code; further words limit it as
    /// for `NoCapacity`.
    CreateFails(Option<String>),
    /// The VM does not boot.
    NeverBoots,
    /// The runner's program does not start.
    NeverRegisters,
    /// The VM dies while it runs a job.
    DiesInJob,
    /// Azure evicts the VM: it deletes or deallocates it, as `evictionPolicy` says.
    Eviction,
    /// GitHub reports a wrong checksum for the runner's program.
    WrongChecksum,
    /// GitHub refuses a registration by token.
    RegistrationRefused,
    /// A step over SSH fails on a simulated VM. A name limits this to that step.
    StepFails(Option<String>),
    /// The connection is lost during a step on a simulated VM, before, in or after its effect. A name limits
    /// this to that step.
    ConnectionLost(Option<String>),
    /// Other clients use the rest of GitHub's rate limit.
    BudgetGone,
    /// Azure deletes a VM, and leaves its NIC, its address and its disk.
    LeavesBehind,
    /// A job is cancelled while it waits.
    Cancelled,
    /// Lists show an old state, of this age.
    Stale(Span),
    /// Lists show some things in their present state, and others in an old one of this age.
    Patchy(Span),
    /// The call has its effect twice, as if a proxy sent it again.
    Twice,
    /// Lists, and the entry by its id, call a runner idle that has a job.
    ListIdle,
    /// `DELETE` of an entry takes a runner for idle that has a job, and removes its entry.
    DeleteIdle,
    /// The entry of a runner vanishes in the middle of its job.
    EntryVanishes,
    /// The entry of an ephemeral runner stays as busy and offline when the runner ends. GitHub refuses to remove it
    /// for this time.
    EntryStays(Span),
    /// Jobs that run name no runner.
    JobsUnnamed,
    /// A job that runs is shown as queued for this time, with the name of its runner.
    ShownQueued(Span),
    /// A job is sent to a runner that is not connected, and goes back to the queue after some minutes.
    OfflineAssignment,
    /// Two runners get one job; or a runner that takes several jobs gets a second, which cancels the first.
    DoubleAssignment,
    /// A proxy answers 200 with a page of its own. The call has no effect.
    BlockPage,
    /// A proxy redirects to the page of another host, to sign in. The call has no effect.
    LoginRedirect,
    /// Something on the way answers 404 with a page of its own. The call has no effect.
    HtmlNotFound,
    /// A VM does not answer when it is asked to drain, ever: its metadata service is gone, or it hangs.
    GuestDeaf,
    /// Azure calls a VM failed that runs, and whose runner works. A code says why; without one it is that of an
    /// extension that failed, or of an operating system that was late.
    FailsRunning(Option<String>),
    /// A policy strips the tags of a VM, or rewrites one of this name, when it is created.
    TagsStripped(Option<String>),
    /// A lock keeps what is there from being deleted.
    Locked,
    /// The subscription is disabled: nothing can be written.
    SubscriptionDisabled,
    /// Azure takes no token any more that it has issued so far.
    TokensRevoked,
    /// Azure keeps the NIC of a VM that it failed to create, for three minutes after the VM is deleted.
    NicReserved,
    /// A list breaks off after its first page.
    ListBreaks,
    /// A spot machine costs so much an hour.
    SpotPrice(f64),
    /// The texts of an answer hold escape sequences, line breaks and characters that are not seen: names, labels,
    /// messages.
    OddText,
    /// Something goes wrong with a runner scale set.
    ScaleSet(ScaleSetFault),
}

/// A refusal with a code of Azure's: `{"error": {"code", "message"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Azure's error code.
    pub code: String,
    /// Azure's message.
    pub message: String,
}

/// The call that faults are asked about.
#[derive(Debug, Clone, Copy)]
pub struct CallTarget<'a> {
    /// The service.
    pub side: Side,
    /// The HTTP method.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The VM that the call asks Azure for; null if it asks for none.
    pub vm: &'a Value,
}

/// How far lists lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// The age of the state that they show.
    pub ago: Duration,
    /// Whether a part of what they show is in its present state.
    pub is_patchy: bool,
}

/// What faults do to one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallFaults {
    /// How much later the answer comes.
    pub latency: Duration,
    /// How the call fails, if it does.
    pub failure: Option<CallFailure>,
    /// How far lists lag.
    pub stale: Lag,
    /// Whether the call has its effect twice.
    pub is_twice: bool,
    /// Whether the answer's texts are odd.
    pub is_odd: bool,
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq)]
pub enum CallFailure {
    /// It is refused with this status and `retry-after` in seconds.
    Status(u16, Option<u64>),
    /// Azure refuses it with this error.
    Refused(CodedRefusal),
    /// The connection is reset before the call has an effect.
    Reset,
    /// The answer is cut off in the middle.
    Truncated,
    /// The connection is reset after the call had its effect.
    LostAnswer,
    /// Something on the way answers with a page of its own, and the call has no effect.
    Page(ForeignPage),
}

/// An HTML page that something between a client and a service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignPage {
    /// Status 200: the request was blocked.
    Block,
    /// Status 302: the client shall sign in at another host.
    Login,
    /// Status 404.
    NotFound,
}

/// All faults of a world, and how often each has struck.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<(Fault, u32)>,
    /// Whether any fault makes lists lag.
    lag: bool,
}

impl Faults {
    /// Faults that have not struck yet.
    pub fn new(faults: Vec<Fault>) -> Self {
        let lag = faults.iter().any(|fault| matches!(fault.what, FaultKind::Stale(_) | FaultKind::Patchy(_)));
        Faults { all: faults.into_iter().map(|fault| (fault, 0)).collect(), lag }
    }

    /// Whether there is a fault of a kind at any time.
    pub(crate) fn has(&self, is_it: impl Fn(&FaultKind) -> bool) -> bool {
        self.all.iter().any(|(fault, _)| is_it(&fault.what))
    }

    /// How often all faults together have struck.
    pub fn struck(&self) -> u32 {
        self.all.iter().map(|(_, struck)| struck).sum()
    }

    /// The age of the oldest state that lists can show at this time.
    pub(crate) fn longest_stale(&self, since_start: Duration) -> Duration {
        if !self.lag {
            return Duration::ZERO;
        }
        let spans = self.all.iter().filter_map(|(fault, _)| match fault.what {
            FaultKind::Stale(span) | FaultKind::Patchy(span) => {
                let is_over = fault.until.is_some_and(|until| until < since_start);
                let is_near = fault.from <= since_start + span.to + Duration::from_secs(60);
                (is_near && !is_over).then_some(span.to)
            }
            _ => None,
        });
        spans.max().unwrap_or_default()
    }

    /// What faults do to a call at this time.
    pub fn call_faults(
        &mut self,
        call: CallTarget<'_>,
        since_start: Duration,
        rng: &mut StdRng,
    ) -> CallFaults {
        let mut call_faults = CallFaults::default();
        for (fault, struck) in &mut self.all {
            // Calls of runners are hit only by faults that name their path.
            let is_of_runners = call.path.starts_with("/_runner/");
            if is_of_runners && !fault.path.as_ref().is_some_and(|path| path.starts_with("/_runner")) {
                continue;
            }
            let matches = fault.side.is_none_or(|side| side == call.side)
                && fault.method.as_ref().is_none_or(|method| method == call.method)
                && fault.path.as_ref().is_none_or(|path| call.path.contains(path.as_str()));
            let is_of_calls = matches!(
                fault.what,
                FaultKind::Latency(_)
                    | FaultKind::Status(..)
                    | FaultKind::Refused(..)
                    | FaultKind::Reset
                    | FaultKind::Truncated
                    | FaultKind::LostAnswer
                    | FaultKind::Stale(_)
                    | FaultKind::Patchy(_)
                    | FaultKind::Twice
                    | FaultKind::BlockPage
                    | FaultKind::LoginRedirect
                    | FaultKind::HtmlNotFound
                    | FaultKind::OddText
            );
            let is_of_others = match &fault.what {
                FaultKind::Refused(_, only) => {
                    let is_of_vm = only.as_ref().is_none_or(|words| is_asked(words, call.vm));
                    call.side != Side::Azure || !is_of_vm
                }
                _ => false,
            };
            if !matches || !is_of_calls || is_of_others || !strikes(fault, struck, since_start, rng) {
                continue;
            }
            match &fault.what {
                FaultKind::Latency(span) => call_faults.latency += random_duration(span.from..span.to, rng),
                FaultKind::Stale(span) => {
                    call_faults.stale =
                        Lag { ago: random_duration(span.from..span.to, rng), is_patchy: false }
                }
                FaultKind::Patchy(span) => {
                    call_faults.stale = Lag { ago: random_duration(span.from..span.to, rng), is_patchy: true }
                }
                FaultKind::Twice => call_faults.is_twice = true,
                FaultKind::OddText => call_faults.is_odd = true,
                FaultKind::Status(status, retry_after) => {
                    call_faults.failure = Some(CallFailure::Status(*status, *retry_after));
                }
                FaultKind::Refused(refusal, _) => {
                    call_faults.failure = Some(CallFailure::Refused(refusal.clone()));
                }
                FaultKind::Reset => call_faults.failure = Some(CallFailure::Reset),
                FaultKind::Truncated => call_faults.failure = Some(CallFailure::Truncated),
                FaultKind::LostAnswer => call_faults.failure = Some(CallFailure::LostAnswer),
                FaultKind::BlockPage => call_faults.failure = Some(CallFailure::Page(ForeignPage::Block)),
                FaultKind::LoginRedirect => call_faults.failure = Some(CallFailure::Page(ForeignPage::Login)),
                FaultKind::HtmlNotFound => {
                    call_faults.failure = Some(CallFailure::Page(ForeignPage::NotFound));
                }
                _ => {}
            }
        }
        call_faults
    }

    /// Whether a fault of this kind strikes at this time.
    pub fn strikes(
        &mut self,
        mut is_it: impl FnMut(&FaultKind) -> bool,
        since_start: Duration,
        rng: &mut StdRng,
    ) -> bool {
        self.all
            .iter_mut()
            .any(|(fault, struck)| is_it(&fault.what) && strikes(fault, struck, since_start, rng))
    }
}

fn strikes(fault: &Fault, struck: &mut u32, since_start: Duration, rng: &mut StdRng) -> bool {
    let is_now = since_start >= fault.from && fault.until.is_none_or(|until| since_start < until);
    let may_again = fault.times.is_none_or(|times| *struck < times);
    let does = is_now
        && may_again
        && (fault.probability >= 1.0 || rng.random_bool(fault.probability.clamp(0.0, 1.0)));
    *struck += u32::from(does);
    does
}

/// A random duration from the range.
pub fn random_duration(range: std::ops::Range<Duration>, rng: &mut StdRng) -> Duration {
    if range.start >= range.end { range.start } else { rng.random_range(range) }
}
