//! What a daemon's process has used, for benchmarks: processor time, memory, and the time of its ticks.

use std::net::SocketAddr;
use std::time::Duration;

use crate::deliveries::get;

/// The kernel's unit of processor time (`getconf CLK_TCK`).
const CLOCK_TICK_MS: u64 = 10;

/// The processor time of a process so far.
///
/// # Panics
/// When there is no such process.
pub fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process lives");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    // utime and stime, the 14th and 15th field of all.
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * CLOCK_TICK_MS)
}

/// A process' memory in kilobytes: `VmRSS` is what is resident, `VmHWM` the most that ever was.
///
/// # Panics
/// When there is no such process.
pub fn memory_kb(id: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with(what)).expect("the kernel tells");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).expect("a number")
}

/// The ticks of all fleets so far.
#[derive(Debug, Clone, Copy)]
pub struct TickTimes {
    /// How many there were.
    pub count: f64,
    /// How long they took together, in seconds.
    pub seconds: f64,
    /// The slowest took no longer, in seconds: the bound of its bucket.
    pub slowest: f64,
}

/// The ticks that a daemon's metrics tell of.
///
/// # Panics
/// When the daemon does not answer.
pub fn ticks(address: SocketAddr) -> TickTimes {
    let (_, metrics) = get(address, "/metrics").expect("metrics");
    let of = |start: &str| {
        metrics.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok()).unwrap_or(0.0)
    };
    let buckets = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix("azlin_tick_duration_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, count.parse::<f64>().ok()?))
    });
    let buckets: Vec<(f64, f64)> = buckets.collect();
    let count = of("azlin_tick_duration_seconds_count");
    let slowest = buckets.iter().find(|(_, within)| *within >= count).map_or(0.0, |(bound, _)| *bound);
    TickTimes { count, seconds: of("azlin_tick_duration_seconds_sum"), slowest }
}
