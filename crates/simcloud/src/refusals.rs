//! What Azure refuses whatever is asked: everything while a subscription is disabled, deletions under a lock, tokens that
//! were revoked, and requests beyond its limits.
//!
//! The limits are token buckets. The resource manager has some for each subscription; Compute has some for each
//! subscription and for each VM (Learn: Understand how Azure Resource Manager throttles requests; Compute throttling
//! limits). Requests are always counted; the setting `azure_limits` lets the limits refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::azure::AzureRefusal;
use crate::fault::FaultKind;
use crate::world::World;

/// A limit: how many requests it allows a minute, and how many at once.
#[derive(Debug, Clone, Copy)]
struct AzureLimit {
    /// Its name in the header that says what is left.
    name: &'static str,
    /// Whether it is one of Compute's, and not of the resource manager.
    is_of_compute: bool,
    /// Whether each VM has one of its own.
    is_of_vm: bool,
    refill: f64,
    most: f64,
}

const fn of_manager(name: &'static str, refill: f64, most: f64) -> AzureLimit {
    AzureLimit { name, is_of_compute: false, is_of_vm: false, refill, most }
}

const fn of_compute(name: &'static str, refill: f64, most: f64) -> AzureLimit {
    AzureLimit { name, is_of_compute: true, is_of_vm: false, refill, most }
}

const fn of_each_vm(name: &'static str, refill: f64, most: f64) -> AzureLimit {
    AzureLimit { name, is_of_compute: true, is_of_vm: true, refill, most }
}

const GLOBAL_READS: AzureLimit = of_manager("subscription-global-reads", 22_500.0, 3_750.0);
const READS: AzureLimit = of_manager("subscription-reads", 1_500.0, 250.0);
const WRITES: AzureLimit = of_manager("subscription-writes", 600.0, 200.0);
const DELETES: AzureLimit = of_manager("subscription-deletes", 600.0, 200.0);

/// The limits that a request counts against.
fn limits(method: &str, path: &str) -> Vec<AzureLimit> {
    let path = path.to_ascii_lowercase();
    let is_of_compute = path.contains("/providers/microsoft.compute/");
    let is_list = path.ends_with("/virtualmachines");
    let is_of_vm = path.contains("/virtualmachines/");
    let mut limits = match method {
        "GET" if path.contains("/resourcegroups/") => vec![READS, GLOBAL_READS],
        "GET" => vec![GLOBAL_READS],
        "DELETE" => vec![DELETES],
        _ => vec![WRITES],
    };
    if is_of_compute {
        limits.extend(match method {
            "GET" if path.contains("/operations/") => vec![of_compute("GetOperation", 5_000.0, 15_000.0)],
            "GET" if is_list => vec![of_compute("HighCostGet", 300.0, 900.0)],
            "GET" if is_of_vm => {
                vec![of_compute("LowCostGet", 8_000.0, 24_000.0), of_each_vm("LowCostGetVM", 12.0, 36.0)]
            }
            "GET" => vec![of_compute("LowCostGet", 8_000.0, 24_000.0)],
            "DELETE" if is_of_vm => {
                vec![of_compute("DeleteVM", 500.0, 1_500.0), of_each_vm("DeleteVMSingle", 4.0, 12.0)]
            }
            "PUT" if is_of_vm => {
                vec![of_compute("PutVM", 500.0, 1_500.0), of_each_vm("PutVMSingle", 4.0, 12.0)]
            }
            _ => Vec::new(),
        });
    }
    limits
}

/// What is left of a limit at a time.
#[derive(Debug, Clone, Copy)]
struct LimitBucket {
    left: f64,
    at: Timestamp,
}

/// What is left of all limits.
#[derive(Debug, Default)]
pub(crate) struct Buckets(BTreeMap<String, LimitBucket>);

/// What Azure says of its limits with an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LimitReport {
    /// Headers with what is left.
    pub(crate) headers: Vec<(String, String)>,
    /// Why the request is refused, if a limit is used up.
    pub(crate) throttled: Option<AzureThrottle>,
}

/// A refusal because a limit is used up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AzureThrottle {
    /// The limit.
    pub(crate) name: &'static str,
    /// Whether it is one of Compute's.
    pub(crate) is_of_compute: bool,
    /// When a request is allowed again.
    pub(crate) wait: Duration,
    /// How many requests it allows a minute.
    pub(crate) allowed: f64,
}

