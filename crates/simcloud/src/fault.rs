//! What can go wrong: in which calls, or with which machines, when and how often.

mod written;

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::Deserialize;

use crate::workload::{Span, duration, optional_duration};

/// Which service a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// GitHub's REST API.
    Github,
    /// Azure Resource Manager.
    Azure,
    /// The managed identity endpoint.
    Identity,
}

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub what: What,
    /// Only calls to this service.
    #[serde(default)]
    pub side: Option<Side>,
    /// Only calls with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path holds this.
    #[serde(default)]
    pub path: Option<String>,
    /// From when.
    #[serde(default, deserialize_with = "duration")]
    pub from: Duration,
    /// Until when.
    #[serde(default, deserialize_with = "optional_duration")]
    pub until: Option<Duration>,
    /// How likely each time, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// At most so often.
    #[serde(default)]
    pub times: Option<u32>,
}

fn always() -> f64 {
    1.0
}

/// What goes wrong. In a workload file: `what = "reset"`, `what = { latency = ["1s", "5s"] }`,
/// `what = { status = 502 }`, with `retry-after` in seconds `what = { status = [429, 3] }`.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The answer takes longer.
    Latency(Span),
    /// The call is refused with this status, and `retry-after` in seconds where it is told.
    Status(u16, Option<u64>),
    /// The connection is reset before the call has any effect.
    Reset,
    /// The answer stops half-way; the call has had its effect.
    Truncated,
    /// The connection is reset after the call has had its effect.
    LostAnswer,
    /// Azure has no machine, and says so at once. Words limit it to a size, a zone, a region, to "spot".
    NoCapacity(Option<String>),
    /// Azure takes the request, and fails to make the VM. A word tells the code, further ones limit it.
    CreateFails(Option<String>),
    /// The VM does not boot.
    NeverBoots,
    /// The runner's program does not start.
    NeverRegisters,
    /// The machine dies while it runs a job.
    DiesInJob,
    /// Azure evicts the VM: it is removed or deallocated, as its `evictionPolicy` says.
    Eviction,
    /// GitHub tells a wrong checksum of the runner's program.
    WrongChecksum,
    /// GitHub refuses a registration with a token.
    RegistrationRefused,
    /// A step over SSH fails on a simulated machine. A name limits it to that step.
    StepFails(Option<String>),
    /// The connection is lost in a step on a simulated machine, before or after its effect.
    ConnectionLost(Option<String>),
    /// The rest of GitHub's rate limit is used by somebody else.
    BudgetGone,
    /// Azure removes a VM, and forgets its NIC, its address and its disk.
    LeavesBehind,
    /// A job is cancelled while it waits.
    Cancelled,
    /// Lists show how things were this long ago.
    Stale(Span),
    /// Lists show some things as they are, and others as they were this long ago.
    Patchy(Span),
    /// The call has its effect twice, as when somebody on the way sends it again.
    Twice,
}

/// A call as faults see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The service.
    pub side: Side,
    /// `GET` and so on.
    pub method: &'a str,
    /// The path without query.
    pub path: &'a str,
}

/// How lists lag behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// How old they are.
    pub ago: Duration,
    /// Whether some of what they show is as it is now.
    pub is_patchy: bool,
}

/// What happens to a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weather {
    /// The answer takes this much longer.
    pub latency: Duration,
    /// How it fails, if it does.
    pub failure: Option<Failure>,
    /// How lists lag behind.
    pub stale: Lag,
    /// Whether the call has its effect twice.
    pub is_twice: bool,
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Refused with this status, and `retry-after`.
    Status(u16, Option<u64>),
    /// Reset before it had an effect.
    Reset,
    /// The answer stops half-way.
    Truncated,
    /// Reset after it had its effect.
    LostAnswer,
}

/// All faults of a world, with how often each has struck.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<(Fault, u32)>,
    /// Whether lists ever lag.
    lag: bool,
}

impl Faults {
    /// These faults.
    pub fn new(faults: Vec<Fault>) -> Self {
        let lag = faults.iter().any(|fault| matches!(fault.what, What::Stale(_) | What::Patchy(_)));
        Faults { all: faults.into_iter().map(|fault| (fault, 0)).collect(), lag }
    }

    /// How often they have struck, all together.
    pub fn struck(&self) -> u32 {
        self.all.iter().map(|(_, struck)| struck).sum()
    }

    /// The longest that a list can lag for which something is remembered at this time.
    pub(crate) fn longest_stale(&self, since_start: Duration) -> Duration {
        if !self.lag {
            return Duration::ZERO;
        }
        let spans = self.all.iter().filter_map(|(fault, _)| match fault.what {
            What::Stale(span) | What::Patchy(span) => {
                let is_over = fault.until.is_some_and(|until| until < since_start);
                let is_near = fault.from <= since_start + span.to + Duration::from_secs(60);
                (is_near && !is_over).then_some(span.to)
            }
            _ => None,
        });
        spans.max().unwrap_or_default()
    }

    /// What happens to a call now.
    pub fn weather(&mut self, call: Call<'_>, since_start: Duration, chance: &mut StdRng) -> Weather {
        let mut weather = Weather::default();
        for (fault, struck) in &mut self.all {
            // What runners say to GitHub is struck only by faults that name it.
            let is_of_runners = call.path.starts_with("/_runner/");
            if is_of_runners && !fault.path.as_ref().is_some_and(|path| path.starts_with("/_runner")) {
                continue;
            }
            let matches = fault.side.is_none_or(|side| side == call.side)
                && fault.method.as_ref().is_none_or(|method| method == call.method)
                && fault.path.as_ref().is_none_or(|path| call.path.contains(path.as_str()));
            let is_of_calls = matches!(
                fault.what,
                What::Latency(_)
                    | What::Status(..)
                    | What::Reset
                    | What::Truncated
                    | What::LostAnswer
                    | What::Stale(_)
                    | What::Patchy(_)
                    | What::Twice
            );
            if !matches || !is_of_calls || !strikes(fault, struck, since_start, chance) {
                continue;
            }
            match &fault.what {
                What::Latency(span) => weather.latency += draw(span.from..span.to, chance),
                What::Stale(span) => {
                    weather.stale = Lag { ago: draw(span.from..span.to, chance), is_patchy: false }
                }
                What::Patchy(span) => {
                    weather.stale = Lag { ago: draw(span.from..span.to, chance), is_patchy: true }
                }
                What::Twice => weather.is_twice = true,
                What::Status(status, retry_after) => {
                    weather.failure = Some(Failure::Status(*status, *retry_after));
                }
                What::Reset => weather.failure = Some(Failure::Reset),
                What::Truncated => weather.failure = Some(Failure::Truncated),
                What::LostAnswer => weather.failure = Some(Failure::LostAnswer),
                _ => {}
            }
        }
        weather
    }

    /// Whether a fault of this kind strikes now.
    pub fn strikes(
        &mut self,
        mut is_it: impl FnMut(&What) -> bool,
        since_start: Duration,
        chance: &mut StdRng,
    ) -> bool {
        self.all
            .iter_mut()
            .any(|(fault, struck)| is_it(&fault.what) && strikes(fault, struck, since_start, chance))
    }
}

fn strikes(fault: &Fault, struck: &mut u32, since_start: Duration, chance: &mut StdRng) -> bool {
    let is_now = since_start >= fault.from && fault.until.is_none_or(|until| since_start < until);
    let may_again = fault.times.is_none_or(|times| *struck < times);
    let does = is_now
        && may_again
        && (fault.probability >= 1.0 || chance.random_bool(fault.probability.clamp(0.0, 1.0)));
    *struck += u32::from(does);
    does
}

/// A duration between the two.
pub fn draw(range: std::ops::Range<Duration>, chance: &mut StdRng) -> Duration {
    if range.start >= range.end { range.start } else { chance.random_range(range) }
}