impl World {
    /// Counts a request to Azure against its limits.
    pub(crate) fn count_azure(&mut self, method: &str, path: &str) -> LimitReport {
        let now = self.now();
        let mut report = LimitReport::default();
        let mut of_compute = Vec::new();
        let mut words = path.split('/').skip(2);
        let subscription = words.next().unwrap_or_default().to_ascii_lowercase();
        let vm = path.to_ascii_lowercase();
        let vm = vm.split_once("/virtualmachines/").map_or("", |(_, rest)| rest);
        let vm = vm.split('/').next().unwrap_or_default();
        for limit in limits(method, path) {
            let of_vm = if limit.is_of_vm { vm } else { "" };
            let key = format!("{subscription}/{}/{of_vm}", limit.name);
            let bucket = self.buckets.0.entry(key).or_insert(LimitBucket { left: limit.most, at: now });
            let minutes = now.duration_since(bucket.at).as_secs_f64() / 60.0;
            bucket.left = (bucket.left + minutes * limit.refill).min(limit.most);
            bucket.at = now;
            if bucket.left >= 1.0 {
                bucket.left -= 1.0;
            } else if self.settings.azure_limits {
                let wait = Duration::from_secs_f64(((1.0 - bucket.left) / limit.refill * 60.0).ceil());
                let (name, is_of_compute) = (limit.name, limit.is_of_compute);
                report.throttled = Some(AzureThrottle { name, is_of_compute, wait, allowed: limit.refill });
            }
            let left = bucket.left.floor();
            if limit.is_of_compute {
                of_compute.push(format!("Microsoft.Compute/{};{left}", limit.name));
            } else {
                let name = format!("x-ms-ratelimit-remaining-{}", limit.name);
                report.headers.push((name, left.to_string()));
            }
        }
        if !of_compute.is_empty() {
            let name = "x-ms-ratelimit-remaining-resource".to_owned();
            report.headers.push((name, of_compute.join(",")));
        }
        report
    }

    /// What Azure refuses whatever is asked, for the present faults.
    pub(crate) fn azure_refuses(&mut self, method: &str, path: &str) -> Option<AzureRefusal> {
        let refuse = |code, message| Some(AzureRefusal { status: 409, code, message });
        if method == "GET" {
            return None;
        }
        if self.strikes(|what| matches!(what, FaultKind::SubscriptionDisabled)) {
            let subscription = path.split('/').nth(2).unwrap_or_default();
            let message = format!(
                "The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform any \
                 write actions on this subscription until it is re-enabled."
            );
            return refuse("ReadOnlyDisabledSubscription", message);
        }
        if method == "DELETE" && self.strikes(|what| matches!(what, FaultKind::Locked)) {
            let group = path.split('/').take(5).collect::<Vec<_>>().join("/");
            let message = format!(
                "The scope '{path}' cannot perform delete operation because following scope(s) are locked: '{group}'. \
                 Please remove the lock and try again."
            );
            return refuse("ScopeLocked", message);
        }
        None
    }

    /// Azure takes no token any more that it has issued, if a fault says so.
    pub(crate) fn revoke_tokens(&mut self) -> bool {
        let strikes = self.strikes(|what| matches!(what, FaultKind::TokensRevoked));
        if strikes {
            self.tokens.clear();
        }
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    const VM: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm-1";

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let workload = Workload::parse("[settings]\nazure_limits = true\n").expect("a workload");
        let mut world = World::new(&workload, Timestamp::UNIX_EPOCH);
        for _ in 0..12 {
            assert_eq!(world.count_azure("PUT", VM).throttled, None);
        }
        let report = world.count_azure("PUT", VM);
        let throttled = report.throttled.expect("one too many");
        assert_eq!((throttled.name, throttled.wait), ("PutVMSingle", Duration::from_secs(15)));
        let header = report.headers.iter().find(|(name, _)| name == "x-ms-ratelimit-remaining-resource");
        assert_eq!(
            header.map(|(_, left)| left.as_str()),
            Some("Microsoft.Compute/PutVM;1487,Microsoft.Compute/PutVMSingle;0")
        );
        world.advance(Timestamp::UNIX_EPOCH + Duration::from_secs(15));
        assert_eq!(world.count_azure("PUT", VM).throttled, None, "time fills it");
        let other = VM.replace("vm-1", "vm-2");
        assert_eq!(world.count_azure("PUT", &other).throttled, None, "each VM has its own");
        let list = "/subscriptions/s/providers/Microsoft.Compute/virtualMachines";
        let names: Vec<_> =
            world.count_azure("GET", list).headers.into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["x-ms-ratelimit-remaining-subscription-global-reads", "x-ms-ratelimit-remaining-resource"]
        );
    }
}
